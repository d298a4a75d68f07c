"""Digests: rows that are not in the chain themselves (calls, attempts, events) are sealed by the hour.

Some minutes after the end of an hour, the rows of each organization are read in the order of their ids, and

    digest = SHA-256( digest so far, as 32 bytes  ‖  canonical row, as UTF-8 )

starting with SHA-256 of ``integrations-portal audit digest 1``, the action, the organization's public id and the hour,
joined by line feeds. The count and the last digest become an entry of the audit log, which is sealed like any other.
An hour without rows has no entry, nor has an hour before the first worker that supported digests. A row belongs to the
hour of its id (UUID version 7): the id is part of the row, so a change is detected. Because it is a chain, a digest can
be computed in several steps; its position is stored in ``Round``.

Higher apps register their kinds of rows by the dotted name of a ``DigestSource``.
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
ROWS_PER_STEP = 1000
DOMAIN = "integrations-portal audit digest 1"

_dotted_names: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class DigestSource:
    """A kind of rows with UUID v7 keys.

    ``rows(organization, first, before, limit)``: ids and canonical texts ordered by id, from ``first`` on, below
    ``before``; ``next_id(first)``: the lowest id of any organization from ``first`` on; ``is_settled(end)``: whether no
    more rows from before ``end`` can arrive; ``retention_kinds``: the retention settings that apply to the rows.
    """

    action: str
    rows: Callable[[uuid.UUID, uuid.UUID, uuid.UUID, int], list[tuple[uuid.UUID, str]]]
    next_id: Callable[[uuid.UUID], uuid.UUID | None]
    is_settled: Callable[[datetime], bool]
    retention_kinds: tuple[str, ...]


def register(name: str, dotted: str) -> None:
    """Register a kind of rows: a short name, and the dotted name of its Source."""
    _dotted_names[name] = dotted


def digest_sources() -> dict[str, DigestSource]:
    """Return all registered sources by name."""
    return {name: import_string(dotted) for name, dotted in sorted(_dotted_names.items())}


def initial_digest(action: str, organization_id: uuid.UUID, hour: datetime) -> str:
    """Return the initial digest of an action, organization and hour."""
    text = "\n".join((DOMAIN, action, encode("org", organization_id), format_hour(hour)))
    return hashlib.sha256(text.encode()).hexdigest()


def extend_digest(digest: str, texts: list[str]) -> str:
    """Return the digest continued with the texts of further rows."""
    found = bytes.fromhex(digest)
    for text in texts:
        found = hashlib.sha256(found + text.encode()).digest()
    return found.hex()


def format_hour(hour: datetime) -> str:
    """Format an hour by its start, as in the entry."""
    return format_timestamp(hour) or ""


def hour_of(key: uuid.UUID) -> datetime:
    """Return the hour of a UUID v7."""
    return datetime.fromtimestamp((key.int >> 80) / 1000, UTC).replace(minute=0, second=0, microsecond=0)


class Digest(NamedTuple):
    """The digest of an hour as recorded in an entry, with the entry's sequence number."""

    action: str
    hour: datetime
    rows: int
    sha256: str
    seq: int


def parse_digest(action: str, seq: int, target_id: str, changes: str) -> Digest | None:
    """Parse the digest of a sealed entry; None if it is malformed."""
    try:
        recorded = json.loads(changes)
        return Digest(action, datetime.fromisoformat(target_id), recorded["rows"][1], recorded["sha256"][1], seq)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
