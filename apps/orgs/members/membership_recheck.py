"""Current permissions of a signed-in user, read again within the transaction of a change."""

from dataclasses import replace

from django.db import connection

from apps.base.actor import Actor
from apps.base.errors import NotFound
from apps.orgs.members.membership_requirements import why_suspended
from apps.orgs.models import Membership, OrganizationStatus
from apps.orgs.roles import GRANTABLE, PERMISSIONS


def refresh_permissions(actor: Actor) -> Actor:
    """Return the actor with the user's current role, or raise NotFound if the user was removed.

    Within a transaction the membership is locked until its end, so a concurrent change of the role comes either before
    the actor's change, which is then refused, or after it. Outside of one the role was read by this request already.
    """
    if not connection.in_atomic_block:
        return actor
    rows = Membership.objects.for_actor(actor).filter(user=actor.pk)
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED)
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(no_key=True, of=("self",))
    found = rows.select_related("organization").first()
    if found is None:
        raise NotFound()
    role = found.role
    suspended = why_suspended(found.organization)
    return replace(actor, permissions=PERMISSIONS[role], grantable=GRANTABLE[role], role=role, suspended=suspended)
