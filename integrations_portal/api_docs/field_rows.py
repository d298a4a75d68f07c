"""The rows of the reference's tables: one for each field of a body or an object, and for each parameter."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.base.rest.fields import Nested, Schema, schema_of
from apps.base.rest.serializers import ApiSerializer
from apps.base.text.validation import PLAIN_TEXT


class FieldRow(NamedTuple):
    """A field as the reference shows it.

    ``name``: its path from the object, as in ``created_by.kind`` and ``series[].at``. ``type``, ``text`` and
    ``example`` are in English, as the API is; ``limits`` are in the reader's language. ``words``: the values of a field
    that has one of a few. ``pattern``: a regular expression, or an empty text.
    """

    name: str
    type: str
    required: bool
    text: str
    limits: list[str]
    words: list[str]
    pattern: str
    example: str

    @property
    def searched(self) -> str:
        """The text in which the reference's search looks."""
        return f"{self.name} {self.text} {' '.join(self.words)}"


def field_rows(serializer: type[ApiSerializer], above: str = "") -> Iterator[FieldRow]:
    """Yield the rows of a body or an object, each followed by those of the objects in it."""
    for name, field in serializer._declared_fields.items():
        path, schema = f"{above}{name}", schema_of(field, serializer.is_body)
        inner = _inner_serializer(field)
        yield _row(path, schema, required=field.required, example=None if inner else field.example())
        if inner:
            yield from field_rows(inner, f"{path}[]." if hasattr(field, "child") else f"{path}.")


def _inner_serializer(field: Any) -> type[ApiSerializer] | None:
    """Return the serializer of the object, or of the list of objects, that a field has."""
    inner = getattr(field, "child", field)
    if isinstance(inner, Nested):
        return inner.serializer  # type: ignore[no-any-return]
    return type(inner) if isinstance(inner, ApiSerializer) else None


def parameter_row(parameter: Mapping[str, Any]) -> FieldRow:
    """Return the row of a parameter of the OpenAPI document."""
    schema = {**parameter["schema"], "description": parameter["description"]}
    return _row(parameter["name"], schema, required=parameter.get("required", False), example=parameter.get("example"))


def _row(name: str, schema: Schema, *, required: bool, example: Any) -> FieldRow:
    value = schema["items"] if _types(schema)[0] == "array" else schema
    # A format says it shorter.
    pattern = "" if "format" in value else value.get("pattern", "")
    return FieldRow(
        name=name,
        type=_type_label(schema),
        required=required,
        text=schema.get("description", ""),
        limits=[*_limits(schema), *(_limits(value) if value is not schema else ())],
        words=[str(word) for word in value.get("enum", value.get("x-extensible-enum", ())) if word is not None],
        pattern="" if pattern == PLAIN_TEXT else pattern,
        example="" if example is None else json.dumps(example, ensure_ascii=False),
    )


def _types(schema: Schema) -> list[str]:
    """Return the JSON types of a schema; that of a reference is an object."""
    types = schema.get("type", "object")
    return types if isinstance(types, list) else [types]


def _type_label(schema: Schema, plural: str = "") -> str:
    first, *others = _types(schema)
    inner = schema.get("items") if first == "array" else schema.get("additionalProperties")
    # The schema of any value is an empty one.
    values = f" of {_type_label(inner, 's')}" if isinstance(inner, dict) and inner else ""
    form = f" ({schema['format']})" if "format" in schema else ""
    return " or ".join([f"{first}{plural}{values}{form}", *others])


def _limits(schema: Schema) -> list[str]:
    found = [
        _range(schema.get("minimum"), schema.get("maximum"), str),
        _range(schema.get("minLength"), schema.get("maxLength"), _characters),
        _range(schema.get("minItems"), schema.get("maxItems"), _items),
    ]
    if schema.get("pattern") == PLAIN_TEXT:
        found.append(_("no control characters"))
    if "default" in schema:
        found.append(_("default: %(value)s") % {"value": json.dumps(schema["default"])})
    return list(filter(None, found))


def _range(least: int | None, most: int | None, unit: Any) -> str:
    if most is None:
        return "" if not least else _("at least %(least)s") % {"least": unit(least)}
    if not least:
        return _("up to %(most)s") % {"most": unit(most)}
    return unit(most) if least == most else _("%(least)d to %(most)s") % {"least": least, "most": unit(most)}


def _characters(count: int) -> str:
    return ngettext("%(n)d character", "%(n)d characters", count) % {"n": count}


def _items(count: int) -> str:
    return ngettext("%(n)d item", "%(n)d items", count) % {"n": count}
