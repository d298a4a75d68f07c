"""One timeline from several tables: who offers rows, how they are chosen, merged, counted, and walked for an export.

Every table here has UUID v7 keys of the time that a row shows, so a list by key is one by that time. Sources are
registered by dotted name in ``AppConfig.ready`` and imported at first use; higher apps add theirs without being known
here.
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
    # Not IMMEDIATE, as transactions of writers begin: a reader waits for nobody.
    "sqlite": "BEGIN DEFERRED",
}

# A key may be a little older than its row's time (the clock of another machine, a slow transaction).
KEY_SLACK_MS = 5 * 60 * 1000
# Rows that one step of an export reads.
STEP = 1000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_dotted: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Party:
    """Who did it, or what it was done to."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Http:
    """The request behind a row; ``duration_ms`` in milliseconds, None where it is not known.

    ``url``: where a delivery was sent, without the values of a query; None where that is not known, and for calls.
    """

    method: str
    route: str
    status: int | None
    duration_ms: float | None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline. ``link``: a path below the organization's pages, empty where there is none."""

    key: uuid.UUID
    category: str
    at: datetime
    actor: Party
    action: str
    sentence: str
    target: Party
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
    """What to show; empty means all. ``key``: what a key did, and what was done to it.

    ``category`` and ``action`` may list several words, with commas between them.
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
        """The actions that are asked for; none: all."""
        return self.action.split(",") if self.action else []


class Page(NamedTuple):
    """Rows newest first, and the key after which the next page starts (None on the last one)."""

    rows: list[Row]
    after: uuid.UUID | None


class Span(NamedTuple):
    """Where a walk over a source begins (after this place) and where it ends. Places are texts: jobs store them."""

    after: str
    upto: str


class Source:
    """One kind of rows. A subclass says which match and how one is written; here is how they are read."""

    def selections(self, actor: Actor, filters: Filters) -> list[QuerySet[Any]]:
        """Return the rows of the actor's organization that match: none, or several that do not overlap.

        Times are compared exactly here (``filter_by_time``); callers add the bounds on the key (``key_bounds``).
        """
        raise NotImplementedError

    def row(self, found: Any) -> Row:
        """Write one of them as a line of the timeline."""
        raise NotImplementedError

    def newest(self, actor: Actor, filters: Filters, before: uuid.UUID | None, limit: int) -> list[Row]:
        """Return at most ``limit`` rows, newest first, all below the key ``before``: a query a selection."""
        bounds = key_bounds(filters, before=before)
        found = [
            [self.row(each) for each in rows.filter(**bounds).order_by("-pk")[:limit]]
            for rows in self.selections(actor, filters)
        ]
        return found[0] if len(found) == 1 else _merge(found, limit)

    def span(self, actor: Actor, filters: Filters) -> Span | None:
        """Return the walk over what is there now; None where that is nothing."""
        newest = self.newest(actor, filters, None, 1)
        return Span(str(uuid.UUID(int=0)), str(newest[0].key)) if newest else None

    def step(self, actor: Actor, filters: Filters, span: Span) -> tuple[list[Row], str]:
        """Return the next rows of a walk, oldest first, and the place that it has then reached."""
        bounds = key_bounds(filters, after=uuid.UUID(span.after), before=_following(span.upto))
        found = [
            [self.row(each) for each in rows.filter(**bounds).order_by("pk")[:STEP]]
            for rows in self.selections(actor, filters)
        ]
        rows = list(islice(heapq.merge(*found, key=lambda row: row.key), STEP))
        return rows, str(rows[-1].key) if len(rows) == STEP else span.upto

    def count(self, actor: Actor, filters: Filters, span: Span | None, most: int | None = None) -> int:
        """Count what a walk will find, at most ``most``; without a span what there is now."""
        bounds = key_bounds(filters, before=None if span is None else _following(span.upto))
        counted = [rows.filter(**bounds).order_by()[:most] for rows in self.selections(actor, filters)]
        return sum(rows.count() for rows in counted)


def register(category: str, dotted: str) -> None:
    """Add a kind of rows: the dotted name of a Source."""
    if _dotted.setdefault(category, dotted) != dotted:
        raise ValueError(f"the category {category!r} has a source already: {_dotted[category]}")


def categories() -> list[str]:
    """Return the names of all categories, in a fixed order."""
    return sorted(_dotted)


def source_of(category: str) -> Source:
    """Return the source of a category."""
    source: Source = import_string(_dotted[category])
    return source


def chosen_categories(filters: Filters) -> list[str]:
    """Return the categories that filters ask for."""
    return sorted(set(filters.category.split(","))) if filters.category else categories()


def timeline(actor: Actor, filters: Filters, before: uuid.UUID | None, limit: int) -> Page:
    """Return the ``limit`` newest rows below the key ``before``; the number of queries is constant.

    All at one moment: a change that is committed after the changes were read, and before the calls were, would be
    missing below a newer call, and whoever goes on from that would never see it.
    """
    with consistent_snapshot():
        found = [source_of(name).newest(actor, filters, before, limit + 1) for name in chosen_categories(filters)]
    rows = _merge(found, limit + 1)
    return Page(rows[:limit], rows[limit - 1].key if len(rows) > limit else None)


def _merge(found: Iterable[list[Row]], limit: int) -> list[Row]:
    return list(islice(heapq.merge(*found, key=lambda row: row.key, reverse=True), limit))


def first_key(moment: datetime) -> uuid.UUID:
    """Return the lowest UUID v7 that is not before a moment: what bounds of time are where a key is the only time."""
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    return uuid.UUID(int=max(0, -(-microseconds // 1000)) << 80)


def key_at(moment: datetime, slack_ms: int = 0) -> uuid.UUID:
    """Return the lowest UUID v7 of a moment: what bounds of time become on the primary key."""
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000) + slack_ms) << 80)


def filter_by_time(rows: QuerySet[Any], filters: Filters, time_field: str) -> QuerySet[Any]:
    """Keep the rows of the filters' times."""
    if filters.since is not None:
        rows = rows.filter(**{f"{time_field}__gte": filters.since})
    if filters.until is not None:
        rows = rows.filter(**{f"{time_field}__lt": filters.until})
    return rows


def key_bounds(
    filters: Filters, after: uuid.UUID | None = None, before: uuid.UUID | None = None
) -> dict[str, uuid.UUID]:
    """Return the bounds on the key, as lookups: the index begins and ends where times and places do.

    One bound on each side: SQLite enters an index by one of several, and not by the nearest.
    """
    lower = [after] if after is not None else []
    upper = [before] if before is not None else []
    if filters.since is not None:
        lower.append(uuid.UUID(int=max(0, key_at(filters.since, -KEY_SLACK_MS).int - 1)))
    if filters.until is not None:
        upper.append(key_at(filters.until, KEY_SLACK_MS))
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
    """Read all that is inside at one moment; within a transaction, as that sees the database."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(BEGIN[connection.vendor])
    try:
        yield
    finally:
        # Nothing was written. A connection that broke meanwhile is closed by whoever made the request.
        if connection.connection is not None:
            connection.connection.rollback()
