"""Audit entries and webhook events of changes to SDK keys and devices."""

import uuid
from typing import Any

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.sdk_keys.models import Activation, SdkKey
from apps.webhooks import publishing


def publish_event(key: SdkKey, event_type: str, **more: Any) -> None:
    """Publish a webhook event about a key; ``more``: fields in addition to those of every event."""
    facts = {"id": key.public_id, "name": key.name, "platform": str(key.platform), "mask": key.mask}
    organization_id: uuid.UUID = key.organization_id
    publishing.publish(organization_id=organization_id, event_type=event_type, data={**facts, **more})


def record_and_publish_device(actor: Actor, activation: Activation, action: str, **more: str) -> None:
    """Record a change of a device and publish an event named like the action."""
    changes: dict[str, list[Any]] = {"activation": [None, activation.public_id]}
    changes.update({name: [None, value] for name, value in more.items()})
    audit.record_change(actor, action, activation.key, changes)
    publish_event(activation.key, action, activation_id=activation.public_id, **more)
