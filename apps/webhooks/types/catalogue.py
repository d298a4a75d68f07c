"""Update the catalogue of event types in the database after each migration, and match subscription patterns."""

import re
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from apps.base.errors import Invalid
from apps.webhooks.models import EventOrigin, EventType
from apps.webhooks.types.builtin_types import PORTAL_EVENTS
from apps.webhooks.types.event_schemas import EventTypeSpec
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS

ALL_EVENTS = "*"

EVENT_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+", re.ASCII)


def ensure_catalogue(**_signal: Any) -> None:
    """Create missing event types, and update the portal types to this version.

    Existing types of the host product are not updated, as operators can change them.
    """
    existing = {row.name: row for row in EventType.objects.all()}
    for name, spec in HOST_PRODUCT_EVENTS.items():
        if name not in existing:
            EventType.objects.get_or_create(name=name, defaults=_defaults(spec, EventOrigin.HOST_PRODUCT))
    for name, spec in PORTAL_EVENTS.items():
        values = _defaults(spec, EventOrigin.PORTAL)
        row = existing.get(name)
        if row is None or any(getattr(row, field) != value for field, value in values.items()):
            EventType.objects.update_or_create(name=name, defaults=values)


def _defaults(spec: EventTypeSpec, origin: str) -> dict[str, Any]:
    return {"description": spec.description, "schema": spec.schema, "sample": spec.sample, "origin": origin}


def patterns_for(event_type: str) -> list[str]:
    """Return every pattern that matches a type: itself, ``prefix.*`` for each prefix, and ``*``."""
    parts = event_type.split(".")
    prefixes = [".".join(parts[:length]) + ".*" for length in range(1, len(parts))]
    return [event_type, *prefixes, ALL_EVENTS]


def known_patterns() -> set[str]:
    """Return every pattern that matches at least one type."""
    names = EventType.objects.values_list("name", flat=True)
    return {pattern for name in names for pattern in patterns_for(name)} | {ALL_EVENTS}


def check_patterns(patterns: Iterable[str]) -> list[str]:
    """Return the patterns without duplicates; raise Invalid on ``event_types`` if one matches no event type."""
    wanted = list(dict.fromkeys(patterns))
    if not wanted:
        raise Invalid.field("event_types", _("Choose at least one event type."))
    known = known_patterns()
    unknown = [pattern for pattern in wanted if pattern not in known]
    if unknown:
        sentence = _("Unknown event types: %(names)s.") % {"names": ", ".join(unknown)}
        raise Invalid.field("event_types", sentence)
    return wanted
