"""Changes to memberships and roles, and the rules of who can manage whom.

Every change begins with ``lock_members``: changes to one organization's members are serialized, so that two owners
cannot demote each other at the same time. Only then are the actor's role and the member's row read.
"""

import uuid
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, Forbidden, Invalid, NotFound
from apps.base.permissions import ADMIN, Permission
from apps.orgs.accounts.email_addresses import has_confirmed_address
from apps.orgs.accounts.provisional import end_provisional_access
from apps.orgs.invitations.revocation import revoke_invitations_of
from apps.orgs.mail import outbox
from apps.orgs.members.audit_and_publish import publish_user_event, record
from apps.orgs.models import Membership, Role
from apps.orgs.roles import RANK


def lock_members(organization_id: uuid.UUID | None) -> None:
    """Make other changes to the organization's members wait until the transaction ends.

    An advisory lock, not a row lock: a user's own membership is locked by their current request
    (``refresh_permissions``), and another order of row locks would deadlock. On SQLite the transaction is exclusive.
    """
    if connection.vendor == "postgresql" and organization_id is not None:
        with connection.cursor() as cursor:
            name = f"orgs.members.{organization_id}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def find_membership(actor: Actor, user_id: str, lock: bool = False) -> Membership:
    """Return a user's membership of the actor's organization, or raise NotFound.

    ``lock``: lock its row until the transaction ends, after waiting for concurrent changes to it.
    """
    rows = Membership.objects.for_actor(actor).with_user_id(user_id).select_related("user", "organization")
    if actor.organization_id is not None:
        rows = rows.filter(organization_id=actor.organization_id)
    if lock and connection.vendor == "postgresql":
        rows = rows.select_for_update(of=("self",))
    found = rows.first()
    if found is None:
        raise NotFound()
    return found


def check_can_manage(actor: Actor, membership: Membership) -> None:
    """Raise Forbidden if the actor is not allowed to change or remove the member.

    Operators' accounts cannot be changed here. Owners can be changed by an owner's session only, never by a key. Keys
    without the scope ``admin`` can change viewers only.
    """
    if membership.user.is_staff:
        raise Forbidden(_("This is an operator's account."))
    if membership.role == Role.OWNER and not actor.can(Permission.ORGANIZATION_OWN):
        raise Forbidden(_("Only an owner, signed in, may change or remove an owner."))
    if membership.role == Role.OWNER and actor.kind == ActorKind.API_KEY:
        raise Forbidden(_("No key may change or remove an owner."))
    if is_limited_key(actor) and membership.role != Role.VIEWER:
        raise Forbidden(_("This key may change or remove viewers only; that takes the scope admin."))


def is_limited_key(actor: Actor) -> bool:
    """Return whether the actor is a key that can create, change and remove viewers only."""
    return actor.kind == ActorKind.API_KEY and ADMIN not in actor.permissions


def check_can_assign(actor: Actor, role: str) -> None:
    """Raise Invalid for an unknown role, and Forbidden if the actor is not allowed to assign it."""
    if role not in Role.values:
        raise Invalid.field("role", _("Choose one of: %(roles)s.") % {"roles": ", ".join(Role.values)})
    if role == Role.OWNER and actor.kind == ActorKind.API_KEY:
        raise Forbidden(_("No key may make somebody an owner."))
    if role == Role.OWNER and not actor.can(Permission.ORGANIZATION_OWN):
        raise Forbidden(_("Only an owner may make somebody an owner."))
    if is_limited_key(actor) and role != Role.VIEWER:
        raise Forbidden(_("This key may make viewers only; another role takes the scope admin."))


def is_last_owner(membership: Membership) -> bool:
    """Return whether the member is the only owner. Call ``lock_members`` before."""
    if membership.role != Role.OWNER:
        return False
    owners = Membership.objects.filter(organization_id=membership.organization_id).owners()
    return not owners.exclude(pk=membership.pk).exists()


@transaction.atomic
def change_role(*, actor: Actor, user_id: str, role: str) -> Membership:
    """Change a member's role and notify them by mail; do nothing if they have the role already.

    Raises what ``check_can_manage`` and ``check_can_assign`` raise, Forbidden for the actor's own promotion, Conflict
    for the last owner and for the promotion of a member whose address is not confirmed. A promotion ends provisional
    access to the member's account (docs/api.md, Roles).
    """
    lock_members(actor.organization_id)
    actor = actor.with_current_permissions()
    actor.require(Permission.MEMBERS_WRITE)
    membership = find_membership(actor, user_id, lock=True)
    check_can_manage(actor, membership)
    check_can_assign(actor, role)
    before = membership.role
    if role == before:
        return membership
    if RANK[Role(role)] > RANK[Role(before)]:
        _check_can_be_promoted(actor, membership)
    elif is_last_owner(membership):
        raise Conflict(_("The last owner cannot be lowered. Make somebody else an owner first."))
    membership.role = role
    membership.save(update_fields=["role"])
    record(actor, membership, "member.role_changed", {"role": [before, role]})
    revoke_invitations_of(actor, membership, role)
    if membership.user_id != actor.pk:
        _mail(membership, "role_changed", actor)
    return membership


def _check_can_be_promoted(actor: Actor, membership: Membership) -> None:
    if membership.user_id == actor.pk:
        raise Forbidden(_("Nobody raises their own role. Ask an owner."))
    if not has_confirmed_address(membership.user):
        raise Conflict(
            _("%(email)s is not confirmed yet. Until its owner has confirmed it, the role stays Viewer.")
            % {"email": membership.user.email}
        )
    end_provisional_access(membership.user, keep_password=False)


@transaction.atomic
def remove_member(*, actor: Actor, user_id: str) -> None:
    """Remove a member (see ``end_membership``) and notify them by mail."""
    lock_members(actor.organization_id)
    actor = actor.with_current_permissions()
    actor.require(Permission.MEMBERS_WRITE)
    membership = find_membership(actor, user_id, lock=True)
    check_can_manage(actor, membership)
    if membership.user_id != actor.pk:
        _mail(membership, "member_removed", actor)
    end_membership(actor, membership, "member.removed")


@transaction.atomic
def leave_organization(*, actor: Actor) -> None:
    """Remove the actor from the organization; raise Conflict for the last owner."""
    lock_members(actor.organization_id)
    membership = find_membership(actor, actor.id, lock=True)
    end_membership(actor, membership, "member.left")


def end_membership(actor: Actor, membership: Membership, action: str) -> None:
    """End a membership, record it and publish ``user.deleted``; raise Conflict for the last owner.

    An account without another organization is deleted, unless it is an operator's. Keys stay, because they belong to
    the organization; the member's open invitations are revoked. Callers must hold ``lock_members`` and the row lock.
    """
    if is_last_owner(membership):
        raise Conflict(_("The last owner cannot be removed. Make somebody else an owner first."))
    user = membership.user
    changes: dict[str, list[Any]] = {"email": [user.email, None], "role": [membership.role, None]}
    record(actor, membership, action, changes)
    publish_user_event(membership, "user.deleted")
    revoke_invitations_of(actor, membership, None)
    membership.delete()
    if not user.is_staff and not Membership.objects.filter(user=user).exists():
        user.delete()


def _mail(membership: Membership, template: str, actor: Actor) -> None:
    user = membership.user
    context = {
        "name": user.name,
        "organization": membership.organization.name,
        "slug": membership.organization.slug,
        "role": Role(membership.role).label,
        "by": actor.label,
    }
    outbox.enqueue(to=user.email, template=template, context=context, language=user.language)
