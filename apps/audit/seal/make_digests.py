"""Make the digests of hours that are over: a periodic job of every worker, a piece at a time."""

import time
import uuid
from datetime import datetime, timedelta

from django.db import transaction

from apps.audit.actions import record
from apps.audit.models import Round
from apps.audit.retention import sweep_cursor
from apps.audit.seal.digests import (
    HOUR,
    WINDOW,
    Source,
    add,
    format_hour,
    hour_of,
    sources,
    start,
)
from apps.audit.timeline.sources import key_at
from apps.base import timestamps
from apps.base.actor import system

# What an answer may wait for the database, and an attempt for its end, is seconds.
GRACE = timedelta(minutes=10)
MAX_SECONDS = 0.5
# Quiet organizations are passed over so many at a time, without a commit for each.
ORGANIZATIONS_PER_STEP = 200


# The periodic job audit.make_digests (apps.py).
def make_due() -> int:
    """Digest what is due, for half a second at most a kind, and return how many rows went in."""
    return sum(_make(name, source) for name, source in sources().items())


def _make(name: str, source: Source) -> int:
    until, count = time.monotonic() + MAX_SECONDS, 0
    while time.monotonic() < until and (added := _step(f"digest.{name}", source)) is not None:
        count += added
    return count


def _step(name: str, source: Source) -> int | None:
    """Go one piece on and return the rows of it; None where nothing is due, or another worker was faster."""
    place = sweep_cursor.claim_next(name)
    if place is None:
        return None
    if place.organization_id is None and not _begin(place, source):
        return None
    assert place.hour is not None
    if not _is_over(place.hour, source):
        return None
    return _continue(place, source) if place.organization_id else _next_organization(place, source)


def _is_over(hour: datetime, source: Source) -> bool:
    return timestamps.database_now() >= hour + HOUR + GRACE and source.is_settled(hour + HOUR)


def _begin(place: Round, source: Source) -> bool:
    """Go to the next hour that has a row of anybody; hours in which nobody did anything are passed over at once."""
    hour = place.hour
    if hour is None:
        hour = timestamps.database_now().replace(minute=0, second=0, microsecond=0)
    else:
        first = source.next_id(key_at(hour))
        # What is passed over must be over: a row of then may still be on its way.
        if first is not None and hour_of(first) > hour and _is_over(hour_of(first) - HOUR, source):
            hour = hour_of(first)
    if hour != place.hour:
        place.hour = hour
        if not sweep_cursor.advance(place, hour=hour):
            return False
        place.version += 1
    return True


def _next_organization(place: Round, source: Source) -> int | None:
    return 0 if sweep_cursor.advance(place, **_following(place, source)) else None


def _following(place: Round, source: Source) -> dict[str, object]:
    """Say where to go on: at the next organization that has rows, or in the next hour."""
    assert place.hour is not None
    empty = {"place": None, "rows": 0, "hash": ""}
    candidates = sweep_cursor.organizations_after(place.organization_id, ORGANIZATIONS_PER_STEP)
    for organization_id in candidates:
        if source.rows(organization_id, key_at(place.hour), key_at(place.hour + HOUR), 1):
            return {"organization_id": organization_id, **empty}
    if len(candidates) == ORGANIZATIONS_PER_STEP:
        return {"organization_id": candidates[-1], **empty}
    return {"organization_id": None, "hour": place.hour + HOUR, **empty}


def _continue(place: Round, source: Source) -> int | None:
    organization_id, hour = place.organization_id, place.hour
    assert organization_id is not None and hour is not None
    first = key_at(hour) if place.place is None else uuid.UUID(int=place.place.int + 1)
    found = source.rows(organization_id, first, key_at(hour + HOUR), WINDOW)
    digest = add(place.hash or start(source.action, organization_id, hour), [text for _key, text in found])
    rows = place.rows + len(found)
    if len(found) == WINDOW:
        moved = sweep_cursor.advance(place, place=found[-1][0], rows=rows, hash=digest)
        return len(found) if moved else None
    following = _following(place, source)
    with transaction.atomic():
        if not sweep_cursor.advance(place, **following):
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
