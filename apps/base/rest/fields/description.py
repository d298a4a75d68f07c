"""What a field declares beside its type, and the JSON Schema that comes of it."""

from collections.abc import Callable
from inspect import signature
from typing import Any, Self

from rest_framework.fields import empty

Schema = dict[str, Any]
Converter = Callable[[Any], Any]
# As ``source`` of a field, as in Django REST framework: its value is the row itself.
WHOLE_ROW = "*"


class Described:
    """What a field declares beside its type: see the arguments.

    ``help_text``: a sentence for the reference. ``example``: a valid value; some types have one already. ``name``: the
    name in JSON, where Python or DRF has another use for it. ``source``: the attribute of the row that has the value,
    dotted, if it is not the name; see ``computed``, too. ``pattern``: a regular expression of ECMA-262 for the schema.
    """

    default_example: Any = empty
    # A method of the serializer that returns the value for a row.
    compute: Callable[[Any, Any], Any] | None = None

    def __init__(
        self,
        help_text: str = "",
        *,
        example: Any = empty,
        name: str = "",
        pattern: str = "",
        **options: Any,
    ) -> None:
        super().__init__(help_text=help_text, **options)  # type: ignore[call-arg]  # to DRF's class, beside this one
        self.own_example, self.api_name, self.pattern = example, name, pattern

    def type_schema(self, is_body: bool) -> Schema:
        """Return the schema of a value that is not null; for request bodies (``is_body``) with limits."""
        raise NotImplementedError(f"{type(self).__name__} has no schema")

    def converter(self) -> Converter | None:
        """Return the function that makes JSON of a value that is not None, or None if it is JSON already."""
        return None

    def source_of(self, name: str) -> str:
        """Return the attribute of a row that has the value, dotted, or WHOLE_ROW."""
        return str(self._kwargs.get("source", name))  # type: ignore[attr-defined]

    def example(self) -> Any:
        """Return the declared example, else the type's, else null if the field can be null."""
        for value in (self.own_example, self.default_example):
            if value is not empty:
                return value
        if self.allow_null:  # type: ignore[attr-defined]
            return None
        raise TypeError(f"a field needs an example: {self.help_text or self!r}")  # type: ignore[attr-defined]

    def but(self, **changes: Any) -> Self:
        """Return a copy for another serializer, with changed options."""
        bound = signature(type(self).__init__).bind(self, *self._args, **self._kwargs).arguments  # type: ignore[attr-defined]
        options = {**bound, **bound.pop("options", {})}
        kept = {name: value for name, value in options.items() if name not in ("self", "options", "source")}
        copy = type(self)(**{**kept, **changes})
        copy.compute = None if "source" in changes else self.compute
        return copy


def computed(field: Any) -> Callable[[Callable[[Any, Any], Any]], Any]:
    """Declare the field whose value the decorated method of a serializer returns for a row."""

    def declare(method: Callable[[Any, Any], Any]) -> Any:
        field.compute = method
        return field

    return declare


def schema_of(field: Any, is_body: bool) -> Schema:
    """Return the schema of a field as it stands in an object."""
    schema: Schema = field.type_schema(is_body)
    if field.allow_null:
        # Not "oneOf" with a reference: several client generators make nothing of it.
        schema = nullable(field.schema_in_place() if "$ref" in schema else schema)
    if field.help_text:
        schema = {**schema, "description": str(field.help_text)}
    if is_body and field.default is not empty:
        schema = {**schema, "default": field.default() if callable(field.default) else field.default}
    return schema


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that can also be null."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    found = {**schema, "type": [*types, "null"]}
    return {**found, "enum": [*found["enum"], None]} if "enum" in found else found


def given(**limits: Any) -> Schema:
    """Return those members of a schema that have a value."""
    return {name: value for name, value in limits.items() if value not in (None, "")}
