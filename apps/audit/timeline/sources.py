"""One timeline over several tables: its sources, and how their rows are filtered, merged, counted and exported.

Every table has UUID v7 keys of the time that a row shows, so the order of keys is the order of times. Higher apps
register their sources by dotted name in ``AppConfig.ready``; they are imported at first use.
"""

import heapq
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from apps.base.actor import Actor
from apps.base.identifiers import encode

BEGIN = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    # Not IMMEDIATE, as writers begin their transactions: a reader does not have to wait.
    "sqlite": "BEGIN DEFERRED",
}

# A key can be slightly older than its row's time (another machine's clock, a slow transaction).
KEY_SLACK_MS = 5 * 60 * 1000
# Rows read by one step of an export.
STEP = 1000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_dotted_names: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class EntityRef:
    """The actor or the target of a row."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Http:
    """The HTTP request of a row; ``duration_ms`` in milliseconds, None if unknown.

    ``url``: where a delivery was sent, without query values; None if unknown, and for API calls.
    """

    method: str
    route: str
    status: int | None
    duration_ms: float | None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the timeline. ``key``: its primary key; ``link``: a path below the organization's, or empty."""

    key: uuid.UUID
    category: str
    at: datetime
    actor: EntityRef
    action: str
    sentence: str
    target: EntityRef
    outcome: str
    changes: dict[str, list[Any]] = field(default_factory=dict)
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    http: Http | None = None
    link: str = ""
    seq: int | None = None
    hash: str | None = None

    @property
    def id(self) -> str:
        """The public id, of one form for all categories."""
        return encode("aud", self.key)


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of the timeline; empty means all. ``key``: what a key did, and what was done to it.

    ``category`` and ``action`` can be comma-separated lists.
    """

    category: str = ""
    actor: str = ""
    action: str = ""
    target: str = ""
    key: str = ""
    since: datetime | None = None
    until: datetime | None = None
    request_id: str = ""

    @property
    def actions(self) -> list[str]:
        """The chosen actions; empty means all."""
        return self.action.split(",") if self.action else []


class Page(NamedTuple):
    """Rows, newest first, and the key after which the next page starts (None on the last page)."""

    rows: list[Row]
    after: uuid.UUID | None


class ExportSpan(NamedTuple):
    """The range of an export over one source: after ``after``, up to ``up_to``. Strings, because jobs store them."""

    after: str
    up_to: str


class TimelineSource:
    """One kind of rows. A subclass selects the matches and converts a row; this class reads them."""

    def querysets(self, actor: Actor, filters: Filters) -> list[QuerySet[Any]]:
        """Return the matching rows of the actor's organization as querysets that do not overlap, possibly none.

        Times are compared exactly here (``filter_by_time``); callers add the bounds on the key (``pk_bounds``).
        """
        raise NotImplementedError

    def row(self, found: Any) -> Row:
        """Return a selected object as a row."""
        raise NotImplementedError

    def newest(self, actor: Actor, filters: Filters, before: uuid.UUID | None, limit: int) -> list[Row]:
        """Return at most ``limit`` rows below the key ``before``, newest first, with one query per selection."""
        bounds = pk_bounds(filters, before=before)
        found = [
            [self.row(each) for each in rows.filter(**bounds).order_by("-pk")[:limit]]
            for rows in self.querysets(actor, filters)
        ]
        return found[0] if len(found) == 1 else _merge(found, limit)

    def span(self, actor: Actor, filters: Filters) -> ExportSpan | None:
        """Return the span of all current matches, or None if there are none."""
        newest = self.newest(actor, filters, None, 1)
        return ExportSpan(str(uuid.UUID(int=0)), str(newest[0].key)) if newest else None

    def step(self, actor: Actor, filters: Filters, span: ExportSpan) -> tuple[list[Row], str]:
        """Return the next rows of a span, oldest first, and the position reached."""
        bounds = pk_bounds(filters, after=uuid.UUID(span.after), before=_following(span.up_to))
        found = [
            [self.row(each) for each in rows.filter(**bounds).order_by("pk")[:STEP]]
            for rows in self.querysets(actor, filters)
        ]
        rows = list(islice(heapq.merge(*found, key=lambda row: row.key), STEP))
        return rows, str(rows[-1].key) if len(rows) == STEP else span.up_to

    def count(self, actor: Actor, filters: Filters, span: ExportSpan | None, limit: int | None = None) -> int:
        """Count the rows of a span, or without one all current matches; at most ``limit`` per selection."""
        bounds = pk_bounds(filters, before=None if span is None else _following(span.up_to))
        counted = [rows.filter(**bounds).order_by()[:limit] for rows in self.querysets(actor, filters)]
        return sum(rows.count() for rows in counted)


def register(category: str, dotted: str) -> None:
    """Register the dotted name of a category's Source. Raises ValueError if the category has another one."""
    if _dotted_names.setdefault(category, dotted) != dotted:
        raise ValueError(f"the category {category!r} has a source already: {_dotted_names[category]}")


def categories() -> list[str]:
    """Return the names of all categories, sorted."""
    return sorted(_dotted_names)


def source_of(category: str) -> TimelineSource:
    source: TimelineSource = import_string(_dotted_names[category])
    return source


def chosen_categories(filters: Filters) -> list[str]:
    """Return the categories that the filters select, sorted."""
    return sorted(set(filters.category.split(","))) if filters.category else categories()


def timeline(actor: Actor, filters: Filters, before: uuid.UUID | None, limit: int) -> Page:
    """Return the ``limit`` newest rows below the key ``before``, with a constant number of queries.

    All are read from one snapshot: otherwise a change committed between the reads of two sources could be missing
    below a newer call, and the next page would not have it either.
    """
    with consistent_snapshot():
        found = [source_of(name).newest(actor, filters, before, limit + 1) for name in chosen_categories(filters)]
    rows = _merge(found, limit + 1)
    return Page(rows[:limit], rows[limit - 1].key if len(rows) > limit else None)


def _merge(found: Iterable[list[Row]], limit: int) -> list[Row]:
    return list(islice(heapq.merge(*found, key=lambda row: row.key, reverse=True), limit))


def uuid7_ceil(at: datetime) -> uuid.UUID:
    """Return the lowest UUID v7 at or after ``at``, rounded up to milliseconds, for tables with no other time."""
    microseconds = (at - EPOCH) // timedelta(microseconds=1)
    return uuid.UUID(int=max(0, -(-microseconds // 1000)) << 80)


def uuid7_floor(at: datetime, slack_ms: int = 0) -> uuid.UUID:
    """Return the lowest UUID v7 of the millisecond ``at`` plus ``slack_ms``, to bound times by the primary key."""
    return uuid.UUID(int=max(0, int(at.timestamp() * 1000) + slack_ms) << 80)


def filter_by_time(rows: QuerySet[Any], filters: Filters, time_field: str) -> QuerySet[Any]:
    """Filter by the times of the filters, ``until`` exclusive."""
    if filters.since is not None:
        rows = rows.filter(**{f"{time_field}__gte": filters.since})
    if filters.until is not None:
        rows = rows.filter(**{f"{time_field}__lt": filters.until})
    return rows


def pk_bounds(
    filters: Filters, after: uuid.UUID | None = None, before: uuid.UUID | None = None
) -> dict[str, uuid.UUID]:
    """Return the bounds on the key, as lookups, so that the index is read only between times and positions.

    One bound on each side: of several, SQLite uses any one, not the closest.
    """
    lower = [after] if after is not None else []
    upper = [before] if before is not None else []
    if filters.since is not None:
        lower.append(uuid.UUID(int=max(0, uuid7_floor(filters.since, -KEY_SLACK_MS).int - 1)))
    if filters.until is not None:
        upper.append(uuid7_floor(filters.until, KEY_SLACK_MS))
    bounds = {}
    if lower:
        bounds["pk__gt"] = max(lower)
    if upper:
        bounds["pk__lt"] = min(upper)
    return bounds


def _following(key: str) -> uuid.UUID:
    return uuid.UUID(int=uuid.UUID(key).int + 1)


@contextmanager
def consistent_snapshot() -> Iterator[None]:
    """Run the queries inside against one snapshot, or in the current transaction if there is one."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(BEGIN[connection.vendor])
    try:
        yield
    finally:
        # Nothing was written. A connection that broke meanwhile is closed at the end of the request.
        if connection.connection is not None:
            connection.connection.rollback()
