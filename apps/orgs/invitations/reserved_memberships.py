"""A place in an organization that was made for an address before its owner came, and who takes it."""

from django.utils.translation import gettext as _

from apps.base.errors import Conflict
from apps.orgs.members.audit_and_publish import announce
from apps.orgs.models import Invitation, Membership, Role, User
from apps.orgs.roles import RANK


def reserved_for(invitation: Invitation) -> Membership | None:
    """Return the place of a provisional account with the invitation's address in its organization, if there is one."""
    rows = Membership.objects.filter(organization_id=invitation.organization_id, user__password_is_provisional=True)
    return rows.with_address(invitation.email).select_related("user").first()


def claim_reservation(invitation: Invitation, user: User, before: Membership | None) -> Membership:
    """Give the person who accepted the place, with the invited role where that is the higher one.

    ``before``: the place that was made for the address. It keeps its id, whoever takes it. Conflict for a member whom
    the invitation gives nothing.
    """
    own = Membership.objects.filter(organization_id=invitation.organization_id, user=user).first()
    if own is not None and own != before and not raises_role(invitation, own):
        raise Conflict(_("You are a member of %(name)s already.") % {"name": invitation.organization.name})
    if own is not None:
        membership = own
    elif before is not None:
        membership = _hand_over(before, user)
    else:
        return _new(invitation, user)
    membership.user = user
    if raises_role(invitation, membership):
        membership.role = invitation.role
        membership.save(update_fields=["role"])
    announce(membership, "user.updated")
    return membership


def raises_role(invitation: Invitation, membership: Membership) -> bool:
    """Tell whether the invitation's role is higher than the one that the member has."""
    return RANK[Role(invitation.role)] > RANK[Role(membership.role)]


def _hand_over(place: Membership, user: User) -> Membership:
    """The account that was made with the place ends; its id stays the one under which the organization knows it."""
    stand_in = place.user
    place.earlier_id, place.user = place.user_key, user
    place.save(update_fields=["earlier_id", "user"])
    stand_in.delete()
    return place


def _new(invitation: Invitation, user: User) -> Membership:
    membership = Membership.objects.create(
        organization=invitation.organization,
        user=user,
        role=invitation.role,
        created_by_kind=invitation.invited_by_kind,
        created_by_id=invitation.invited_by_id,
        created_by_label=invitation.invited_by_label,
    )
    announce(membership, "user.created")
    return membership
