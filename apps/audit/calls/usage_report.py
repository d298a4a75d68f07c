"""Usage reports over a span of time, for one key or a whole organization.

Read from the rollups in a fixed number of queries: whole UTC days from the daily rollup, the hours before and after
them from the hourly one.
"""

import itertools
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
    """The length of a bucket."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """The length as a timedelta."""
        return HOUR if self == Interval.HOUR else DAY

    def start_of(self, at: datetime) -> datetime:
        """Return the start (UTC) of the bucket that contains ``at``."""
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return hour if self == Interval.HOUR else hour.replace(hour=0)


@dataclass(frozen=True, slots=True)
class Span:
    """Whole UTC buckets, from ``since`` (inclusive) to ``until`` (exclusive)."""

    since: datetime
    until: datetime
    interval: Interval

    @classmethod
    def covering(cls, since: datetime, until: datetime, interval: Interval) -> "Span":
        """Return the shortest span of whole buckets that contains both times. Raises OverflowError past year 9999."""
        end = interval.start_of(until)
        return cls(interval.start_of(since), end if end == until else end + interval.length, interval)

    @classmethod
    def last(cls, count: int, interval: Interval, now: datetime) -> "Span":
        """Return the last ``count`` buckets, including the current one."""
        end = interval.start_of(now) + interval.length
        return cls(end - count * interval.length, end, interval)

    @property
    def buckets(self) -> list[datetime]:
        """The starts of the buckets, oldest first."""
        count = (self.until - self.since) // self.interval.length
        return [self.since + index * self.interval.length for index in range(count)]


class UsageBucket(NamedTuple):
    """The calls of one bucket by status class."""

    at: datetime
    by_status: dict[str, int]

    @property
    def calls(self) -> int:
        return sum(self.by_status.values())

    @property
    def errors(self) -> int:
        """The calls with status 400 or higher, including 429."""
        return self.calls - self.by_status["2xx"]


class AddressUsage(NamedTuple):
    """The calls from one address."""

    address: str
    calls: int
    last_at: datetime


class RouteUsage(NamedTuple):
    """The calls of one route."""

    method: str
    route: str
    calls: int


class KeyCalls(NamedTuple):
    """The calls with one key, by its primary key."""

    pk: uuid.UUID
    calls: int


@dataclass(slots=True)
class UsageReport:
    """The usage of a span. Lists have the 200 entries with the most calls; ``keys`` has none for sessions."""

    total: int
    by_status: dict[str, int]
    series: list[UsageBucket]
    routes: list[RouteUsage] = field(default_factory=list)
    addresses: list[AddressUsage] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    keys: list[KeyCalls] = field(default_factory=list)


def key_usage(organization_id: uuid.UUID, credential_id: uuid.UUID, span: Span) -> UsageReport:
    """Return the usage of a key."""
    return _report({"organization_id": organization_id, "credential_id": credential_id}, span)


def organization_usage(organization_id: uuid.UUID, span: Span) -> UsageReport:
    """Return the usage of an organization, including calls of its members' sessions."""
    return _report({"organization_id": organization_id}, span)


def _report(owner_filter: dict[str, uuid.UUID], span: Span) -> UsageReport:
    series = _series(owner_filter, span)
    by_status = {each: sum(point.by_status[each] for point in series) for each in CLASSES}
    report = UsageReport(sum(by_status.values()), by_status, series)
    routes: dict[tuple[str, str], int] = defaultdict(int)
    keys: dict[uuid.UUID, int] = defaultdict(int)
    addresses: dict[str, AddressUsage] = {}
    scopes: set[str] = set()
    for key, method, route, address, used, calls, last_at in _grouped_sums(owner_filter, span):
        routes[method, route] += calls
        keys[key] += calls
        before = addresses.get(address, AddressUsage(address, 0, last_at))
        addresses[address] = AddressUsage(address, before.calls + calls, max(before.last_at, last_at))
        scopes.update(used.split())
    keys.pop(NO_CREDENTIAL, None)
    busiest = sorted(routes.items(), key=lambda each: (-each[1], each[0]))[:MAX_LISTED]
    report.routes = [RouteUsage(*what, calls) for what, calls in busiest]
    report.addresses = sorted(addresses.values(), key=lambda each: (-each.calls, each.address))[:MAX_LISTED]
    report.keys = sorted(itertools.starmap(KeyCalls, keys.items()), key=lambda each: (-each.calls, each.pk))[
        :MAX_LISTED
    ]
    report.scopes = sorted(scopes)
    return report


def _series(owner_filter: dict[str, uuid.UUID], span: Span) -> list[UsageBucket]:
    rows = (
        _by_day(owner_filter, span.since, span.until) if span.interval == Interval.DAY else _by_hour(owner_filter, span)
    )
    # One group per bucket, in index order: takes half the time of grouping by status class as well.
    sums = {f"of_{each}": Sum("calls", filter=Q(status_class=each)) for each in CLASSES}
    found = {}
    for at, *calls in rows.values_list(str(span.interval)).annotate(**sums):
        found[at if isinstance(at, datetime) else _start_of(at)] = [each or 0 for each in calls]
    no_calls = [0] * len(CLASSES)
    return [UsageBucket(at, dict(zip(CLASSES, found.get(at, no_calls), strict=True))) for at in span.buckets]


def merge_points(series: list[UsageBucket], count: int) -> list[UsageBucket]:
    """Merge every ``count`` consecutive buckets into one."""
    parts = [series[start : start + count] for start in range(0, len(series), count)]
    return [
        UsageBucket(part[0].at, {each: sum(point.by_status[each] for point in part) for each in CLASSES})
        for part in parts
    ]


def _grouped_sums(owner_filter: dict[str, uuid.UUID], span: Span) -> Iterator[tuple[Any, ...]]:
    """Yield the grouped sums of a span: its first hours, then whole days, then its last hours."""
    for rows in _rollup_querysets(owner_filter, span):
        grouped = rows.values_list("credential_id", "method", "route", "address", "scopes")
        yield from grouped.annotate(sum=Sum("calls"), newest=Max("last_at"))


def _rollup_querysets(owner_filter: dict[str, uuid.UUID], span: Span) -> Iterator[QuerySet[Any]]:
    first, last = Interval.DAY.start_of(span.since), Interval.DAY.start_of(span.until)
    first += DAY if first < span.since else timedelta()
    if first >= last:
        yield _by_hour(owner_filter, span)
        return
    if span.since < first:
        yield _by_hour(owner_filter, Span(span.since, first, Interval.HOUR))
    yield _by_day(owner_filter, first, last)
    if last < span.until:
        yield _by_hour(owner_filter, Span(last, span.until, Interval.HOUR))


def _by_hour(owner_filter: dict[str, uuid.UUID], span: Span) -> QuerySet[UsageHour]:
    return UsageHour.objects.filter(**owner_filter, hour__gte=span.since, hour__lt=span.until)


def _by_day(owner_filter: dict[str, uuid.UUID], since: datetime, until: datetime) -> QuerySet[UsageDay]:
    return UsageDay.objects.filter(**owner_filter, day__gte=since.date(), day__lt=until.date())


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class RecentCaller(NamedTuple):
    """A client that still uses a key: its address, user agent and route."""

    address: str
    user_agent: str
    method: str
    route: str
    calls: int
    last_at: datetime


def recent_callers(organization_id: uuid.UUID, credential_id: uuid.UUID, since: datetime) -> list[RecentCaller]:
    """Return the clients that used the key after ``since``, the most recent first, 200 at most.

    For these, all calls of the hour that contains ``since`` are counted.
    """
    rows = UsageHour.objects.filter(
        organization_id=organization_id, credential_id=credential_id, hour__gte=Interval.HOUR.start_of(since)
    )
    grouped = rows.filter(last_at__gte=since).values_list("address", "user_agent", "method", "route")
    found = grouped.annotate(sum=Sum("calls"), newest=Max("last_at")).order_by("-newest", "-sum")
    return [RecentCaller(*row) for row in found[:MAX_LISTED]]


def calls_since(organization_id: uuid.UUID, credential_id: uuid.UUID, since: datetime) -> int:
    """Count the key's calls after ``since``, by hours as in ``recent_callers``; 0 means that there was none."""
    rows = UsageHour.objects.filter(
        organization_id=organization_id, credential_id=credential_id, hour__gte=Interval.HOUR.start_of(since)
    )
    return rows.filter(last_at__gte=since).aggregate(sum=Sum("calls"))["sum"] or 0


def routes_and_scopes(
    organization_id: uuid.UUID, since: datetime, credential_id: uuid.UUID | None = None
) -> dict[uuid.UUID, set[tuple[str, str]]]:
    """Return the (route, scope) pairs used since the UTC day of ``since``, by key or for one key.

    An empty scope means that a successful call used none. Calls refused before they used a scope are left out.
    """
    owner_filter = {"organization_id": organization_id, **({"credential_id": credential_id} if credential_id else {})}
    rows = UsageDay.objects.filter(**owner_filter, day__gte=since.astimezone(UTC).date())
    rows = rows.filter(~Q(scopes="") | Q(status_class="2xx"))
    found: dict[uuid.UUID, set[tuple[str, str]]] = defaultdict(set)
    for key, route, used in rows.values_list("credential_id", "route", "scopes").distinct():
        found[key].update((route, scope) for scope in used.split() or ("",))
    return found
