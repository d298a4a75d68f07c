"""What every change of an SDK key or of a device does beside the change: record it, announce it."""

import uuid
from typing import Any

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.sdk_keys.models import Activation, SdkKey
from apps.webhooks import publishing


def record(actor: Actor, key: SdkKey, action: str, changes: dict[str, list[Any]]) -> None:
    """This will write the one audit entry of a change."""
    audit.record(
        actor=actor,
        action=action,
        target_kind="sdk_key",
        target_id=key.public_id,
        target_label=key.name,
        changes=changes,
        organization_id=key.organization_id,
    )


def announce(key: SdkKey, event_type: str, **more: Any) -> None:
    """This will publish a webhook event about the key; ``more`` are fields beside those that all of them have."""
    facts = {"id": key.public_id, "name": key.name, "platform": str(key.platform), "mask": key.mask}
    organization_id: uuid.UUID = key.organization_id
    publishing.publish(organization_id=organization_id, event_type=event_type, data={**facts, **more})


def tell_of_device(actor: Actor, activation: Activation, action: str, **more: str) -> None:
    """This will record and announce what became of a device; the event has the action's name."""
    changes: dict[str, list[Any]] = {"activation": [None, activation.public_id]}
    changes.update({name: [None, value] for name, value in more.items()})
    record(actor, activation.key, action, changes)
    announce(activation.key, action, activation_id=activation.public_id, **more)
