"""Taking a copy of all data of an organization: recorded before the first byte leaves."""

from django.db import transaction

from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.orgs.lifecycle.organization_rows import locked, record
from apps.orgs.models import Organization


@transaction.atomic
def record_export(*, actor: Actor) -> Organization:
    """Record that an owner takes a copy of the organization's data, which the door then streams."""
    actor.require(Permission.ORGANIZATION_EXPORT)
    organization = locked(actor.organization_id)
    record(actor, "organization.exported", organization, {})
    return organization
