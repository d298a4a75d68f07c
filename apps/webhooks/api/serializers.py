"""Request bodies and response objects of the webhooks API (docs/api.md, "Webhook endpoints" to "Deliveries")."""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from apps.base.crypto.secrets import MASK_DOTS
from apps.base.identifiers import encode
from apps.base.rest.serializers import (
    SECRET_INPUT,
    Opaque,
    StrictBoolean,
    StrictInteger,
    StrictSerializer,
    Text,
    TextList,
    Timestamp,
)
from apps.base.timestamps import format_timestamp, format_timestamp_ms
from apps.webhooks.actions import HELD_CHOICES
from apps.webhooks.engine.outcomes import NO_TIMINGS
from apps.webhooks.models import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointHealth,
    Event,
    EventType,
    ReplayJob,
)
from apps.webhooks.publishing import Accepted
from apps.webhooks.view_models.failure_labels import what_to_try

MAX_BATCH_SIZE = 100


class Headers(serializers.Field[dict[str, str], Any, Any, Any]):
    """A JSON object whose values are strings."""

    default_error_messages = {"invalid": "Headers are an object of name and value, both texts."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        return data


class AnyObject(serializers.Field[dict[str, Any], Any, Any, Any]):
    """A JSON object with any members."""

    default_error_messages = {"invalid": "This must be a JSON object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data


class EndpointChangeBody(StrictSerializer):
    """``PATCH /v1/webhook-endpoints/{id}``."""

    url = Opaque(max_length=2048, required=False)
    event_types = TextList(required=False, max_length=200)
    description = Text(max_length=200, allow_blank=True, required=False)
    headers = Headers(required=False, style=SECRET_INPUT)
    rate_limit_per_second = StrictInteger(min_value=1, max_value=1000, allow_null=True, required=False)
    max_in_flight = StrictInteger(min_value=1, max_value=64, required=False)


class NewEndpointBody(EndpointChangeBody):
    """``POST /v1/webhook-endpoints``."""

    url = Opaque(max_length=2048)
    event_types = TextList(max_length=200)


class TestBody(StrictSerializer):
    """``POST /v1/webhook-endpoints/{id}/test``."""

    event_type = Text(max_length=100, required=False)


class EnableBody(StrictSerializer):
    """``POST /v1/webhook-endpoints/{id}/enable``."""

    held = serializers.ChoiceField(HELD_CHOICES, default="send")


class RotateBody(StrictSerializer):
    """``POST /v1/webhook-endpoints/{id}/rotate-secret``."""

    overlap_seconds = StrictInteger(min_value=0, max_value=30 * 24 * 3600, default=86_400)


class ReplayBody(StrictSerializer):
    """``POST /v1/webhook-endpoints/{id}/replay``."""

    since = Timestamp(allow_null=True, required=False)
    until = Timestamp(allow_null=True, required=False)
    status = TextList(default=lambda: [DeliveryStatus.EXHAUSTED.value], max_length=10)
    event_types = TextList(required=False, min_length=1, max_length=200)
    dry_run = StrictBoolean(default=False)
    rate_per_second = StrictInteger(min_value=1, max_value=1000, allow_null=True, required=False)


class EmptyBody(StrictSerializer):
    """A POST without fields."""


class NewEventBody(StrictSerializer):
    """``POST /v1/events``; ``organization`` is only for platform keys."""

    type = Text(max_length=100)
    data = AnyObject()  # type: ignore[assignment]  # a field of the body, not DRF's property
    id = Text(max_length=64, required=False)
    organization = Text(max_length=60, required=False)


class NewEventsBody(StrictSerializer):
    """``POST /v1/events/batch``."""

    events = serializers.ListField(child=NewEventBody(), min_length=1, max_length=MAX_BATCH_SIZE)


def event_arguments(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a body as arguments of ``actions.publish_event``."""
    return {
        "event_type": body["type"],
        "data": body["data"],
        "client_id": body.get("id"),
        "organization": body.get("organization"),
    }


def write_endpoint(endpoint: Endpoint, held_count: int = 0, same_url: Iterable[uuid.UUID] = ()) -> dict[str, Any]:
    """Return an endpoint with masked header values; ``same_url``, keys of others with its URL, become warnings."""
    is_failing = endpoint.health == EndpointHealth.FAILING
    return {
        "id": endpoint.public_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "headers": dict.fromkeys(endpoint.own_headers or (), MASK_DOTS),
        "status": endpoint.status,
        "health": endpoint.health,
        "disabled_reason": endpoint.disabled_reason or None,
        "rate_limit_per_second": endpoint.rate_limit_per_second,
        "max_in_flight": endpoint.max_in_flight,
        "created_at": format_timestamp(endpoint.created_at),
        "held_count": held_count,
        "failing_since": format_timestamp(endpoint.failing_since) if is_failing else None,
        "warnings": [{"code": "duplicate_url", "endpoint": encode(Endpoint.id_prefix, each)} for each in same_url],
    }


def write_event_type(row: EventType) -> dict[str, Any]:
    return {
        "name": row.name,
        "description": row.description,
        "schema": row.schema,
        "sample": row.sample,
        "origin": row.origin,
        "deprecated": row.is_deprecated,
        "replaced_by": row.replaced_by or None,
    }


def write_accepted(accepted: Accepted) -> dict[str, Any]:
    return {
        "id": encode(Event.id_prefix, accepted.event_id),
        "type": accepted.type,
        "created_at": format_timestamp_ms(accepted.created_at),
        "deliveries": accepted.deliveries,
        "repeated": accepted.repeated,
    }


def write_accepted_batch(accepted: list[Accepted]) -> dict[str, Any]:
    """Return the events of a batch and the number of deliveries it created; repeated events create none."""
    made = sum(each.deliveries for each in accepted if not each.repeated)
    return {"events": [write_accepted(each) for each in accepted], "deliveries": made}


def write_event(event: Event) -> dict[str, Any]:
    return {
        "id": event.public_id,
        "type": event.type,
        "created_at": format_timestamp_ms(event.created_at),
        "deliveries": event.match_count,
    }


def write_event_with_data(event: Event) -> dict[str, Any]:
    """Return an event with its data, or null after retention deleted it."""
    return {**write_event(event), "data": json.loads(event.body)["data"] if event.body else None}


def write_delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery without attempts; select its endpoint with it."""
    is_waiting = delivery.status == DeliveryStatus.PENDING
    return {
        "id": delivery.public_id,
        "event": {"id": encode(Event.id_prefix, delivery.event_id), "type": delivery.event_type},
        "endpoint": {"id": encode(Endpoint.id_prefix, delivery.endpoint_id), "url": delivery.endpoint.shown_url},
        "status": delivery.status,
        "test": delivery.test,
        "replay_of": encode(Delivery.id_prefix, delivery.replay_of_id) if delivery.replay_of_id else None,
        "created_at": format_timestamp_ms(delivery.created_at),
        "attempt_count": delivery.attempt_count,
        "next_attempt_at": format_timestamp_ms(delivery.next_attempt_at) if is_waiting else None,
        "next_attempt_reason": (delivery.next_attempt_reason or None) if is_waiting else None,
        "last_status_code": delivery.last_status_code,
    }


def write_delivery_with_attempts(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery with its attempts, oldest first, and its payload, or null after retention deleted it."""
    attempts = [write_attempt(attempt) for attempt in delivery.attempts.order_by("number")]
    payload = json.loads(delivery.event.body) if delivery.event.body else None
    return {**write_delivery(delivery), "attempts": attempts, "payload": payload}


def write_attempt(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt; an unfinished one has neither status nor error."""
    return {
        "id": attempt.public_id,
        "number": attempt.number,
        "url": attempt.url,
        "started_at": format_timestamp_ms(attempt.started_at),
        "duration_ms": None if attempt.duration_ms is None else round(attempt.duration_ms),
        "status_code": attempt.status_code,
        "error": attempt.error or None,
        "hint": _hint(attempt),
        "address": attempt.address or None,
        "timings_ms": {**NO_TIMINGS, **attempt.timings_ms},
        "request": {"headers": attempt.request_headers},
        "response": {
            "headers": _as_object(attempt.response_headers),
            "body": attempt.response_body,
            "truncated": attempt.truncated,
        },
    }


def _hint(attempt: Attempt) -> str | None:
    """Return advice with the cause in parentheses, where one is known."""
    sentence = what_to_try(attempt.error, attempt.status_code, attempt.hint)
    return f"{sentence} ({attempt.hint})" if sentence and attempt.hint else sentence or None


def _as_object(pairs: list[list[str]]) -> dict[str, str]:
    """Return headers as an object; repeated ones are joined by commas (RFC 9110 section 5.3)."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def write_replay(job: ReplayJob) -> dict[str, Any]:
    """Return a replay with its progress; select its endpoint with it."""
    return {
        "id": job.public_id,
        "status": job.status,
        "count": job.count,
        "sent": job.sent,
        "succeeded": job.succeeded,
        "failed": job.failed,
        "endpoint": {"id": encode(Endpoint.id_prefix, job.endpoint_id), "url": job.endpoint.shown_url},
        "filters": {
            "since": format_timestamp(job.since),
            "until": format_timestamp(job.until),
            "status": job.statuses,
            "event_types": job.event_types or None,
        },
        "rate_per_second": job.rate_per_second,
        "created_at": format_timestamp(job.created_at),
        "finished_at": format_timestamp(job.finished_at),
    }
