"""Audit entries and events of changes to members."""

from typing import Any

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.orgs.models import Membership
from apps.webhooks import publishing


def record(actor: Actor, membership: Membership, action: str, changes: dict[str, list[Any]]) -> None:
    """Write the audit entry of a change to a member."""
    audit.record(
        actor=actor,
        action=action,
        target_kind="user",
        target_id=membership.user_public_id,
        target_label=membership.user.email,
        changes=changes,
        organization_id=membership.organization_id,
    )


def publish_user_event(membership: Membership, event_type: str) -> None:
    """Publish ``user.created``, ``user.updated`` or ``user.deleted`` to the organization's endpoints."""
    data = {"id": membership.user_public_id, "name": membership.user.name, "email": membership.user.email}
    publishing.publish(organization_id=membership.organization_id, event_type=event_type, data=data)
