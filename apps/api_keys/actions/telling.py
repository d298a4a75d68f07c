"""What every change of a key does beside the change: find and hold the row, record, announce."""

from typing import Any

from apps.api_keys.alerts import stories
from apps.api_keys.models import ApiKey
from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.credentials import lifecycle


def hold(actor: Actor, key_id: str) -> ApiKey:
    """This will return a key of the actor's organization, held until the transaction ends, or raise NotFound."""
    rows = ApiKey.objects.for_actor(actor).select_related("key_type", "replaces")
    key: ApiKey = lifecycle.locked(rows, key_id)
    return key


def record(actor: Actor, key: ApiKey, action: str, changes: dict[str, list[Any]]) -> None:
    """This will write the one audit entry of a change."""
    audit.record(
        actor=actor,
        action=action,
        target_kind="api_key",
        target_id=key.public_id,
        target_label=key.name,
        changes=changes,
        organization_id=key.organization_id,
    )


def announce(key: ApiKey, event_type: str, **more: Any) -> None:
    """This will publish a webhook event about the key; ``more`` are fields beside those that all of them have."""
    stories.publish(key, event_type, more)
