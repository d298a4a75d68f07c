"""The objects and bodies of ``/v1/event-types`` and ``/v1/events``."""

import json
from typing import Any

from apps.base.rest.fields import (
    AnyObject,
    Choice,
    Id,
    ListOf,
    Nested,
    PlainText,
    Schema,
    StrictBoolean,
    StrictInteger,
    StrictString,
    Timestamp,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer
from apps.webhooks.models import Event, EventOrigin, EventType
from apps.webhooks.publishing import PublishedEvent
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS

# The examples use the sample of the event type, so that the API accepts them.
DATA: dict[str, Any] = HOST_PRODUCT_EVENTS["order.created"].sample
MAX_BATCH_SIZE = 100


def schema_as_object(schema: Schema | bool) -> Schema:
    """Return a JSON Schema as an object: true is {}, and false is {"not": {}} (JSON Schema core, section 4.3.2)."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    return schema


class EventTypeSerializer(ResponseSerializer):
    """A type of events."""

    name = StrictString("The type's name.", example="order.created")
    description = StrictString("When events of this type are published.", example="Sent when an order is first stored.")

    @computed(
        AnyObject(
            "The JSON Schema (draft 2020-12) of the events' data.",
            example=HOST_PRODUCT_EVENTS["order.created"].schema,
            name="schema",
        )
    )
    def json_schema(self, row: EventType) -> dict[str, Any]:
        return schema_as_object(row.schema)

    sample = AnyObject("An example of the data.", example=DATA)
    origin = Choice(
        EventOrigin.values, "Who publishes it: the portal, or the product that it belongs to.", example="host"
    )
    deprecated = StrictBoolean("Whether it will go.", source="is_deprecated")
    replaced_by = StrictString("The type that takes its place.", allow_null=True)


class EventSerializer(ResponseSerializer):
    """An event."""

    id = Id("The event's id, which receivers get as webhook-id.", prefix="evt", source="pk")
    kind = StrictString("The event's type.", example="order.created", name="type", source="type")
    created_at = Timestamp("When it was accepted.", milliseconds=True)
    deliveries = StrictInteger(
        "How many endpoints it matched, also where its delivery is held.", example=2, source="match_count"
    )


class EventWithDataSerializer(EventSerializer):
    """An event with its data."""

    @computed(
        AnyObject("The event's data; null once it was deleted by age.", example=DATA, name="data", allow_null=True)
    )
    def payload(self, event: Event) -> Any:
        return json.loads(event.body)["data"] if event.body else None


class AcceptedEventSerializer(ResponseSerializer):
    """An event that was accepted."""

    id = EventSerializer.field("id", source="event_id")
    kind = EventSerializer.field("type", source="type")
    created_at = EventSerializer.field("created_at")
    deliveries = EventSerializer.field("deliveries")
    repeated = StrictBoolean("Whether an event with this id was accepted before; this is it.")


class AcceptedEventsSerializer(ResponseSerializer):
    """The events of a batch, all of them accepted.

    The row is the list of them.
    """

    events = ListOf(Nested(AcceptedEventSerializer), "The events, in the order of the request.", source="*")

    @computed(StrictInteger("How many deliveries the batch made.", example=2))
    def deliveries(self, accepted: list[PublishedEvent]) -> int:
        return sum(each.deliveries for each in accepted if not each.repeated)


class PublishEventBody(StrictSerializer):
    """An event to publish."""

    usual = ["type", "data", "id"]

    kind = PlainText("The event's type, one of the catalogue's.", example="order.created", name="type", max_length=100)
    payload = AnyObject("The event's data, valid against the schema of its type.", example=DATA, name="data")
    id = PlainText(
        "The publisher's own id: the same id again is answered with the first event.",
        example="order-1001-created",
        max_length=64,
        pattern="^[A-Za-z0-9._-]{1,64}$",
        required=False,
    )
    organization = PlainText(
        "The organization's id or slug: required of platform keys, refused from others.",
        example="acme",
        max_length=60,
        required=False,
    )


class PublishEventsBody(StrictSerializer):
    """Events to publish, all or none."""

    events = ListOf(PublishEventBody(), "Up to 100 events.", min_length=1, max_length=MAX_BATCH_SIZE)


def event_arguments(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a body as arguments of ``actions.publish_event``."""
    return {
        "event_type": body["type"],
        "data": body["data"],
        "client_id": body.get("id"),
        "organization": body.get("organization"),
    }
