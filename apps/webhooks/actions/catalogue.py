"""Operators' actions on event types: operators can change the host product's types, not the portal's."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict, Forbidden, Invalid
from apps.base.models import require_unchanged
from apps.webhooks.models import EventOrigin, EventType, Subscription
from apps.webhooks.types.builtin_types import PORTAL_EVENTS
from apps.webhooks.types.catalogue import EVENT_NAME
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS
from apps.webhooks.types.schemas import check_data, check_schema

# The prefixes of the portal's types are reserved, as later versions can declare more types with them.
RESERVED_PREFIXES = frozenset(name.partition(".")[0] for name in PORTAL_EVENTS)
Changes = dict[str, list[Any]]


@transaction.atomic
def save_event_type(*, actor: Actor, row: EventType, changes: Changes) -> EventType:
    """Create or update an event type of the host product; ``changes`` maps each changed field to [old, new]."""
    actor.require_operator()
    if row.origin != EventOrigin.HOST_PRODUCT:
        raise Forbidden(_("The portal's own types are declared in its code."))
    check_schema(row.schema)
    check_data(row, row.sample)
    check_successor(row.name, row.replaced_by)
    if row._state.adding:
        check_event_name(row.name)
        row.save(force_insert=True)
        audit.record_change(actor, "event_type.created", row, changes)
        return row
    require_unchanged(row, changes)
    row.save(update_fields=["schema", "sample", "description", "is_deprecated", "deprecated_at", "replaced_by"])
    audit.record_change(actor, "event_type.updated", row, changes)
    return row


@transaction.atomic
def delete_event_type(*, actor: Actor, row: EventType) -> None:
    """Delete an event type that an operator added; raise Conflict if it is built in, subscribed to or a successor."""
    actor.require_operator()
    if row.origin != EventOrigin.HOST_PRODUCT or row.name in HOST_PRODUCT_EVENTS:
        raise Conflict(_("This type comes with the portal and would come back. Mark it as deprecated."))
    subscribed = Subscription.objects.filter(pattern=row.name, endpoint__deleted_at=None).count()
    if subscribed:
        sentence = _("Endpoints are subscribed to it: %(count)s. Mark it as deprecated until they are not.")
        raise Conflict(sentence % {"count": subscribed})
    predecessors = list(EventType.objects.filter(replaced_by=row.name).values_list("name", flat=True))
    if predecessors:
        raise Conflict(_("It is the successor of %(names)s. Change that first.") % {"names": ", ".join(predecessors)})
    audit.record_change(actor, "event_type.deleted", row, {"description": [row.description, None]})
    row.delete()


def check_event_name(name: str) -> None:
    """Raise Invalid unless the name is lower-case words joined by dots, without a reserved prefix."""
    if not EVENT_NAME.fullmatch(name):
        raise Invalid.field("name", _("Write lower-case words parted by dots, such as order.created."))
    first = name.partition(".")[0]
    if first in RESERVED_PREFIXES and name not in PORTAL_EVENTS:
        raise Invalid.field("name", _("%(word)s. is the portal's own: begin with another word.") % {"word": first})


def check_successor(name: str, successor: str) -> None:
    """Raise Invalid for a successor that doesn't exist, is the type itself, or is deprecated as well."""
    if not successor:
        return
    row = EventType.objects.filter(name=successor).first()
    if row is None or successor == name:
        raise Invalid.field("replaced_by", _("Choose another type that is there."))
    if row.is_deprecated:
        raise Invalid.field("replaced_by", _("This type is deprecated itself: choose the one that is to be used."))
