"""Which span of time a call asks usage for."""

from datetime import datetime, timedelta

from apps.audit.figures import Interval, Span
from apps.base.errors import Invalid
from apps.base.parameters import choice_parameter, time_parameter
from apps.base.requests import ApiRequest

# Unless the call says otherwise: the bucket of now and those before it.
USUAL = {Interval.HOUR: 24, Interval.DAY: 30}
LONGEST_DAYS = {Interval.HOUR: 31, Interval.DAY: 400}


def usage_span(request: ApiRequest, now: datetime) -> Span:
    """This will return the span of ``since``, ``until`` and ``interval``, or raise Invalid naming what is wrong."""
    interval = Interval(choice_parameter(request, "interval", tuple(Interval)) or Interval.HOUR)
    since, until = time_parameter(request, "since"), time_parameter(request, "until")
    if since is None and until is None:
        return Span.last(USUAL[interval], interval, now)
    try:
        until = until or now
        since = since or until - USUAL[interval] * interval.length
        _check(since, until, interval)
        return Span.covering(since, until, interval)
    except OverflowError:
        raise Invalid.field("until", "until is out of range.") from None


def _check(since: datetime, until: datetime, interval: Interval) -> None:
    if since >= until:
        raise Invalid.field("since", "since must be before until.")
    if until - since > timedelta(days=LONGEST_DAYS[interval]):
        days = LONGEST_DAYS[interval]
        message = f"since and until may be at most {days} days apart where interval is {interval}."
        raise Invalid.field("since", message)
