"""What the calls of a span of time came to, for one key or a whole organization.

Read from the rollups, in a fixed number of queries however many calls there were: whole UTC days from the figures by
day, the hours before and after them from those by hour.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.db.models import Max, Q, QuerySet, Sum

from apps.audit.models import NO_CREDENTIAL, UsageDay, UsageHour

CLASSES = ("2xx", "4xx", "429", "5xx")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MAX_LISTED = 200


class Interval(StrEnum):
    """How long a bucket is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """The same as a duration."""
        return HOUR if self == Interval.HOUR else DAY

    def start_of(self, moment: datetime) -> datetime:
        """Return the start of the bucket (UTC) that a moment lies in."""
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return hour if self == Interval.HOUR else hour.replace(hour=0)


@dataclass(frozen=True, slots=True)
class Span:
    """Whole buckets of UTC, from ``since`` up to and without ``until``."""

    since: datetime
    until: datetime
    interval: Interval

    @classmethod
    def covering(cls, since: datetime, until: datetime, interval: Interval) -> "Span":
        """Return the shortest span of whole buckets that holds both moments. OverflowError past year 9999."""
        end = interval.start_of(until)
        return cls(interval.start_of(since), end if end == until else end + interval.length, interval)

    @classmethod
    def last(cls, count: int, interval: Interval, now: datetime) -> "Span":
        """Return the bucket of now and those before it."""
        end = interval.start_of(now) + interval.length
        return cls(end - count * interval.length, end, interval)

    @property
    def buckets(self) -> list[datetime]:
        """The starts of the buckets, oldest first."""
        count = (self.until - self.since) // self.interval.length
        return [self.since + index * self.interval.length for index in range(count)]


class Point(NamedTuple):
    """One bucket: how many calls had which kind of answer."""

    at: datetime
    by_status: dict[str, int]

    @property
    def calls(self) -> int:
        """All calls."""
        return sum(self.by_status.values())

    @property
    def errors(self) -> int:
        """The answers from 400 up, 429 included."""
        return self.calls - self.by_status["2xx"]


class AddressUsage(NamedTuple):
    """Calls from one address."""

    address: str
    calls: int
    last_at: datetime


@dataclass(slots=True)
class UsageReport:
    """A span's figures. The lists hold the 200 with the most calls; ``keys`` has no entry for sessions."""

    total: int
    by_status: dict[str, int]
    series: list[Point]
    routes: list[tuple[tuple[str, str], int]] = field(default_factory=list)
    addresses: list[AddressUsage] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    keys: list[tuple[uuid.UUID, int]] = field(default_factory=list)


def key_usage(organization_id: uuid.UUID, credential_id: uuid.UUID, span: Span) -> UsageReport:
    """Return a key's figures."""
    return _report({"organization_id": organization_id, "credential_id": credential_id}, span)


def organization_usage(organization_id: uuid.UUID, span: Span) -> UsageReport:
    """Return an organization's figures, its members' own calls included."""
    return _report({"organization_id": organization_id}, span)


def _report(whose: dict[str, uuid.UUID], span: Span) -> UsageReport:
    series = _series(whose, span)
    by_status = {each: sum(point.by_status[each] for point in series) for each in CLASSES}
    figures = UsageReport(sum(by_status.values()), by_status, series)
    routes: dict[tuple[str, str], int] = defaultdict(int)
    keys: dict[uuid.UUID, int] = defaultdict(int)
    addresses: dict[str, AddressUsage] = {}
    scopes: set[str] = set()
    for key, method, route, address, used, calls, last_at in _parts(whose, span):
        routes[method, route] += calls
        keys[key] += calls
        before = addresses.get(address, AddressUsage(address, 0, last_at))
        addresses[address] = AddressUsage(address, before.calls + calls, max(before.last_at, last_at))
        scopes.update(used.split())
    keys.pop(NO_CREDENTIAL, None)
    figures.routes = sorted(routes.items(), key=lambda each: (-each[1], each[0]))[:MAX_LISTED]
    figures.addresses = sorted(addresses.values(), key=lambda each: (-each.calls, each.address))[:MAX_LISTED]
    figures.keys = sorted(keys.items(), key=lambda each: (-each[1], each[0]))[:MAX_LISTED]
    figures.scopes = sorted(scopes)
    return figures


def _series(whose: dict[str, uuid.UUID], span: Span) -> list[Point]:
    rows = _by_day(whose, span.since, span.until) if span.interval == Interval.DAY else _by_hour(whose, span)
    # One group a bucket, in the order of the index: half the time of grouping by the kind of answer as well.
    sums = {f"of_{each}": Sum("calls", filter=Q(status_class=each)) for each in CLASSES}
    found = {}
    for at, *calls in rows.values_list(str(span.interval)).annotate(**sums):
        found[at if isinstance(at, datetime) else _start_of(at)] = [each or 0 for each in calls]
    quiet = [0] * len(CLASSES)
    return [Point(at, dict(zip(CLASSES, found.get(at, quiet), strict=True))) for at in span.buckets]


def merge_points(series: list[Point], count: int) -> list[Point]:
    """Sum every ``count`` buckets up to one."""
    parts = [series[start : start + count] for start in range(0, len(series), count)]
    return [
        Point(part[0].at, {each: sum(point.by_status[each] for point in part) for each in CLASSES}) for part in parts
    ]


def _parts(whose: dict[str, uuid.UUID], span: Span) -> Iterator[tuple[Any, ...]]:
    """Give what the rows of a span have in common, summed, piece by piece: hours, whole days, hours."""
    for rows in _pieces(whose, span):
        grouped = rows.values_list("credential_id", "method", "route", "address", "scopes")
        yield from grouped.annotate(sum=Sum("calls"), newest=Max("last_at"))


def _pieces(whose: dict[str, uuid.UUID], span: Span) -> Iterator[QuerySet[Any]]:
    first, last = Interval.DAY.start_of(span.since), Interval.DAY.start_of(span.until)
    first += DAY if first < span.since else timedelta()
    if first >= last:
        yield _by_hour(whose, span)
        return
    if span.since < first:
        yield _by_hour(whose, Span(span.since, first, Interval.HOUR))
    yield _by_day(whose, first, last)
    if last < span.until:
        yield _by_hour(whose, Span(last, span.until, Interval.HOUR))


def _by_hour(whose: dict[str, uuid.UUID], span: Span) -> QuerySet[UsageHour]:
    return UsageHour.objects.filter(**whose, hour__gte=span.since, hour__lt=span.until)


def _by_day(whose: dict[str, uuid.UUID], since: datetime, until: datetime) -> QuerySet[UsageDay]:
    return UsageDay.objects.filter(**whose, day__gte=since.date(), day__lt=until.date())


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class RecentCaller(NamedTuple):
    """What still calls with a key: from where, as what, what for."""

    address: str
    user_agent: str
    method: str
    route: str
    calls: int
    last_at: datetime


def recent_callers(organization_id: uuid.UUID, credential_id: uuid.UUID, since: datetime) -> list[RecentCaller]:
    """Return who has called with the key since a moment, the latest first; 200 at most.

    The hour that the moment lies in counts whole for whoever called after the moment.
    """
    rows = UsageHour.objects.filter(
        organization_id=organization_id, credential_id=credential_id, hour__gte=Interval.HOUR.start_of(since)
    )
    grouped = rows.filter(last_at__gte=since).values_list("address", "user_agent", "method", "route")
    found = grouped.annotate(sum=Sum("calls"), newest=Max("last_at")).order_by("-newest", "-sum")
    return [RecentCaller(*row) for row in found[:MAX_LISTED]]


def calls_since(organization_id: uuid.UUID, credential_id: uuid.UUID, since: datetime) -> int:
    """Count the key's calls since a moment, by hours in the same way; 0 says that there was none."""
    rows = UsageHour.objects.filter(
        organization_id=organization_id, credential_id=credential_id, hour__gte=Interval.HOUR.start_of(since)
    )
    return rows.filter(last_at__gte=since).aggregate(sum=Sum("calls"))["sum"] or 0


def routes_and_scopes(
    organization_id: uuid.UUID, since: datetime, credential_id: uuid.UUID | None = None
) -> dict[uuid.UUID, set[tuple[str, str]]]:
    """Return, for each key or for one, on which routes which scopes were used since a day.

    '' stands for none: a call that was answered without one. What was refused before it used any tells nothing.
    """
    whose = {"organization_id": organization_id, **({"credential_id": credential_id} if credential_id else {})}
    rows = UsageDay.objects.filter(**whose, day__gte=since.astimezone(UTC).date())
    rows = rows.filter(~Q(scopes="") | Q(status_class="2xx"))
    found: dict[uuid.UUID, set[tuple[str, str]]] = defaultdict(set)
    for key, route, used in rows.values_list("credential_id", "route", "scopes").distinct():
        found[key].update((route, scope) for scope in used.split() or ("",))
    return found
