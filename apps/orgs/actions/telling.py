"""What is written down and announced of a change to a person."""

import uuid
from typing import Any

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.orgs.models import User
from apps.webhooks import publishing


def record(actor: Actor, user: User, action: str, changes: dict[str, list[Any]]) -> None:
    """This will write the audit entry of a change to a person."""
    audit.record(
        actor=actor,
        action=action,
        target_kind="user",
        target_id=user.public_id,
        target_label=user.email,
        changes=changes,
    )


def announce(organization_id: uuid.UUID, user: User, event_type: str) -> None:
    """This will publish ``user.created``, ``user.updated`` or ``user.deleted`` to the organization's endpoints."""
    data = {"id": user.public_id, "name": user.name, "email": user.email}
    publishing.publish(organization_id=organization_id, event_type=event_type, data=data)
