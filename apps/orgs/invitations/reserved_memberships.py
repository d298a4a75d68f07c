"""Reserved memberships: an organization created them for an address before its owner accepted an invitation."""

from django.utils.translation import gettext as _

from apps.base.errors import Conflict
from apps.orgs.members.audit_and_publish import publish_user_event
from apps.orgs.models import Invitation, Membership, Role, User
from apps.orgs.roles import RANK


def reserved_membership(invitation: Invitation) -> Membership | None:
    """Return the organization's membership of a provisional account with the invitation's address, or None."""
    rows = Membership.objects.filter(organization_id=invitation.organization_id, user__password_is_provisional=True)
    return rows.with_address(invitation.email).select_related("user").first()


def join_organization(invitation: Invitation, user: User, reserved: Membership | None) -> Membership:
    """Return the membership of the user who accepted: existing, reserved or new, with the invited role if higher.

    ``reserved``: the membership that was created for the address; its ``user_…`` id does not change. Raises Conflict
    for a member whom the invitation does not promote.
    """
    own = Membership.objects.filter(organization_id=invitation.organization_id, user=user).first()
    if own is not None and own != reserved and not is_promotion(invitation, own):
        raise Conflict(_("You are a member of %(name)s already.") % {"name": invitation.organization.name})
    if own is not None:
        membership = own
    elif reserved is not None:
        membership = _transfer(reserved, user)
    else:
        return _create(invitation, user)
    membership.user = user
    if is_promotion(invitation, membership):
        membership.role = invitation.role
        membership.save(update_fields=["role"])
    publish_user_event(membership, "user.updated")
    return membership


def is_promotion(invitation: Invitation, membership: Membership) -> bool:
    """Return whether the invitation's role is higher than the member's."""
    return RANK[Role(invitation.role)] > RANK[Role(membership.role)]


def _transfer(membership: Membership, user: User) -> Membership:
    """Move a reserved membership to the user, keep its public id, and delete its provisional account."""
    provisional = membership.user
    membership.earlier_id, membership.user = membership.public_user_pk, user
    membership.save(update_fields=["earlier_id", "user"])
    provisional.delete()
    return membership


def _create(invitation: Invitation, user: User) -> Membership:
    membership = Membership.objects.create(
        organization=invitation.organization,
        user=user,
        role=invitation.role,
        created_by_kind=invitation.invited_by_kind,
        created_by_id=invitation.invited_by_id,
        created_by_label=invitation.invited_by_label,
    )
    publish_user_event(membership, "user.created")
    return membership
