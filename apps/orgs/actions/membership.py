"""Who belongs to an organization, and who may touch whom."""

import uuid

from django.db import connection
from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Forbidden, NotFound
from apps.base.identifiers import decode
from apps.base.permissions import ADMIN, Permission
from apps.orgs.models import Membership, Organization, Role, User


def find_membership(actor: Actor, user_id: str) -> Membership:
    """This will return a user's membership of the actor's organization, or raise NotFound."""
    key = decode(User.id_prefix, user_id)
    rows = Membership.objects.for_actor(actor).select_related("user", "organization")
    found = rows.filter(user_id=key).first() if key is not None else None
    if found is None:
        raise NotFound()
    return found


def check_may_touch(actor: Actor, membership: Membership) -> None:
    """This will raise Forbidden where the actor may not change or remove this member.

    Nobody touches an operator's account here. An owner only an owner's session, never a key. Keys without
    ``admin`` touch viewers alone.
    """
    if membership.user.is_staff:
        raise Forbidden(_("This is an operator's account."))
    if membership.role == Role.OWNER and not actor.can(Permission.ORGANIZATION_OWN):
        raise Forbidden(_("Only an owner, signed in, may change or remove an owner."))
    if membership.role == Role.OWNER and actor.kind == ActorKind.API_KEY:
        raise Forbidden(_("No key may change or remove an owner."))
    is_limited_key = actor.kind == ActorKind.API_KEY and ADMIN not in actor.permissions
    if is_limited_key and membership.role != Role.VIEWER:
        raise Forbidden(_("This key may change or remove viewers only; that takes the scope admin."))


def lock_owners(organization_id: uuid.UUID) -> None:
    """This will hold the organization's row, so that two owners cannot remove each other at once."""
    if connection.vendor == "postgresql":
        list(Organization.objects.select_for_update(no_key=True).filter(pk=organization_id).values("pk"))
