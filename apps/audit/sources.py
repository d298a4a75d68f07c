"""One timeline from several tables: who offers rows, how they are chosen, and how they are merged.

Every table here has UUID v7 keys, so a merge by key is a merge by time. Sources are registered by dotted name in
``AppConfig.ready`` and imported at first use; higher apps add theirs without being known here.
"""

import heapq
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from django.utils.module_loading import import_string

from apps.base.actor import Actor
from apps.base.identifiers import encode

# A key may be a little older than its row's time (the clock of another machine, a slow transaction).
KEY_SLACK_MS = 5 * 60 * 1000

_dotted: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Party:
    """Who did it, or what it was done to."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Http:
    """The request behind a row; ``duration_ms`` in milliseconds, None where it is not known."""

    method: str
    route: str
    status: int | None
    duration_ms: float | None


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
    """What to show; empty means all. ``who`` is an id or a part of a label, ``actor`` an exact id."""

    category: str = ""
    actor: str = ""
    who: str = ""
    action: str = ""
    target: str = ""
    key: str = ""
    since: datetime | None = None
    until: datetime | None = None
    request_id: str = ""


Source = Callable[[Actor, Filters, uuid.UUID | None, int], list[Row]]


class Page(NamedTuple):
    """Rows newest first, and the key after which the next page starts (None on the last one)."""

    rows: list[Row]
    after: uuid.UUID | None


def register(category: str, dotted: str) -> None:
    """This will add a source: the dotted name of a function ``(actor, filters, before, limit) -> list[Row]``.

    It returns at most ``limit`` rows of the actor's organization, newest first by key, all below the key ``before``.
    """
    if _dotted.setdefault(category, dotted) != dotted:
        raise ValueError(f"the category {category!r} has a source already: {_dotted[category]}")


def categories() -> list[str]:
    """This will return the names of all categories, in a fixed order."""
    return sorted(_dotted)


def timeline(actor: Actor, filters: Filters, before: uuid.UUID | None, limit: int) -> Page:
    """This will return the ``limit`` newest rows below the key ``before``: one query for each category asked for."""
    chosen = [filters.category] if filters.category else categories()
    found = [_source(category)(actor, filters, before, limit + 1) for category in chosen]
    rows = _merge(found, limit + 1)
    return Page(rows[:limit], rows[limit - 1].key if len(rows) > limit else None)


def _source(category: str) -> Source:
    source: Source = import_string(_dotted[category])
    return source


def _merge(found: Iterable[list[Row]], limit: int) -> list[Row]:
    return list(islice(heapq.merge(*found, key=lambda row: row.key, reverse=True), limit))


def key_at(moment: datetime, slack_ms: int = 0) -> uuid.UUID:
    """This will return the lowest UUID v7 of a moment: what bounds of time become on the primary key."""
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000) + slack_ms) << 80)


def key_range(filters: Filters, before: uuid.UUID | None) -> dict[str, uuid.UUID]:
    """This will return the bounds on the key, as lookups: the index ends the search where the times do."""
    bounds: dict[str, uuid.UUID] = {}
    if filters.since is not None:
        bounds["pk__gte"] = key_at(filters.since, -KEY_SLACK_MS)
    upper = [key_at(filters.until, KEY_SLACK_MS)] if filters.until is not None else []
    if before is not None:
        upper.append(before)
    if upper:
        bounds["pk__lt"] = min(upper)
    return bounds
