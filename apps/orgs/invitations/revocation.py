"""Closing and revoking invitations."""

from django.utils import timezone

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.orgs.models import Invitation, InvitationStatus, Membership, OutgoingMail, Role

# The roles that a role can invite to (docs/api.md, Roles); other open invitations of a demoted member are revoked.
INVITABLE_ROLES = {Role.OWNER: set(Role.values), Role.ADMIN: set(Role.values) - {Role.OWNER}}


def close(invitation: Invitation, status: InvitationStatus) -> None:
    """Close an invitation with a final status, and delete its unsent mail."""
    invitation.status, invitation.closed_at = status, timezone.now()
    invitation.save(update_fields=["status", "closed_at"])
    OutgoingMail.objects.unsent_for("invitation", invitation.pk).delete()


def revoke(actor: Actor, invitation: Invitation) -> None:
    """Revoke an invitation and record it."""
    close(invitation, InvitationStatus.REVOKED)
    audit.record_change(actor, "invitation.revoked", invitation, {"role": [invitation.role, None]})


def revoke_invitations_of(actor: Actor, membership: Membership, role: str | None) -> None:
    """Revoke the invitations of a member that their new role does not allow; ``role=None``: all of them.

    Otherwise a removed member could come back through an invitation to another mailbox.
    """
    rows = (
        Invitation.objects.visible()
        .open()
        .filter(
            organization_id=membership.organization_id, invited_by_kind="user", invited_by_id=membership.user_public_id
        )
    )
    allowed = INVITABLE_ROLES.get(Role(role), set()) if role else set()
    for invitation in rows.exclude(role__in=allowed).order_by("pk"):
        revoke(actor, invitation)
