"""The steps that every change of a key has in common: lock the row, publish the event."""

from typing import Any

from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
from apps.base.actor import Actor
from apps.credentials.lifecycle import transitions


def lock_key(actor: Actor, key_id: str) -> ApiKey:
    """Return a key of the actor's organization, locked until the transaction ends, or raise NotFound."""
    rows = ApiKey.objects.for_actor(actor).select_related("key_type", "replaces")
    key: ApiKey = transitions.lock_key(rows, key_id)
    return key


def publish_event(key: ApiKey, event_type: str, **more: Any) -> None:
    """Publish a webhook event about the key, with ``more`` added to the common fields."""
    posting.publish(key, event_type, more)
