"""Read the events that were published, each checked against its own schema."""

import json
from typing import Any

from jsonschema_rs import Draft202012Validator

from apps.webhooks.models import Event
from apps.webhooks.types.builtin_types import PORTAL_EVENTS


def published(prefix: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (type, data) of each event whose type starts so, oldest first; all keep their schema."""
    found = []
    for event in Event.objects.filter(type__startswith=prefix).order_by("created_at", "pk"):
        data = json.loads(event.body)["data"]
        Draft202012Validator(PORTAL_EVENTS[event.type].schema, validate_formats=True).validate(data)
        found.append((event.type, data))
    return found
