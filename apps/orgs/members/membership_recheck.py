"""What a signed-in person may do at this moment, read within the transaction of what they do."""

from dataclasses import replace

from django.db import connection

from apps.base.actor import Actor
from apps.base.errors import NotFound
from apps.orgs.members.membership_requirements import why_suspended
from apps.orgs.models import Membership, OrganizationStatus
from apps.orgs.roles import GRANTABLE, PERMISSIONS


def refresh_permissions(actor: Actor) -> Actor:
    """Return the person with the role that they have now, or raise NotFound where they were removed.

    Within a transaction the membership is held until its end: whoever lowers or removes the person at the same moment
    comes before the change, which is then refused, or after it. Outside of one the door has just read the role.
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
