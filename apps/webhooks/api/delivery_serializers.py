"""The objects of ``/v1/deliveries``."""

import json
from datetime import datetime
from typing import Any

from apps.base.rest.fields import (
    EXAMPLE_ID_SUFFIX,
    AnyObject,
    Choice,
    Id,
    ListOf,
    Nested,
    StrictBoolean,
    StrictInteger,
    StrictString,
    TextMap,
    Timestamp,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer
from apps.webhooks.api.endpoint_serializers import URL
from apps.webhooks.api.event_serializers import DATA
from apps.webhooks.engine.outcomes import NO_TIMINGS
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus
from apps.webhooks.stats.counters import ATTEMPT_ERRORS
from apps.webhooks.view_models.failure_labels import what_to_try

EVENT_ID = f"evt_{EXAMPLE_ID_SUFFIX}"


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
    replay_of = Id(
        "The finished delivery that this one repeats, also once that was deleted by age.",
        prefix="dlv",
        source="replay_of_id",
        allow_null=True,
    )
    created_at = Timestamp("When the event was matched.", milliseconds=True)
    attempt_count = StrictInteger("How many attempts count; those that failed on our side do not.", example=1)

    @computed(Timestamp("When the next attempt is due.", milliseconds=True, allow_null=True))
    def next_attempt_at(self, delivery: Delivery) -> datetime | None:
        return delivery.next_attempt_at if delivery.status == DeliveryStatus.PENDING else None

    @computed(
        StrictString(
            "Why an attempt is due: null for a first one, retry, retry_after (the receiver asked for a longer wait), "
            "no_network, shutdown or lost (these three do not count), manual, released, replay or test.",
            allow_null=True,
        )
    )
    def next_attempt_reason(self, delivery: Delivery) -> str | None:
        return delivery.next_attempt_reason if delivery.status == DeliveryStatus.PENDING else None

    last_status_code = StrictInteger("The HTTP status of the last response.", example=204, allow_null=True)


class AttemptTimingsSerializer(ResponseSerializer):
    """How long the phases of an attempt took. Those that did not happen are null.

    The row is a dict.
    """

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

    body = StrictString(
        "The start of the body as text: in the charset of `Content-Type`, with gzip and deflate undone as far as 16 "
        "KiB. What is no text is named, such as `[binary data, not shown]`.",
        example="",
        source="response_body",
    )
    truncated = StrictBoolean("Whether the body was longer.")


class AttemptSerializer(ResponseSerializer):
    """An attempt to deliver. An unfinished one has neither status nor error."""

    id = Id("The attempt's id.", prefix="att", source="pk")
    number = StrictInteger("Its number, from 1.", example=1, min_value=1)
    url = StrictString(
        "Where it was sent; the values of the query are masked. Null for attempts from before it was kept, and of a "
        "worker that did not come back.",
        example=URL,
        allow_null=True,
    )
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
