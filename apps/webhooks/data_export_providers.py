"""Webhooks in the data export of an organization, without signing secrets and with masked header values."""

from collections.abc import Iterator
from typing import Any

from apps.base.actor import Actor
from apps.base.extension_points.data_export_providers import in_batches
from apps.webhooks.api.serializers import write_delivery, write_endpoint, write_event_type, write_event_with_data
from apps.webhooks.models import Delivery, Endpoint, Event, EventType


def endpoints(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield every endpoint that isn't deleted; the query of its URL can contain a token, so it is masked too."""
    for batch in in_batches(Endpoint.objects.for_actor(actor).existing()):
        for each in batch:
            written = write_endpoint(each) | {"url": each.shown_url}
            del written["warnings"]
            yield written


def event_types(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the event types of the organization's events."""
    used = set(Event.objects.for_actor(actor).order_by().values_list("type", flat=True).distinct())
    yield from map(write_event_type, EventType.objects.filter(name__in=used))


def events(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the stored events without tests, with their data while it is retained."""
    for batch in in_batches(Event.objects.for_actor(actor).filter(test=False)):
        yield from map(write_event_with_data, batch)


def deliveries(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield the stored deliveries, without attempts."""
    for batch in in_batches(Delivery.objects.for_actor(actor).select_related("endpoint")):
        yield from map(write_delivery, batch)
