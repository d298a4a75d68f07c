"""Parts of the JSON Schemas of the built-in event types (draft 2020-12)."""

from typing import Any, NamedTuple

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class EventTypeSpec(NamedTuple):
    """An event type: its description, the schema of its data and a valid sample."""

    description: str
    schema: Schema
    sample: dict[str, Any]


def text(max_length: int = 200) -> Schema:
    """Return the schema of a non-empty text."""
    return {"type": "string", "minLength": 1, "maxLength": max_length}


def enum_of(*allowed: str) -> Schema:
    """Return the schema of an enumeration."""
    return {"type": "string", "enum": list(allowed)}


def identifier(prefix: str) -> Schema:
    """Return the schema of a public id, such as ``key_`` and 22 letters and digits."""
    return {"type": "string", "pattern": f"^{prefix}_[0-9A-Za-z]{{22}}$"}


def optional(schema: Schema) -> Schema:
    """Return the schema of a nullable value."""
    return {**schema, "type": [schema["type"], "null"]}


def described(schema: Schema, description: str) -> Schema:
    """Return the schema with a description, which generated documentation and client libraries show."""
    return schema | {"description": description}


def object_schema(
    required: dict[str, Schema], optional_fields: dict[str, Schema] | None = None, *, closed: bool = True
) -> Schema:
    """Return the schema of an object; a closed one allows no other properties."""
    schema: Schema = {"type": "object", "properties": required | (optional_fields or {}), "required": list(required)}
    return schema | {"additionalProperties": False} if closed else schema


def event_type(
    description: str,
    required: dict[str, Schema],
    sample: dict[str, Any],
    optional_fields: dict[str, Schema] | None = None,
) -> EventTypeSpec:
    """Return an event type whose data is an object with the required and the optional fields.

    Other properties are allowed, so that the portal and a host product can add fields without a new version.
    """
    return EventTypeSpec(
        description, {"$schema": DIALECT} | object_schema(required, optional_fields, closed=False), sample
    )


TIME: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "format": "date"}
EMAIL: Schema = {"type": "string", "format": "email", "maxLength": 254}
URL: Schema = {"type": "string", "format": "uri", "maxLength": 2048}
INTEGER: Schema = {"type": "integer", "minimum": 0}
AMOUNT: Schema = {"type": "string", "pattern": r"^-?\d{1,15}(\.\d{1,4})?$"}
CURRENCY: Schema = {"type": "string", "pattern": "^[A-Z]{3}$"}
MONEY: Schema = object_schema(
    {
        "amount": described(AMOUNT, "The amount as a decimal number in a string, so that no digit is lost."),
        "currency": described(CURRENCY, "The currency (ISO 4217)."),
    }
)
IP_ADDRESS: Schema = {"type": "string", "minLength": 2, "maxLength": 45}
