"""The stored position of periodic jobs that go through all organizations step by step, in any worker.

No lock is held between two steps. A worker moves the cursor only if its version is still the one that it read, so of
two workers that did the same step, only one moves it.
"""

import uuid
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.audit.models import Round
from apps.orgs.models import Organization


def due_cursor(name: str) -> Round | None:
    """Return the cursor of a job, which other workers may read at the same time, or None while the job is paused."""
    cursor, _is_new = Round.objects.get_or_create(name=name)
    return None if cursor.again_at is not None and cursor.again_at > timezone.now() else cursor


def advance(cursor: Round, /, **changes: Any) -> bool:
    """Store the new position and return whether this worker moved the cursor."""
    rows = Round.objects.filter(name=cursor.name, version=cursor.version)
    return bool(rows.update(version=cursor.version + 1, **changes))


def pause(cursor: Round, until: datetime) -> bool:
    """Pause the job, which then starts again at the first organization."""
    return advance(cursor, organization_id=None, again_at=until)


def organizations_after(organization_id: uuid.UUID | None, limit: int) -> list[uuid.UUID]:
    """Return the next organizations in the order of their ids, in any state."""
    after = Q() if organization_id is None else Q(pk__gt=organization_id)
    return list(Organization.objects.filter(after).order_by("pk").values_list("pk", flat=True)[:limit])
