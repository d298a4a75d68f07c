"""The fields of the public API's objects and bodies, each declared once with its meaning, limits and an example.

From the declaration come the check of a body, the writing of an object, the JSON Schema of ``/openapi.json``
(https://json-schema.org/draft/2020-12), the tables of the reference and the controls of the browsable API.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from inspect import signature
from operator import attrgetter
from typing import Any, Self

from rest_framework import serializers
from rest_framework.fields import empty

from apps.base.errors import Invalid
from apps.base.identifiers import encode
from apps.base.text.email_validation import MAX_ADDRESS_LENGTH, normalize_email, validate_email_address
from apps.base.text.validation import PLAIN_TEXT, validate_plain_text
from apps.base.timestamps import format_timestamp, format_timestamp_ms, parse_timestamp

Schema = dict[str, Any]
Converter = Callable[[Any], Any]

# As ``style`` of a field: the browsable API does not show what was sent in it again.
SECRET_INPUT = {"input_type": "password"}
EXAMPLE_ID_SUFFIX = "01JD2V8Q4ZK7M3X9T5B6CW"
SECOND = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"
MILLISECOND = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"


class Described:
    """What a field declares beside its type: see the arguments.

    ``help_text``: a sentence for the reference. ``example``: a valid value; some types have one already. ``name``: the
    name in JSON, where Python or DRF has another use for it. ``source``: the attribute of the row that has the value,
    dotted, if it is not the name; see ``computed``, too. ``pattern``: a regular expression of ECMA-262 for the schema.
    """

    default_example: Any = empty
    # A method of the serializer: of it and a row.
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
        """Return the schema of a value that is not null; limits are those of bodies only."""
        raise NotImplementedError(f"{type(self).__name__} has no schema")

    def converter(self) -> Converter | None:
        """Return the function that makes JSON of a value that is not None, or None if it is JSON already."""
        return None

    def reader(self, name: str) -> Callable[[Any], Any]:
        """Return the function that reads the value from a row; the source "*" is the row itself, as in DRF."""
        source = self._kwargs.get("source", name)  # type: ignore[attr-defined]
        return (lambda row: row) if source == "*" else attrgetter(source)

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
        schema = nullable(schema)
    if field.help_text:
        schema = {**schema, "description": str(field.help_text)}
    if is_body and field.default is not empty:
        schema = {**schema, "default": field.default() if callable(field.default) else field.default}
    return schema


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that can also be null."""
    if "$ref" in schema or "oneOf" in schema:
        return {"oneOf": [*schema.get("oneOf", (schema,)), {"type": "null"}]}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    found = {**schema, "type": [*types, "null"]}
    return {**found, "enum": [*found["enum"], None]} if "enum" in found else found


def given(**limits: Any) -> Schema:
    """Return those members of a schema that have a value."""
    return {name: value for name, value in limits.items() if value not in (None, "")}


# Texts


class StrictString(Described, serializers.CharField):
    """A JSON string that is validated elsewhere or is a secret; DRF's field would convert numbers."""

    def to_internal_value(self, data: Any) -> str:
        """Accept strings only, whose length is checked before they are trimmed."""
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)

    def converter(self) -> Converter | None:
        """Make null of an empty text that can be null."""
        return (lambda text: text or None) if self.allow_null else None

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a string; a body's has limits of length."""
        schema = {"type": "string", **given(pattern=self.pattern)}
        if not is_body:
            return schema
        least = self.min_length or (None if self.allow_blank else 1)
        return {**schema, **given(minLength=least, maxLength=self.max_length)}


class PlainText(StrictString):
    """A JSON string that is stored, shown or named in an error: plain text, and no secret."""

    def __init__(self, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, validators=[validate_plain_text], **options)

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a string without control characters."""
        return {**super().type_schema(is_body), **(given(pattern=self.pattern or PLAIN_TEXT) if is_body else {})}


class IPAddress(StrictString):
    """An IPv4 or IPv6 address as a JSON string."""

    default_error_messages = {"address": "Send an IPv4 or IPv6 address."}
    default_example = "203.0.113.24"

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical form: without a zone, and an IPv4-mapped address as IPv4."""
        try:
            address = ipaddress.ip_address(super().to_internal_value(data))
        except ValueError:
            self.fail("address")
        if isinstance(address, ipaddress.IPv6Address):
            return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address)))
        return str(address)


class Email(Described, serializers.EmailField):
    """A mail address as a JSON string."""

    default_example = "jo@example.com"

    def __init__(self, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, **{"max_length": MAX_ADDRESS_LENGTH, **options})
        # Replaces the validators of DRF's field, so that one mistake gives one message.
        self.validators = [validate_email_address]

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical spelling; refuse other types, and strings that are too long as sent."""
        if not isinstance(data, str):
            self.fail("invalid")
        if len(data) > MAX_ADDRESS_LENGTH:
            self.fail("max_length", max_length=MAX_ADDRESS_LENGTH)
        return normalize_email(super().to_internal_value(data))

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a mail address. Answers have no "format": "email" does not allow international domain names."""
        limits = {"format": "email", "minLength": 3, "maxLength": self.max_length} if is_body else {}
        return {"type": "string", **limits}


class Choice(Described, serializers.ChoiceField):
    """One of some words. In answers a program must be prepared for others: later versions may add some."""

    def __init__(self, choices: Iterable[Any], help_text: str = "", **options: Any) -> None:
        words = [str(choice) for choice in choices]
        super().__init__(help_text, choices=words, **options)
        self.default_example = words[0]

    def converter(self) -> Converter | None:
        """Make a plain string of a member of an enumeration, and null of an empty one."""
        return lambda word: str(word) or None

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a string with its words: closed in bodies, extensible in answers."""
        return {"type": "string", "enum" if is_body else "x-extensible-enum": [str(each) for each in self.choices]}


class Id(Described, serializers.Field[Any, Any, Any, Any]):
    """A public id of an answer: a prefix and 22 letters and digits. The value is the text, or the UUID of the row."""

    def __init__(self, help_text: str = "", *, prefix: str, **options: Any) -> None:
        super().__init__(help_text, **options)
        self.prefix = prefix
        if not self.allow_null:
            self.default_example = f"{prefix}_{EXAMPLE_ID_SUFFIX}"

    def converter(self) -> Converter | None:
        """Write a UUID as a public id."""
        return lambda value: value if isinstance(value, str) else encode(self.prefix, value)

    def type_schema(self, is_body: bool) -> Schema:
        """Describe an id of this prefix."""
        return {"type": "string", "pattern": f"^{self.prefix}_[0-9A-Za-z]{{22}}$"}


class Timestamp(Described, serializers.Field[datetime, Any, Any, Any]):
    """A time in RFC 3339, UTC in answers; a body may have a date instead, which is 00:00 UTC of that day."""

    default_error_messages = {"invalid": "Send a time such as 2026-11-22T10:00:00Z."}

    def __init__(self, help_text: str = "", *, milliseconds: bool = False, **options: Any) -> None:
        super().__init__(help_text, **options)
        self.milliseconds = milliseconds
        if not self.allow_null:
            self.default_example = "2026-11-24T08:12:30.118Z" if milliseconds else "2026-11-22T10:00:00Z"

    def to_internal_value(self, data: Any) -> datetime:
        """Return the time in UTC."""
        if not isinstance(data, str) or len(data) > 40:
            self.fail("invalid")
        try:
            return parse_timestamp(str(self.field_name), data)
        except Invalid as error:
            raise serializers.ValidationError(str(error.message)) from None

    def converter(self) -> Converter | None:
        """Write a datetime in UTC, in whole seconds or milliseconds."""
        return format_timestamp_ms if self.milliseconds else format_timestamp

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a time. Bodies have no "format": "date-time" does not allow dates."""
        if is_body:
            return {"type": "string", "maxLength": 40, "examples": ["2026-11-22T10:00:00Z", "2026-11-22"]}
        return {"type": "string", "format": "date-time", "pattern": MILLISECOND if self.milliseconds else SECOND}


# Numbers and booleans


class StrictInteger(Described, serializers.IntegerField):
    """A JSON integer; not a string, a boolean or 1.0."""

    def to_internal_value(self, data: Any) -> int:
        """Accept integers only."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)

    def type_schema(self, is_body: bool) -> Schema:
        """Describe an integer; one of an answer is 0 at least, if it does not say otherwise."""
        if is_body:
            return {"type": "integer", **given(minimum=self.min_value, maximum=self.max_value)}
        return {"type": "integer", "minimum": self.min_value or 0}


class Decimal(Described, serializers.FloatField):
    """A JSON number of an answer."""

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a number."""
        return {"type": "number"}


class StrictBoolean(Described, serializers.BooleanField):
    """A JSON boolean; not the strings and numbers that DRF accepts."""

    default_example = False

    def to_internal_value(self, data: Any) -> bool:
        """Accept true and false only."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a boolean."""
        return {"type": "boolean"}


class Constant(Described, serializers.Field[Any, Any, Any, Any]):
    """A value that tells one variant of an object from another."""

    def __init__(self, value: bool | int | str, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, example=value, **options)
        self.value = value

    def reader(self, name: str) -> Callable[[Any], Any]:
        """Return the value for every row."""
        return lambda _row: self.value

    def type_schema(self, is_body: bool) -> Schema:
        """Describe the one value."""
        names = {bool: "boolean", int: "integer", str: "string"}
        return {"type": names[type(self.value)], "const": self.value}


# Lists and objects


class ListOf(Described, serializers.ListField):
    """A JSON list."""

    def __init__(self, child: Any, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, child=child, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        """Accept lists only: DRF would iterate over other iterables."""
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        return super().to_internal_value(data)

    def converter(self) -> Converter | None:
        """Convert each item."""
        child: Any = self.child
        convert: Converter | None = child.converter()
        return list if convert is None else lambda items: [convert(item) for item in items]

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a list of what the child describes."""
        schema: Schema = {"type": "array", "items": schema_of(self.child, is_body)}
        return {**schema, **given(minItems=self.min_length, maxItems=self.max_length)} if is_body else schema

    def example(self) -> Any:
        """Return the declared example, else a list of the child's."""
        child: Any = self.child
        return [child.example()] if self.own_example is empty else self.own_example


class TextList(ListOf):
    """A JSON list of strings."""

    def __init__(self, help_text: str = "", **options: Any) -> None:
        super().__init__(PlainText(max_length=200), help_text, **options)


class TextMap(Described, serializers.Field[dict[str, str], Any, Any, Any]):
    """A JSON object whose values are strings."""

    default_error_messages = {"invalid": "Headers are an object of name and value, both texts."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Accept objects of strings only."""
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        return data

    def type_schema(self, is_body: bool) -> Schema:
        """Describe an object of strings."""
        return {"type": "object", "additionalProperties": {"type": "string"}}


class AnyObject(Described, serializers.Field[dict[str, Any], Any, Any, Any]):
    """A JSON object with any members."""

    default_error_messages = {"invalid": "This must be a JSON object."}

    def __init__(self, help_text: str = "", *, values: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(help_text, **options)
        self.values = values

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Accept objects only."""
        if not isinstance(data, dict):
            self.fail("invalid")
        return data

    def type_schema(self, is_body: bool) -> Schema:
        """Describe an object, with the schema of its values if they have one."""
        return {"type": "object", **({"additionalProperties": self.values} if self.values is not None else {})}


class Nested(Described, serializers.Field[Any, Any, Any, Any]):
    """An object within an answer; several serializers: one of them, of which the value is a row and a serializer."""

    def __init__(self, serializer: Any, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, **options)
        self.serializer = serializer

    def converter(self) -> Converter | None:
        """Write the row as the serializer does."""
        return self.serializer.write  # type: ignore[no-any-return]

    def type_schema(self, is_body: bool) -> Schema:
        """Refer to the schema of the object."""
        return {"$ref": f"#/components/schemas/{self.serializer.schema_name()}"}

    def example(self) -> Any:
        """Return the declared example, else the object's."""
        return self.serializer.example() if self.own_example is empty else self.own_example
