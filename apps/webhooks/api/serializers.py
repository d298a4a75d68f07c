"""Request bodies and response objects of the webhooks API (docs/api.md, "Webhook endpoints" to "Deliveries")."""

import json
import uuid
from datetime import datetime
from typing import Any

from apps.base.crypto.secrets import MASK_DOTS
from apps.base.rest.fields import (
    EXAMPLE_ID_SUFFIX,
    SECRET_INPUT,
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
    TextList,
    TextMap,
    Timestamp,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer
from apps.webhooks.actions import HELD_CHOICES
from apps.webhooks.engine.outcomes import NO_TIMINGS
from apps.webhooks.models import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointHealth,
    EndpointStatus,
    Event,
    EventOrigin,
    EventType,
    ReplayJob,
)
from apps.webhooks.models.replays import ReplayStatus
from apps.webhooks.publishing import PublishedEvent
from apps.webhooks.stats.counters import ATTEMPT_ERRORS
from apps.webhooks.types.builtin_types import HOST_PRODUCT_EVENTS
from apps.webhooks.view_models.failure_labels import what_to_try

# For examples: the sample of the event type itself, so that it is accepted.
DATA: dict[str, Any] = HOST_PRODUCT_EVENTS["order.created"].sample
EVENT_ID = f"evt_{EXAMPLE_ID_SUFFIX}"
URL = "https://hooks.acme.example/in"
MAX_BATCH_SIZE = 100


# Objects


class EndpointWarningSerializer(ResponseSerializer):
    """Something about an endpoint that may be a mistake. The row is the key of another endpoint with the same URL."""

    @computed(Choice(["duplicate_url"], "What it is: another endpoint has the same URL, so both get each event."))
    def code(self, _other: uuid.UUID) -> str:
        return "duplicate_url"

    endpoint = Id("The other endpoint.", prefix="ep", source="*")


class WebhookEndpointSerializer(ResponseSerializer):
    """A webhook endpoint. Context: ``held_counts`` and ``same_url``, by primary key."""

    id = Id("The endpoint's id.", prefix="ep", source="pk")
    url = StrictString("Where events are sent.", example=URL, max_length=2048)
    description = PlainText("What people know the endpoint by.", example="Order desk", max_length=200)
    event_types = TextList(
        "The types it gets: names, a prefix such as `order.*`, or `*` for all.", example=["order.*"], max_length=200
    )

    @computed(TextMap("The organization's own headers; values are masked.", example={"X-Team": "••••"}))
    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        return dict.fromkeys(endpoint.custom_headers or (), MASK_DOTS)

    status = Choice(EndpointStatus.values, "Whether events are sent to it.", example="enabled")
    health = Choice(EndpointHealth.values, "Whether its deliveries succeed.", example="healthy")
    disabled_reason = StrictString("Why the portal disabled it.", allow_null=True)
    rate_limit_per_second = StrictInteger(
        "The most deliveries per second; null: no limit.", allow_null=True, min_value=1, max_value=1000
    )
    max_in_flight = StrictInteger("The most deliveries at a time.", example=16, min_value=1, max_value=64)
    created_at = Timestamp("When it was created.")

    @computed(StrictInteger("How many deliveries are held because it is paused or disabled.", example=0))
    def held_count(self, endpoint: Endpoint) -> int:
        return int(self.context.get("held_counts", {}).get(endpoint.pk, 0))

    @computed(Timestamp("Since when its deliveries fail.", allow_null=True))
    def failing_since(self, endpoint: Endpoint) -> datetime | None:
        return endpoint.failing_since if endpoint.health == EndpointHealth.FAILING else None

    @computed(ListOf(Nested(EndpointWarningSerializer), "What may be a mistake about it.", example=[]))
    def warnings(self, endpoint: Endpoint) -> list[uuid.UUID]:
        return list(self.context.get("same_url", {}).get(endpoint.pk, ()))


class NewWebhookEndpointSerializer(WebhookEndpointSerializer):
    """A webhook endpoint with its signing secret, which is in this response and never again. Context: ``secret``."""

    @computed(
        StrictString(
            "The signing secret. A response that is repeated for an Idempotency-Key lacks it.",
            example="whsec_SHOWN_ONCE_IN_THIS_ANSWER",
            required=False,
        )
    )
    def secret(self, _endpoint: Endpoint) -> str | None:
        return self.context.get("secret")


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
    deliveries = StrictInteger("How many endpoints it matched.", example=2, source="match_count")


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
    """The events of a batch, all of them accepted. The row is the list of them."""

    events = ListOf(Nested(AcceptedEventSerializer), "The events, in the order of the request.", source="*")

    @computed(StrictInteger("How many deliveries the batch made.", example=2))
    def deliveries(self, accepted: list[PublishedEvent]) -> int:
        return sum(each.deliveries for each in accepted if not each.repeated)


class DeliveryEventSerializer(ResponseSerializer):
    """The event of a delivery."""

    id = Id("The event's id.", prefix="evt", source="event_id")
    kind = StrictString("The event's type.", example="order.created", name="type", source="event_type")


class DeliveryEndpointSerializer(ResponseSerializer):
    """The endpoint of a delivery or of a replay."""

    id = Id("The endpoint's id.", prefix="ep", source="endpoint_id")
    url = StrictString("Its URL; the values of the query are masked.", example=URL, source="endpoint.shown_url")


class DeliverySerializer(ResponseSerializer):
    """The delivery of an event to an endpoint; select its endpoint with it."""

    id = Id("The delivery's id.", prefix="dlv", source="pk")
    event = Nested(DeliveryEventSerializer, "The event.", source="*")
    endpoint = Nested(DeliveryEndpointSerializer, "The endpoint.", source="*")
    status = Choice(DeliveryStatus.values, "The delivery's state.", example="succeeded")
    test = StrictBoolean("Whether it was sent by the test function, with sample data.")
    replay_of = Id("The finished delivery that this one repeats.", prefix="dlv", source="replay_of_id", allow_null=True)
    created_at = Timestamp("When the event was matched.", milliseconds=True)
    attempt_count = StrictInteger("How many attempts count; those that failed on our side do not.", example=1)

    @computed(Timestamp("When the next attempt is due.", milliseconds=True, allow_null=True))
    def next_attempt_at(self, delivery: Delivery) -> datetime | None:
        return delivery.next_attempt_at if delivery.status == DeliveryStatus.PENDING else None

    @computed(
        StrictString(
            "Why an attempt is due: retry, retry_after, no_network, shutdown, lost, manual, released, replay or test.",
            allow_null=True,
        )
    )
    def next_attempt_reason(self, delivery: Delivery) -> str | None:
        return delivery.next_attempt_reason if delivery.status == DeliveryStatus.PENDING else None

    last_status_code = StrictInteger("The HTTP status of the last response.", example=204, allow_null=True)


class AttemptTimingsSerializer(ResponseSerializer):
    """How long the phases of an attempt took. Those that did not happen are null. The row is a dict."""

    dns = StrictInteger("Looking up the host name, in milliseconds.", example=4, allow_null=True)
    connect = StrictInteger("Connecting, in milliseconds.", example=12, allow_null=True)
    tls = StrictInteger("The TLS handshake, in milliseconds.", example=31, allow_null=True)
    first_byte = StrictInteger("Until the first byte of the response, in milliseconds.", example=83, allow_null=True)
    total = StrictInteger("All of it, in milliseconds.", example=84, allow_null=True)

    def to_representation(self, instance: dict[str, int | None]) -> dict[str, Any]:
        """Return the phases, with null for those that did not happen."""
        return {**NO_TIMINGS, **instance}


class AttemptRequestSerializer(ResponseSerializer):
    """The request of an attempt."""

    headers = TextMap(
        "The headers that were sent; the organization's own are masked.",
        example={"webhook-id": EVENT_ID, "content-type": "application/json"},
        source="request_headers",
    )


class AttemptResponseSerializer(ResponseSerializer):
    """The response to an attempt."""

    @computed(TextMap("The headers; repeated ones are joined by commas.", example={"content-length": "0"}))
    def headers(self, attempt: Attempt) -> dict[str, str]:
        joined: dict[str, str] = {}
        for name, value in attempt.response_headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined

    body = StrictString("The start of the body as text.", example="", source="response_body")
    truncated = StrictBoolean("Whether the body was longer.")


class AttemptSerializer(ResponseSerializer):
    """An attempt to deliver. An unfinished one has neither status nor error."""

    id = Id("The attempt's id.", prefix="att", source="pk")
    number = StrictInteger("Its number, from 1.", example=1, min_value=1)
    url = StrictString("Where it was sent; the values of the query are masked.", example=URL, allow_null=True)
    started_at = Timestamp("When it started.", example="2026-11-24T08:12:30.140Z", milliseconds=True)

    @computed(StrictInteger("How many milliseconds it took.", example=84, allow_null=True))
    def duration_ms(self, attempt: Attempt) -> int | None:
        return None if attempt.duration_ms is None else round(attempt.duration_ms)

    status_code = StrictInteger("The HTTP status of the response.", example=204, allow_null=True)
    error = Choice(ATTEMPT_ERRORS, "Why it failed.", example=None, allow_null=True)

    @computed(StrictString("What to try, and in brackets what is known beyond the error.", allow_null=True))
    def hint(self, attempt: Attempt) -> str | None:
        sentence = what_to_try(attempt.error, attempt.status_code, attempt.hint)
        return f"{sentence} ({attempt.hint})" if sentence and attempt.hint else sentence

    address = StrictString("The IP address that it was sent to.", example="203.0.113.80", allow_null=True)
    timings_ms = Nested(AttemptTimingsSerializer, "How long its phases took.")
    request = Nested(AttemptRequestSerializer, "What was sent.", source="*")
    response = Nested(AttemptResponseSerializer, "What came back.", source="*")


class DeliveryWithAttemptsSerializer(DeliverySerializer):
    """A delivery with its attempts and its payload."""

    @computed(ListOf(Nested(AttemptSerializer), "The attempts, oldest first."))
    def attempts(self, delivery: Delivery) -> list[Attempt]:
        return list(delivery.attempts.order_by("number"))

    @computed(
        AnyObject(
            "What is sent; null once it was deleted by age.",
            example={"type": "order.created", "timestamp": "2026-11-24T08:12:30.118Z", "data": DATA},
            allow_null=True,
        )
    )
    def payload(self, delivery: Delivery) -> Any:
        return json.loads(delivery.event.body) if delivery.event.body else None


class ReplayFiltersSerializer(ResponseSerializer):
    """Which events a replay sends again."""

    since = Timestamp("Events from this time on.", example="2026-11-22T06:14:00Z", allow_null=True)
    until = Timestamp("Events before this time.", allow_null=True)
    status = ListOf(
        Choice(DeliveryStatus.values),
        "Events whose newest delivery to the endpoint has one of these statuses.",
        example=["exhausted"],
        source="statuses",
    )

    @computed(TextList("Events of these types; null: all.", example=None, allow_null=True))
    def event_types(self, job: ReplayJob) -> list[str] | None:
        return job.event_types or None


class ReplaySerializer(ResponseSerializer):
    """A replay with its progress; select its endpoint with it."""

    id = Id("The replay's id.", prefix="rpl", source="pk")
    status = Choice(ReplayStatus.values, "The replay's state.", example="running")
    count = StrictInteger("How many events it sends.", example=37)
    sent = StrictInteger("How many were sent.", example=24)
    succeeded = StrictInteger("How many of them succeeded.", example=22)
    failed = StrictInteger("How many of them failed for good.", example=2)
    endpoint = Nested(DeliveryEndpointSerializer, "The endpoint.", source="*")
    filters = Nested(ReplayFiltersSerializer, "Which events it sends.", source="*")
    rate_per_second = StrictInteger(
        "The most events per second; null: as fast as the endpoint takes them.",
        example=10,
        allow_null=True,
        min_value=1,
        max_value=1000,
    )
    created_at = Timestamp("When it was started.", example="2026-11-24T08:12:30Z")
    finished_at = Timestamp("When it ended.", allow_null=True)


class ReplayCountSerializer(ResponseSerializer):
    """The result of a dry run."""

    count = StrictInteger("How many events a replay would send.", example=37)


# Bodies


class UpdateWebhookEndpointBody(StrictSerializer):
    """Changes to an endpoint."""

    usual = ["description"]

    url = WebhookEndpointSerializer.field("url", required=False)
    event_types = WebhookEndpointSerializer.field("event_types", required=False)
    description = WebhookEndpointSerializer.field("description", allow_blank=True, required=False)
    headers = TextMap(
        "Headers that each delivery gets; they replace those there are, and `••••` keeps a stored value.",
        example={"X-Team": "blue"},
        required=False,
        style=SECRET_INPUT,
    )
    rate_limit_per_second = WebhookEndpointSerializer.field("rate_limit_per_second", example=20, required=False)
    max_in_flight = WebhookEndpointSerializer.field("max_in_flight", required=False)


class CreateWebhookEndpointBody(UpdateWebhookEndpointBody):
    """A new endpoint."""

    usual = ["url", "event_types", "description"]

    url = WebhookEndpointSerializer.field("url")
    event_types = WebhookEndpointSerializer.field("event_types")


class TestWebhookEndpointBody(StrictSerializer):
    """Which sample to send."""

    __test__ = False  # for pytest, which takes its name for a test's
    usual = ["event_type"]

    event_type = PlainText(
        "The type whose sample is sent; the endpoint's first if left out.",
        example="order.created",
        max_length=100,
        required=False,
    )


class EnableWebhookEndpointBody(StrictSerializer):
    """What becomes of held deliveries."""

    usual = ["held"]

    held = Choice(
        HELD_CHOICES, "What becomes of held deliveries: they are sent, stay held, or are dropped.", default="send"
    )


class RotateWebhookSecretBody(StrictSerializer):
    """How long the old secret signs, too."""

    usual = ["overlap_seconds"]

    overlap_seconds = StrictInteger(
        "For how many seconds the old secret signs beside the new one.",
        example=86400,
        min_value=0,
        max_value=30 * 24 * 3600,
        default=86_400,
    )


class ReplayWebhookEndpointBody(StrictSerializer):
    """Which events to send again, and how fast."""

    usual = ["since", "status", "dry_run"]

    since = ReplayFiltersSerializer.field("since", required=False)
    until = ReplayFiltersSerializer.field("until", required=False)
    status = TextList(
        "Events whose newest delivery to the endpoint has one of these statuses.",
        example=["exhausted"],
        default=lambda: [DeliveryStatus.EXHAUSTED.value],
        max_length=10,
    )
    event_types = TextList(
        "Events of these types; all of them if left out.",
        example=["order.created"],
        required=False,
        min_length=1,
        max_length=200,
    )
    dry_run = StrictBoolean("Whether to count only.", example=True, default=False)
    rate_per_second = ReplaySerializer.field("rate_per_second", required=False)


class PublishEventBody(StrictSerializer):
    """An event to publish."""

    usual = ["type", "data", "id"]

    kind = PlainText("The event's type, one of the catalogue's.", example="order.created", name="type", max_length=100)
    payload = AnyObject("The event's data, valid against the schema of its type.", example=DATA, name="data")
    id = PlainText(
        "The publisher's own id: the same id again is answered with the first event.",
        example="order-1001-created",
        max_length=64,
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
