"""Digests: what is not in the chain row by row (calls, attempts, events) is put under seal by the hour.

Some minutes after an hour has ended, its rows of each organization are gone through in the order of their ids, and

    digest = SHA-256( digest so far, as 32 bytes  ‖  canonical row, as UTF-8 )

beginning with SHA-256 of ``integrations-portal audit digest 1``, the action, the organization's public id and the hour,
each on a line of its own. Count and last digest become an entry of the audit log, which is sealed like any other. An
hour without rows has none, and neither has an hour of before the first worker that knew of digests. A row belongs to
the hour that its id says (UUID version 7): the id is part of the row and cannot be changed unseen. Being a chain, a
digest can be made a piece at a time: the place is kept in ``Round``.

Kinds of rows are registered by the dotted name of a ``Source``; higher apps add theirs.
"""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils.module_loading import import_string

from apps.base.identifiers import encode
from apps.base.timestamps import format_timestamp

HOUR = timedelta(hours=1)
WINDOW = 1000
DOMAIN = "integrations-portal audit digest 1"

_dotted: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of rows with UUID v7 keys.

    ``rows(organization, first, before, limit)``: ids and canonical texts by id, from ``first`` on, below ``before``;
    ``next_id(first)``: the first id of all organizations from there on; ``is_settled(moment)``: no row of before can
    come any more; ``kinds``: the words of retention that bound how long the rows are kept.
    """

    action: str
    rows: Callable[[uuid.UUID, uuid.UUID, uuid.UUID, int], list[tuple[uuid.UUID, str]]]
    next_id: Callable[[uuid.UUID], uuid.UUID | None]
    is_settled: Callable[[datetime], bool]
    kinds: tuple[str, ...]


def register(name: str, dotted: str) -> None:
    """Add a kind of rows: a short name, and the dotted name of its Source."""
    _dotted[name] = dotted


def sources() -> dict[str, Source]:
    """Return every source by its name."""
    return {name: import_string(dotted) for name, dotted in sorted(_dotted.items())}


def start(action: str, organization_id: uuid.UUID, hour: datetime) -> str:
    """Return the digest of nothing, bound to its action, organization and hour."""
    text = "\n".join((DOMAIN, action, encode("org", organization_id), format_hour(hour)))
    return hashlib.sha256(text.encode()).hexdigest()


def add(digest: str, texts: list[str]) -> str:
    """Return the digest after some more rows."""
    found = bytes.fromhex(digest)
    for text in texts:
        found = hashlib.sha256(found + text.encode()).digest()
    return found.hex()


def format_hour(hour: datetime) -> str:
    """Write an hour by its start, as it stands in the entry."""
    return format_timestamp(hour) or ""


def hour_of(key: uuid.UUID) -> datetime:
    """Return the hour of a UUID v7."""
    return datetime.fromtimestamp((key.int >> 80) / 1000, UTC).replace(minute=0, second=0, microsecond=0)


class Digest(NamedTuple):
    """What an entry says of an hour, and the number under which it is sealed."""

    action: str
    hour: datetime
    rows: int
    sha256: str
    seq: int


def read(action: str, seq: int, target_id: str, changes: str) -> Digest | None:
    """Read a digest from a sealed entry; None where it is not of the form that the portal writes."""
    try:
        said = json.loads(changes)
        return Digest(action, datetime.fromisoformat(target_id), said["rows"][1], said["sha256"][1], seq)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
