"""Describe objects of the public API as JSON Schemas, with an example each (https://json-schema.org/draft/2020-12).

Response bodies are described once; the document at ``/openapi.json``, the reference and its examples use it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

SECOND = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"
MILLISECOND = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}


@dataclass(frozen=True)
class Shape:
    """A named object: its schema, and an example that is valid against it."""

    name: str
    schema: Schema
    example: Any


def text(pattern: str | None = None, description: str = "") -> Schema:
    """Describe a string; ``pattern`` is a regular expression of ECMA-262."""
    more = {"pattern": pattern, "description": description}
    return {"type": "string", **{name: value for name, value in more.items() if value}}


def whole(least: int = 0, description: str = "") -> Schema:
    """Describe an integer with a minimum."""
    return {"type": "integer", "minimum": least, **({"description": description} if description else {})}


def word(words: Sequence[str]) -> Schema:
    """Describe a string that is one of the words."""
    return {"type": "string", "enum": list(words)}


def public_id(prefix: str) -> Schema:
    """Describe an id, such as ``evt_`` and 22 letters and digits."""
    return {"type": "string", "pattern": f"^{prefix}_[0-9A-Za-z]{{22}}$"}


def moment(milliseconds: bool = False) -> Schema:
    """Describe a time in UTC: whole seconds, or milliseconds."""
    return {"type": "string", "format": "date-time", "pattern": MILLISECOND if milliseconds else SECOND}


def listed(item: Schema) -> Schema:
    """Describe a list."""
    return {"type": "array", "items": item}


def record(optional: Sequence[str] = (), /, **fields: Schema) -> Schema:
    """Describe an object with these fields, all required but the ``optional`` ones, and no others."""
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def texts() -> Schema:
    """Describe an object whose values are strings."""
    return {"type": "object", "additionalProperties": {"type": "string"}}


def nullable(schema: Schema) -> Schema:
    """Describe a value that can also be null."""
    if "enum" in schema:
        return {**schema, "type": [schema["type"], "null"], "enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def more(shape: Shape, name: str, example: dict[str, Any], **fields: Schema) -> Shape:
    """Return a shape with additional required fields, whose values in the example are ``example``."""
    properties = {**shape.schema["properties"], **fields}
    schema = {**shape.schema, "properties": properties, "required": [*shape.schema["required"], *fields]}
    return Shape(name, schema, {**shape.example, **example})


def shown_once(shape: Shape, name: str, field: str, example: str, description: str) -> Shape:
    """Return a shape with a secret that only the first response has: a response replayed for the key lacks it."""
    properties = {**shape.schema["properties"], field: text(description=description)}
    return Shape(name, {**shape.schema, "properties": properties}, {**shape.example, field: example})
