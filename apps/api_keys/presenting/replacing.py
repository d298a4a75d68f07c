"""What a rotation will do: who still calls, until when the old key may go on, how long the new one lives."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.api_keys.actions import expiry_of_successor
from apps.api_keys.models import ApiKey
from apps.api_keys.presenting.one_key import harm
from apps.base.actor import Actor
from apps.credentials.lifecycle import LONGEST_OVERLAP
from apps.credentials.models import SecretKey

CHOICES = (("3600", timedelta(hours=1)), ("86400", timedelta(days=1)), ("604800", timedelta(days=7)))


def replacing(actor: Actor, key: ApiKey, now: datetime | None = None) -> dict[str, Any]:
    """This will return the context of the page that rotates a key."""
    moment = now or timezone.now()
    ends = {word: _ends(key, moment + length) for word, length in CHOICES}
    return {
        **harm(actor, key),
        "was_rotated": key.overlap_since is not None,
        "successor": getattr(key, "replaced_by", None),
        "predecessor": _still_working(key, moment),
        "ends": ends,
        "own_end": key.expires_at if key.expires_at and key.expires_at < moment + LONGEST_OVERLAP else None,
        "new_expires_at": expiry_of_successor(key),
    }


def _ends(key: ApiKey, planned: datetime) -> datetime:
    return min(planned, key.expires_at or planned)


def _still_working(key: ApiKey, now: datetime) -> SecretKey | None:
    """The key that this one replaced, where its overlap has not ended: a further rotation ends it at once."""
    older = key.replaces
    return older if older is not None and not older.has_ended else None
