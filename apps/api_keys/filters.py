"""Query parameters of the lists of keys and of usage."""

import re
from datetime import datetime, timedelta

from apps.api_keys.models import ApiKey, KeyType
from apps.audit.calls.usage_report import Interval, Span
from apps.base.errors import Invalid
from apps.base.requests import ApiRequest
from apps.base.rest.query_parameters import choice_parameter, matching_list_parameter, text_parameter, time_parameter
from apps.credentials.filters import filter_keys
from apps.credentials.models import SecretKeyQuerySet

# Length of the default span in buckets, the current one included.
DEFAULT_BUCKETS = {Interval.HOUR: 24, Interval.DAY: 30}
MAX_SUBJECT_LENGTH = 200
TYPE = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
MAX_SPAN_DAYS = {Interval.HOUR: 31, Interval.DAY: 400}


def filter_api_keys(request: ApiRequest, rows: SecretKeyQuerySet[ApiKey]) -> SecretKeyQuerySet[ApiKey]:
    """Return the keys that match the request's filters."""
    subject = text_parameter(request, "subject", MAX_SUBJECT_LENGTH)
    types = matching_list_parameter(request, "type", TYPE, "partner")
    rows = filter_keys(request, rows)
    rows = rows.filter(subject=subject) if subject is not None else rows
    return rows.filter(key_type__in=_known_types(types)) if types else rows


def _known_types(names: list[str]) -> list[int]:
    """Return the primary keys of these types, or raise Invalid with the names that customers can see."""
    known = dict(KeyType.objects.values_list("name", "pk"))
    if not known.keys() >= set(names):
        offered = ", ".join(KeyType.objects.for_customers().values_list("name", flat=True))
        raise Invalid.field("type", f"type must be one or more of {offered}.")
    return [known[name] for name in names]


def usage_span(request: ApiRequest, now: datetime) -> Span:
    """Return the span of ``since``, ``until`` and ``interval``, or raise Invalid on the wrong parameter."""
    interval = Interval(choice_parameter(request, "interval", tuple(Interval)) or Interval.HOUR)
    since, until = time_parameter(request, "since"), time_parameter(request, "until")
    if since is None and until is None:
        return Span.last(DEFAULT_BUCKETS[interval], interval, now)
    try:
        until = until or now
        since = since or until - DEFAULT_BUCKETS[interval] * interval.length
        _check(since, until, interval)
        return Span.covering(since, until, interval)
    except OverflowError:
        raise Invalid.field("until", "until is out of range.") from None


def _check(since: datetime, until: datetime, interval: Interval) -> None:
    if since >= until:
        raise Invalid.field("since", "since must be before until.")
    if until - since > timedelta(days=MAX_SPAN_DAYS[interval]):
        days = MAX_SPAN_DAYS[interval]
        message = f"since and until may be at most {days} days apart where interval is {interval}."
        raise Invalid.field("since", message)
