"""The end of invitations that nobody accepted."""

from typing import Any

from django.utils import timezone

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.orgs.models import Invitation, InvitationStatus, Membership, OutgoingMail, Role

# Who may invite, and as what (docs/api.md, Roles). Whoever is lowered or leaves takes the rest back.
INVITABLE_ROLES = {Role.OWNER: set(Role.values), Role.ADMIN: set(Role.values) - {Role.OWNER}}


def close(invitation: Invitation, status: InvitationStatus) -> None:
    """End an invitation for good, and keep a mail of it that still waits from being sent."""
    invitation.status, invitation.closed_at = status, timezone.now()
    invitation.save(update_fields=["status", "closed_at"])
    OutgoingMail.objects.waiting("invitation", invitation.pk).delete()


def revoke(actor: Actor, invitation: Invitation) -> None:
    """Withdraw one invitation and record it."""
    close(invitation, InvitationStatus.REVOKED)
    record_invitation(actor, invitation, "invitation.revoked", {"role": [invitation.role, None]})


def revoke_invitations_of(actor: Actor, membership: Membership, role: str | None) -> None:
    """Withdraw what a member has offered and may not offer any more: with another role, or without one.

    Otherwise somebody who was just removed could come back by an invitation to another mailbox of theirs.
    """
    rows = (
        Invitation.objects.shown()
        .open()
        .filter(
            organization_id=membership.organization_id, invited_by_kind="user", invited_by_id=membership.user_public_id
        )
    )
    still = INVITABLE_ROLES.get(Role(role), set()) if role else set()
    for invitation in rows.exclude(role__in=still).order_by("pk"):
        revoke(actor, invitation)


def record_invitation(actor: Actor, invitation: Invitation, action: str, changes: dict[str, list[Any]]) -> None:
    """Write the audit entry of what was done with an invitation; its address is the label."""
    audit.record(
        actor=actor,
        action=action,
        target_kind="invitation",
        target_id=invitation.public_id,
        target_label=invitation.email,
        changes=changes,
        organization_id=invitation.organization_id,
    )
