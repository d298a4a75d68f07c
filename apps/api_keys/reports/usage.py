"""Usage reports for the API and for the usage pages."""

from datetime import UTC, datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from apps.api_keys.models import ApiKey
from apps.api_keys.view_models import format_number
from apps.audit.calls.usage_report import (
    CLASSES,
    Interval,
    Span,
    UsageBucket,
    UsageReport,
    key_usage,
    merge_points,
    organization_usage,
)
from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.web.charts import stacked_chart

MAX_ROWS = 50


class SpanChoice(NamedTuple):
    """A time span to choose: its bars, the buckets per bar, its label on the button and as a heading."""

    bars: int
    interval: Interval
    buckets_per_bar: int
    word: str | Promise
    title: str | Promise

    def span(self, now: datetime) -> Span:
        """Return the span that ends with the bar of ``now``."""
        end = self.interval.start_of(now) + self.interval.length
        end += self.interval.length * (-end.hour % self.buckets_per_bar)
        return Span(end - self.bars * self.buckets_per_bar * self.interval.length, end, self.interval)


SPANS = {
    "24h": SpanChoice(24, Interval.HOUR, 1, gettext_lazy("24 h"), gettext_lazy("Last 24 hours")),
    "7d": SpanChoice(28, Interval.HOUR, 6, gettext_lazy("7 d"), gettext_lazy("Last 7 days")),
    "30d": SpanChoice(30, Interval.DAY, 1, gettext_lazy("30 d"), gettext_lazy("Last 30 days")),
}
STATUS_LABELS = {
    "2xx": gettext_lazy("Answered"),
    "4xx": gettext_lazy("Refused (4xx)"),
    "429": gettext_lazy("Over the limit (429)"),
    "5xx": gettext_lazy("Failed on our side (5xx)"),
}
TONES = {"4xx": "warn", "429": "warn", "5xx": "bad"}


def last_use_of_organization(actor: Actor) -> LastUse | None:
    """Return the last use of any of the organization's keys."""
    keys = ApiKey.objects.for_actor(actor).values("pk")
    return LastUse.objects.filter(pk__in=keys).order_by("-at").first()


def keys_by_pk(actor: Actor, report: UsageReport) -> dict[UUID, ApiKey]:
    """Return the keys that occur in the figures."""
    return ApiKey.objects.for_actor(actor).in_bulk([pk for pk, _calls in report.keys])


# The pages


def key_page(actor: Actor, key: ApiKey, span_name: str, now: datetime) -> dict[str, Any]:
    """Return the context of a key's usage page."""
    choice, span = _span(span_name, now)
    report = key_usage(cast(UUID, actor.organization_id), key.pk, span)
    return _page(report, choice, span)


def organization_page(actor: Actor, span_name: str, now: datetime) -> dict[str, Any]:
    """Return the context of the organization's usage page."""
    choice, span = _span(span_name, now)
    report = organization_usage(cast(UUID, actor.organization_id), span)
    known = keys_by_pk(actor, report)
    keys = [
        {"id": known[pk].public_id, "name": known[pk].name, "mask": known[pk].mask, **_share(calls, report.total)}
        for pk, calls in report.keys
        if pk in known
    ]
    return {**_page(report, choice, span), "keys": keys, "use": last_use_of_organization(actor)}


def _span(name: str, now: datetime) -> tuple[str, Span]:
    name = name if name in SPANS else "24h"
    return name, SPANS[name].span(now)


def _page(report: UsageReport, choice: str, span: Span) -> dict[str, Any]:
    routes = report.routes[:MAX_ROWS]
    return {
        "spans": [{"name": name, "word": each.word, "current": name == choice} for name, each in SPANS.items()],
        "span_title": SPANS[choice].title,
        "total": report.total,
        "stats": _stats(report),
        "chart": _chart(report, SPANS[choice]),
        "routes": [{"method": each.method, "route": each.route, **_share(each.calls, report.total)} for each in routes],
        "addresses": [
            {"address": each.address, "last_at": each.last_at, **_share(each.calls, report.total)}
            for each in report.addresses[:MAX_ROWS]
        ],
        "scopes": report.scopes,
        "shown": MAX_ROWS,
    }


def _share(calls: int, total: int) -> dict[str, Any]:
    return {"calls": calls, "share": round(calls / total * 100, 1) if total else 0}


def _stats(report: UsageReport) -> list[dict[str, Any]]:
    stats: list[dict[str, Any]] = [{"label": _("Calls"), "value": report.total, "tone": "", "hint": ""}]
    for each in CLASSES[1:]:
        calls = report.by_status[each]
        hint = _("%(percent)s %% of all") % {"percent": _percent(calls, report.total)} if calls else ""
        stats.append({"label": STATUS_LABELS[each], "value": calls, "tone": TONES[each] if calls else "", "hint": hint})
    return stats


def _percent(part: int, whole: int) -> str:
    percent = part / whole * 100
    return f"< {number_format(0.1, 1)}" if percent < 0.1 else number_format(round(percent, 1), 1)


def _chart(report: UsageReport, choice: SpanChoice) -> dict[str, Any] | None:
    points = merge_points(report.series, choice.buckets_per_bar)
    drawn = stacked_chart([[point.by_status[each] for each in CLASSES] for point in points])
    if drawn is None:
        return None
    by_day = choice.interval == Interval.DAY
    columns = [
        {"column": column, "hint": _point_hint(point, by_day), "tick": _tick(point.at, index, choice)}
        for index, (column, point) in enumerate(zip(drawn.columns, points, strict=True))
    ]
    return {
        "top": drawn.top,
        "middle": drawn.top // 2 if drawn.top % 2 == 0 else None,
        "floor": 0,
        "columns": columns,
        "ticks": [each for each in columns if each["tick"]],
        "rows": [
            {"at": _bucket(point.at, by_day), "count": point.calls, "by_status": list(point.by_status.values())}
            for point in points
            if point.calls
        ],
        "label": _label(report, points, choice),
        "legend": [{"name": each, "word": STATUS_LABELS[each], "calls": report.by_status[each]} for each in CLASSES],
        "by_day": by_day,
        "hours": choice.buckets_per_bar,
    }


def _label(report: UsageReport, points: list[UsageBucket], choice: SpanChoice) -> str:
    busiest = max(points, key=lambda point: point.calls)
    by_day = choice.interval == Interval.DAY
    if by_day:
        text = _("Calls per day: %(total)s, of which %(errors)s refused or failed; the most, %(most)s, on %(at)s")
    elif choice.buckets_per_bar == 1:
        text = _("Calls per hour: %(total)s, of which %(errors)s refused or failed; the most, %(most)s, at %(at)s")
    else:
        text = _(
            "Calls per six hours: %(total)s, of which %(errors)s refused or failed; the most, %(most)s, from %(at)s"
        )
    errors = report.total - report.by_status["2xx"]
    numbers = {
        "total": format_number(report.total),
        "errors": format_number(errors),
        "most": format_number(busiest.calls),
    }
    return text % {**numbers, "at": _bucket(busiest.at, by_day)}


def _point_hint(point: UsageBucket, by_day: bool) -> str:
    calls = ngettext("%(count)s call", "%(count)s calls", point.calls) % {"count": format_number(point.calls)}
    if point.errors:
        calls = _("%(calls)s, %(errors)s refused or failed") % {"calls": calls, "errors": format_number(point.errors)}
    return f"{_bucket(point.at, by_day)} · {calls}"


def _bucket(at: datetime, by_day: bool) -> str:
    """Format the start of a bar in UTC, by which the figures are stored, whatever the reader's time zone."""
    if by_day:
        return date_format(at.date(), pgettext("date format, see Django's date filter", "j M Y"))
    return date_format(at.astimezone(UTC), pgettext("date format, see Django's date filter", "j M, H:i")) + " UTC"


def _tick(at: datetime, index: int, choice: SpanChoice) -> str:
    """Return the axis label of a bar: every sixth hour, each noon of a week, every seventh day; else nothing."""
    if choice.interval == Interval.DAY:
        style = pgettext("date format, see Django's date filter", "j M")
        return date_format(at.date(), style) if (choice.bars - index) % 7 == 4 else ""
    if choice.buckets_per_bar == 1:
        return date_format(at, "H:i") if at.hour % 6 == 0 else ""
    return date_format(at.date(), "D") if at.hour == 12 else ""
