"""What a rotation will do: who still calls, until when the old key may go on, how long the new one lives."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.api_keys.actions import expiry_of_successor
from apps.api_keys.models import ApiKey
from apps.api_keys.presenting.one_key import harm
from apps.base.actor import Actor
from apps.credentials.presenting import overlap_of


def replacing(actor: Actor, key: ApiKey, now: datetime | None = None) -> dict[str, Any]:
    """This will return the context of the page that rotates a key."""
    return {
        **harm(actor, key),
        **overlap_of(key, now or timezone.now()),
        "new_expires_at": expiry_of_successor(key),
    }
