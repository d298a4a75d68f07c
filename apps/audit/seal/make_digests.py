"""The periodic job that computes the digests of completed hours, step by step, in any worker."""

import time
import uuid
from datetime import datetime, timedelta

from django.db import transaction

from apps.audit.actions import record
from apps.audit.models import Round
from apps.audit.retention import sweep_cursor
from apps.audit.seal.digests import (
    HOUR,
    ROWS_PER_STEP,
    DigestSource,
    digest_sources,
    extend_digest,
    format_hour,
    hour_of,
    initial_digest,
)
from apps.audit.timeline.sources import uuid7_floor
from apps.base import timestamps
from apps.base.actor import system

# A request waits seconds at most for the database, and so does an attempt for its result.
GRACE = timedelta(minutes=10)
MAX_SECONDS = 0.5
# Organizations without rows are skipped in groups, without a commit for each.
ORGANIZATIONS_PER_STEP = 200


# The periodic job audit.make_digests (apps.py).
def make_due() -> int:
    """Continue the digests that are due, for up to MAX_SECONDS per kind, and return how many rows were added."""
    return sum(_make(name, source) for name, source in digest_sources().items())


def _make(name: str, source: DigestSource) -> int:
    until, count = time.monotonic() + MAX_SECONDS, 0
    while time.monotonic() < until and (added := _step(f"digest.{name}", source)) is not None:
        count += added
    return count


def _step(name: str, source: DigestSource) -> int | None:
    """Take one step and return how many rows it added; None if nothing is due or another worker took it."""
    cursor = sweep_cursor.due_cursor(name)
    if cursor is None:
        return None
    if cursor.organization_id is None and not _begin(cursor, source):
        return None
    assert cursor.hour is not None
    if not _is_over(cursor.hour, source):
        return None
    return _continue(cursor, source) if cursor.organization_id else _next_organization(cursor, source)


def _is_over(hour: datetime, source: DigestSource) -> bool:
    return timestamps.database_now() >= hour + HOUR + GRACE and source.is_settled(hour + HOUR)


def _begin(cursor: Round, source: DigestSource) -> bool:
    """Move the cursor to the next hour that has rows of any organization."""
    hour = cursor.hour
    if hour is None:
        hour = timestamps.database_now().replace(minute=0, second=0, microsecond=0)
    else:
        first = source.next_id(uuid7_floor(hour))
        # Skip only completed hours: rows of a later one can still arrive.
        if first is not None and hour_of(first) > hour and _is_over(hour_of(first) - HOUR, source):
            hour = hour_of(first)
    if hour != cursor.hour:
        cursor.hour = hour
        if not sweep_cursor.advance(cursor, hour=hour):
            return False
        cursor.version += 1
    return True


def _next_organization(cursor: Round, source: DigestSource) -> int | None:
    return 0 if sweep_cursor.advance(cursor, **_following(cursor, source)) else None


def _following(cursor: Round, source: DigestSource) -> dict[str, object]:
    """Return the cursor's next values: the next organization that has rows, or the next hour."""
    assert cursor.hour is not None
    empty = {"place": None, "rows": 0, "hash": ""}
    candidates = sweep_cursor.organizations_after(cursor.organization_id, ORGANIZATIONS_PER_STEP)
    for organization_id in candidates:
        if source.rows(organization_id, uuid7_floor(cursor.hour), uuid7_floor(cursor.hour + HOUR), 1):
            return {"organization_id": organization_id, **empty}
    if len(candidates) == ORGANIZATIONS_PER_STEP:
        return {"organization_id": candidates[-1], **empty}
    return {"organization_id": None, "hour": cursor.hour + HOUR, **empty}


def _continue(cursor: Round, source: DigestSource) -> int | None:
    organization_id, hour = cursor.organization_id, cursor.hour
    assert organization_id is not None and hour is not None
    first = uuid7_floor(hour) if cursor.place is None else uuid.UUID(int=cursor.place.int + 1)
    found = source.rows(organization_id, first, uuid7_floor(hour + HOUR), ROWS_PER_STEP)
    digest = extend_digest(
        cursor.hash or initial_digest(source.action, organization_id, hour), [text for _key, text in found]
    )
    rows = cursor.rows + len(found)
    if len(found) == ROWS_PER_STEP:
        moved = sweep_cursor.advance(cursor, place=found[-1][0], rows=rows, hash=digest)
        return len(found) if moved else None
    following = _following(cursor, source)
    with transaction.atomic():
        if not sweep_cursor.advance(cursor, **following):
            return None
        if rows:
            _record(source.action, organization_id, hour, rows, digest)
    return len(found)


def _record(action: str, organization_id: uuid.UUID, hour: datetime, rows: int, digest: str) -> None:
    record(
        actor=system(organization_id),
        action=action,
        target_kind="hour",
        target_id=format_hour(hour),
        changes={"rows": [None, rows], "sha256": [None, digest]},
    )
