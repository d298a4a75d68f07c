"""The catalogue of event types in the database, updated after each migration, and subscription patterns."""

import re
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from apps.base.errors import Invalid
from apps.webhooks.models import EventOrigin, EventType
from apps.webhooks.types.builtin_types import PORTAL_EVENTS
from apps.webhooks.types.event_schemas import EventKind
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS

EVERYTHING = "*"

EVENT_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+", re.ASCII)


def ensure_catalogue(**_signal: Any) -> None:
    """Create missing types and update the portal's own to this version.

    Host types are only created: operators can change them.
    """
    existing = {row.name: row for row in EventType.objects.all()}
    for name, kind in HOST_PRODUCT_EVENTS.items():
        if name not in existing:
            EventType.objects.get_or_create(name=name, defaults=_values(kind, EventOrigin.HOST))
    for name, kind in PORTAL_EVENTS.items():
        values = _values(kind, EventOrigin.PORTAL)
        row = existing.get(name)
        if row is None or any(getattr(row, field) != value for field, value in values.items()):
            EventType.objects.update_or_create(name=name, defaults=values)


def _values(kind: EventKind, origin: str) -> dict[str, Any]:
    return {"description": kind.description, "schema": kind.schema, "sample": kind.sample, "origin": origin}


def patterns_for(event_type: str) -> list[str]:
    """Return every pattern that matches a type: itself, ``prefix.*`` for each prefix, and ``*``."""
    parts = event_type.split(".")
    prefixes = [".".join(parts[:length]) + ".*" for length in range(1, len(parts))]
    return [event_type, *prefixes, EVERYTHING]


def known_patterns() -> set[str]:
    """Return every pattern that matches at least one type."""
    names = EventType.objects.values_list("name", flat=True)
    return {pattern for name in names for pattern in patterns_for(name)} | {EVERYTHING}


def check_patterns(patterns: Iterable[str]) -> list[str]:
    """Return the patterns without duplicates. Raises Invalid on ``event_types`` with the unknown ones."""
    wanted = list(dict.fromkeys(patterns))
    if not wanted:
        raise Invalid.field("event_types", _("Choose at least one event type."))
    known = known_patterns()
    unknown = [pattern for pattern in wanted if pattern not in known]
    if unknown:
        sentence = _("Unknown event types: %(names)s.") % {"names": ", ".join(unknown)}
        raise Invalid.field("event_types", sentence)
    return wanted
