"""JSON Schemas of request bodies, from the fields of their serializers."""

from typing import Any

from rest_framework import serializers

from apps.base.rest.serializers import (
    IPAddress,
    Opaque,
    StrictBoolean,
    StrictInteger,
    StrictSerializer,
    Text,
    Timestamp,
)
from apps.base.rest.shapes import Schema, nullable
from apps.base.text.rules import PLAIN_TEXT
from apps.orgs.serializers import Anything, Email, NewUserBody
from apps.sdk_keys.serializers import Reported
from apps.webhooks.api.serializers import AnyObject, Headers


def body_schema(serializer: StrictSerializer) -> Schema:
    """Return the schema of a serializer's body; unknown fields are not allowed."""
    fields = {name: each for name, each in serializer.fields.items() if not each.read_only}
    schema: Schema = {
        "type": "object",
        "properties": {name: field_schema(each) for name, each in fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, each in fields.items() if each.required]
    if required:
        schema["required"] = required
    if serializer.takes_no_empty_body:
        schema["minProperties"] = 1
    return schema


def field_schema(field: serializers.Field[Any, Any, Any, Any]) -> Schema:
    """Return the schema of a field; raise TypeError for a field class without one."""
    schema = _plain(field)
    default = field.default
    if default is not serializers.empty:
        schema = {**schema, "default": default() if callable(default) else default}
    return nullable(schema) if field.allow_null else schema


def _plain(field: serializers.Field[Any, Any, Any, Any]) -> Schema:
    if isinstance(field, StrictSerializer):
        return body_schema(field)
    if isinstance(field, serializers.ChoiceField) and not isinstance(field, StrictBoolean):
        return {"type": "string", "enum": [str(choice) for choice in field.choices]}
    if isinstance(field, serializers.ListField):
        return _list(field)
    if isinstance(field, Anything):
        return {"anyOf": [body_schema(NewUserBody()), {}], "description": "Judged by itself: see the results."}
    for kind, schema in FIXED:
        if isinstance(field, kind):
            return dict(schema)
    if isinstance(field, StrictInteger):
        return {"type": "integer", **_given(minimum=field.min_value, maximum=field.max_value)}
    if isinstance(field, (Opaque, Email)):
        return _text(field)
    raise TypeError(f"no schema for {type(field).__name__}: add it to integrations_portal/api_docs/openapi/bodies.py")


FIXED: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], Schema], ...] = (
    (StrictBoolean, {"type": "boolean"}),
    (IPAddress, {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
    (Timestamp, {"type": "string", "maxLength": 40, "examples": ["2026-11-22T10:00:00Z"]}),
    (Headers, {"type": "object", "additionalProperties": {"type": "string"}}),
    (AnyObject, {"type": "object"}),
    (Reported, {"anyOf": [{"type": "string"}, {"type": "number"}]}),
)


def _list(field: serializers.ListField) -> Schema:
    return {
        "type": "array",
        "items": field_schema(field.child),
        **_given(minItems=field.min_length, maxItems=field.max_length),
    }


def _text(field: Any) -> Schema:
    least = field.min_length or (None if field.allow_blank else 1)
    extra = {"format": "email"} if isinstance(field, Email) else {}
    if isinstance(field, Text):
        extra = {"pattern": PLAIN_TEXT}
    return {"type": "string", **extra, **_given(minLength=least, maxLength=field.max_length)}


def _given(**limits: int | None) -> Schema:
    return {name: value for name, value in limits.items() if value is not None}
