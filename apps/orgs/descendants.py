"""Members that a user or a key added, by creating the account or by invitation, and open invitations."""

import uuid
from collections.abc import Collection

from apps.base.actor import Actor, ActorKind
from apps.base.extension_points.descendants import Descendant, describe
from apps.orgs.invitations import actions as invitation_actions
from apps.orgs.members import users
from apps.orgs.models import Invitation, Membership


def find_members(organization_id: uuid.UUID, creators: Collection[str]) -> list[Descendant]:
    """Return the members that the creators added.

    Only members that an API key added can have descendants: objects that an invited user creates are the user's own.
    """
    rows = Membership.objects.filter(organization_id=organization_id, created_by_id__in=creators)
    return [
        describe(
            "user",
            row,
            id=row.user_public_id,
            name=row.user.email,
            status=str(row.role),
            is_active=True,
            can_have_descendants=row.created_by_kind == ActorKind.API_KEY,
        )
        for row in rows.select_related("user")
    ]


def end_member(*, actor: Actor, id: str, reason: str) -> None:
    """Remove a member that ``find_members`` returned."""
    users.delete_user(actor=actor, user_id=id)


def find_invitations(organization_id: uuid.UUID, creators: Collection[str]) -> list[Descendant]:
    """Return the open invitations that the creators sent."""
    rows = Invitation.objects.visible().open().filter(organization_id=organization_id, invited_by_id__in=creators)
    return [
        Descendant(
            kind="invitation",
            id=row.public_id,
            name=row.email,
            status=row.state,
            is_active=True,
            created_at=row.created_at,
            created_by_kind=row.invited_by_kind,
            created_by_id=row.invited_by_id,
            created_by_label=row.invited_by_label,
        )
        for row in rows
    ]


def end_invitation(*, actor: Actor, id: str, reason: str) -> None:
    """Revoke an invitation that ``find_invitations`` returned."""
    invitation_actions.revoke_invitation(actor=actor, invitation_id=id)
