"""What a copy of an organization's data says of its webhooks: no signing secret, header values masked."""

from collections.abc import Iterator
from typing import Any

from apps.base.actor import Actor
from apps.base.extension_points.data_export_providers import in_batches
from apps.webhooks.api.serializers import write_delivery, write_endpoint, write_event_type, write_event_with_data
from apps.webhooks.models import Delivery, Endpoint, Event, EventType


def endpoints(actor: Actor) -> Iterator[dict[str, Any]]:
    """Return every endpoint that was not deleted; a query of its URL may hold a token, so that is masked too."""
    for batch in in_batches(Endpoint.objects.for_actor(actor).existing()):
        for each in batch:
            written = write_endpoint(each) | {"url": each.shown_url}
            del written["warnings"]
            yield written


def event_types(actor: Actor) -> Iterator[dict[str, Any]]:
    """Return the types of the catalogue, in which events and subscriptions speak."""
    used = set(Event.objects.for_actor(actor).order_by().values_list("type", flat=True).distinct())
    yield from map(write_event_type, EventType.objects.filter(name__in=used))


def events(actor: Actor) -> Iterator[dict[str, Any]]:
    """Return the events that are still kept, with their data as long as that is; tests left out."""
    for batch in in_batches(Event.objects.for_actor(actor).filter(test=False)):
        yield from map(write_event_with_data, batch)


def deliveries(actor: Actor) -> Iterator[dict[str, Any]]:
    """Return the deliveries that are still kept, without their attempts."""
    for batch in in_batches(Delivery.objects.for_actor(actor).select_related("endpoint")):
        yield from map(write_delivery, batch)
