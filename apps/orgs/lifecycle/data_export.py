"""Data export of an organization: recorded before its first byte is sent."""

from django.db import transaction

from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.orgs.lifecycle.organization_rows import locked, record
from apps.orgs.models import Organization


@transaction.atomic
def record_export(*, actor: Actor) -> Organization:
    """Record that an owner exports the organization's data, which the view then streams."""
    actor.require(Permission.ORGANIZATION_EXPORT)
    organization = locked(actor.organization_id)
    record(actor, "organization.exported", organization, {})
    return organization
