"""Publish events of the host product."""

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from apps.base.actor import Actor
from apps.base.errors import Invalid, NotFound, PortalError
from apps.base.identifiers import decode
from apps.base.permissions import Permission
from apps.base.rest.renderers import to_json
from apps.orgs.models import Organization, OrganizationStatus
from apps.webhooks import publishing
from apps.webhooks.models import EventOrigin, EventType
from apps.webhooks.publishing import PublishedEvent
from apps.webhooks.types.schemas import check_data

MAX_DATA_BYTES = 256 * 1024
CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
PLATFORM = "platform"


def publish_event(
    *, actor: Actor, event_type: str, data: Any, client_id: str | None = None, organization: str | None = None
) -> PublishedEvent:
    """Validate an event of the host product and store it with its deliveries.

    ``organization`` (id or slug) is required for platform keys and invalid for all others. If ``client_id`` was used
    before, return the first event. Raise Invalid with the name of the field, or 413 if ``data`` is larger than 256 KiB.
    """
    return publishing.publish(**_event_to_publish(actor, event_type, data, client_id, organization))


def publish_events(*, actor: Actor, events: Iterable[Mapping[str, Any]]) -> list[PublishedEvent]:
    """Publish all events, given as arguments of ``publish_event``, or none; errors contain the index of the event."""
    checked = []
    for index, event in enumerate(events):
        try:
            checked.append(_event_to_publish(actor, **{"client_id": None, "organization": None, **event}))
        except PortalError as error:
            if error.status not in (400, 413):
                raise
            field_errors = error.fields or {"data": [error.message]}
            fields = {f"events.{index}.{name}": texts for name, texts in field_errors.items()}
            raise Invalid(f"events.{index}: {error.message}", fields) from None
    return publishing.publish_batch(checked)


def _event_to_publish(
    actor: Actor, event_type: str, data: Any, client_id: str | None, organization: str | None
) -> dict[str, Any]:
    actor.require(Permission.EVENTS_WRITE)
    is_platform = actor.grant_limits is not None and actor.grant_limits.key_type == PLATFORM
    owner = _organization_to_publish_for(actor, is_platform, organization)
    row = EventType.objects.filter(name=event_type).first()
    if row is None:
        raise Invalid.field("type", _("There is no event type of this name."))
    if row.origin == EventOrigin.PORTAL:
        raise Invalid.field("type", _("Events of this type are published by the portal itself."))
    if client_id is not None and not CLIENT_ID.fullmatch(client_id):
        raise Invalid.field("id", _("An id has 1 to 64 letters, digits, dots, hyphens and underscores."))
    if len(to_json(data).encode()) > MAX_DATA_BYTES:
        raise PortalError(_("data is larger than 256 KiB."), "payload_too_large")
    check_data(row, data)
    return {
        "organization_id": owner,
        "event_type": row.name,
        "data": data,
        "publisher": PLATFORM if is_platform else "own",
        "client_id": client_id,
    }


def _organization_to_publish_for(actor: Actor, is_platform: bool, organization: str | None) -> uuid.UUID:
    if not is_platform:
        if organization is not None:
            raise Invalid.field("organization", _("Only platform keys name an organization."))
        if actor.organization_id is None:
            raise NotFound()
        return actor.organization_id
    if not organization:
        raise Invalid.field("organization", _("Name the organization that the event belongs to."))
    key = decode("org", organization)
    rows = Organization.objects.filter(pk=key) if key else Organization.objects.filter(slug=organization)
    organization_id = rows.customers().exclude(status=OrganizationStatus.CLOSED).values_list("pk", flat=True).first()
    if organization_id is None:
        raise Invalid.field("organization", _("There is no such organization."))
    return organization_id
