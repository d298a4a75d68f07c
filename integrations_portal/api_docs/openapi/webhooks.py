"""The document's ``webhooks``: one entry for each event type."""

import json
from collections.abc import Iterable
from typing import Any

from django.conf import settings

from apps.base.rest.fields import Schema, Timestamp, schema_of
from apps.webhooks.api.event_serializers import schema_as_object
from apps.webhooks.models import EventType

SIGNED = "Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks"
HEADERS = (
    ("webhook-id", "The event's id; the same over retries and replays.", {"type": "string"}),
    (
        "webhook-timestamp",
        "When this attempt was signed, in seconds since 1970.",
        {"type": "string", "pattern": "^\\d+$"},
    ),
    ("webhook-signature", f"`v1,` and base64, for each valid secret, newest first. {SIGNED}", {"type": "string"}),
)
ANSWERS = {
    "2XX": {"description": "Taken. Answer within the time limit; work on it afterwards."},
    "410": {"description": "Gone: the endpoint is disabled at once."},
    "default": {"description": "Everything else is a failure and is tried again for days."},
}


def webhooks(event_types: Iterable[EventType]) -> dict[str, Any]:
    """Return the entry of each event type, sorted here because the order of databases depends on their collation."""
    return {each.name: webhook(each) for each in sorted(event_types, key=lambda each: each.name)}


def webhook(event_type: EventType) -> dict[str, Any]:
    """Return the description of the request that delivers an event of this type."""
    found: dict[str, Any] = {
        "operationId": f"receive.{event_type.name}",
        "summary": event_type.description,
        "tags": ["Webhooks"],
        "security": [],
        # Nothing that a client calls: openapi-generator would make methods of it, in Python ones that do not compile.
        "x-internal": True,
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": schema}
            for name, text, schema in HEADERS
        ],
        "requestBody": {"required": True, "content": {"application/json": _payload(event_type)}},
        "responses": ANSWERS,
    }
    return {"post": {**found, "deprecated": True} if event_type.is_deprecated else found}


def _payload(event_type: EventType) -> dict[str, Any]:
    sample = {"type": event_type.name, "timestamp": "2026-11-24T08:12:30.118Z", "data": event_type.sample}
    properties = {
        "type": {"type": "string", "const": event_type.name, "description": "The event's type."},
        "timestamp": schema_of(Timestamp("When the event was accepted.", milliseconds=True), is_body=False),
        "data": {"description": "The event's data.", **_data(event_type)},
    }
    schema = {"type": "object", "required": list(properties), "properties": properties, "examples": [sample]}
    return {"schema": schema}


def _data(event_type: EventType) -> Schema:
    """Return the schema of the data, with an ``$id`` if it has references, so that they resolve within it."""
    schema: Schema = schema_as_object(event_type.schema)
    if "$ref" not in json.dumps(schema):
        return schema
    return {"$id": f"{settings.PUBLIC_URL}/v1/event-types/{event_type.name}", **schema}
