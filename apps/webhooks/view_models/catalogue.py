"""Build the context values of event types."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from apps.base.rest.renderers import to_json
from apps.webhooks.engine.test_inbox import is_inbox
from apps.webhooks.models import Endpoint, EventType
from apps.webhooks.types.catalogue import ALL_EVENTS, patterns_for
from apps.webhooks.view_models.endpoints import endpoint_name

MAX_DEPTH = 3
EXAMPLE_TIME = "2026-11-22T10:00:00.000Z"
ANY = "any"


def type_groups(types: Sequence[EventType], chosen: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return event types grouped by prefix; ``chosen`` are the selected names and patterns."""
    selected = set(chosen)
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in types:
        groups.setdefault(each.name.partition(".")[0], []).append(
            {**type_context(each), "checked": each.name in selected}
        )
    return [
        {
            "name": name,
            "pattern": f"{name}.*",
            "all_checked": f"{name}.*" in selected,
            "checked_count": sum(each["checked"] for each in members),
            "types": members,
        }
        for name, members in groups.items()
    ]


def type_context(row: EventType) -> dict[str, Any]:
    """Return the context values of an event type that all pages share."""
    return {
        "name": row.name,
        "description": _(row.description) if row.description else "",
        "deprecated": row.is_deprecated,
        "deprecated_at": row.deprecated_at,
        "replaced_by": row.replaced_by,
        "origin": row.origin,
    }


def type_detail(row: EventType, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return an event type with its fields, sample body and schema, and whether each endpoint is subscribed to it."""
    body = {"type": row.name, "timestamp": EXAMPLE_TIME, "data": row.sample}
    return {
        **type_context(row),
        "fields": list(_fields(row.schema, row.schema)),
        "body": to_json(body, indent=2),
        "schema": to_json(row.schema, indent=2),
        "endpoints": [_subscription(each, row.name) for each in endpoints],
    }


def _subscription(endpoint: Endpoint, name: str) -> dict[str, Any]:
    patterns = set(endpoint.event_types).intersection(patterns_for(name))
    return {
        "id": endpoint.public_id,
        "name": endpoint_name(endpoint) if is_inbox(endpoint.url) else endpoint.shown_url.partition("://")[2],
        "description": endpoint.description,
        "is_subscribed": bool(patterns),
        "by_pattern": bool(patterns) and name not in patterns,
        "is_everything": ALL_EVENTS in patterns,
    }


def _fields(schema: Any, root: Any, before: str = "", depth: int = 1) -> Iterable[dict[str, Any]]:
    """Yield the fields of an object schema as rows, each followed by its nested fields."""
    schema = _resolved(schema, root)
    required = set(schema.get("required") or ())
    for name, inner in (schema.get("properties") or {}).items():
        field = _resolved(inner, root)
        yield {
            "name": f"{before}{name}",
            "type": _type_label(field, root),
            "required": name in required,
            "description": str(field.get("description", "")),
            "limits": _limits(field),
        }
        if depth < MAX_DEPTH and field.get("properties"):
            yield from _fields(field, root, f"{before}{name}.", depth + 1)


def _resolved(schema: Any, root: Any) -> dict[str, Any]:
    """Return the schema after following one local ``$ref``, or an empty schema if the result is not an object."""
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        found: Any = root
        for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        schema = found
    return schema if isinstance(schema, dict) else {}


def _type_label(schema: dict[str, Any], root: Any) -> str:
    schema_type = schema.get("type")
    if isinstance(schema_type, list):
        return " | ".join(map(str, schema_type))
    if isinstance(schema_type, str):
        inner = _resolved(schema.get("items"), root) if schema_type == "array" else {}
        return f"array of {_type_label(inner, root)}" if inner else schema_type
    choices = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(choices, list):
        return " | ".join(dict.fromkeys(_type_label(_resolved(each, root), root) for each in choices))
    values = schema.get("enum")
    return "string" if isinstance(values, list) and all(isinstance(each, str) for each in values) else ANY


def _limits(schema: dict[str, Any]) -> str:
    """Return the enum values, format or pattern of a field."""
    if isinstance(schema.get("enum"), list):
        return ", ".join(str(each) for each in schema["enum"])
    return str(schema.get("format") or schema.get("pattern") or "")
