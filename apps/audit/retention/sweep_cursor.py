"""Sweeps that go through all organizations, a piece at a time, in any worker: where they are, and who goes on.

Nobody holds a lock between two pieces. Whoever wants to move the place does so only where it is still the one that was
read; of two workers that did the same piece, one is told that it was done.
"""

import uuid
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.audit.models import Round
from apps.orgs.models import Organization


def claim_next(name: str) -> Round | None:
    """Return the place of a round, None while it rests."""
    found, _is_new = Round.objects.get_or_create(name=name)
    return None if found.again_at is not None and found.again_at > timezone.now() else found


def advance(place: Round, /, **changes: Any) -> bool:
    """Write the new place and tell whether it was this worker that moved it."""
    rows = Round.objects.filter(name=place.name, version=place.version)
    return bool(rows.update(version=place.version + 1, **changes))


def pause(place: Round, until: datetime) -> bool:
    """Begin the round anew at a moment."""
    return advance(place, organization_id=None, again_at=until)


def organizations_after(organization_id: uuid.UUID | None, limit: int) -> list[uuid.UUID]:
    """Return the next organizations in the order of their ids, whatever their state."""
    after = Q() if organization_id is None else Q(pk__gt=organization_id)
    return list(Organization.objects.filter(after).order_by("pk").values_list("pk", flat=True)[:limit])
