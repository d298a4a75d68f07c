"""Fields with one value: texts, ids, times, numbers and booleans."""

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rest_framework import serializers

from apps.base.errors import Invalid
from apps.base.identifiers import encode
from apps.base.rest.fields.description import Converter, Described, Schema, given
from apps.base.text.email_validation import MAX_ADDRESS_LENGTH, normalize_email, validate_email_address
from apps.base.text.validation import PLAIN_TEXT, validate_plain_text
from apps.base.timestamps import format_timestamp, format_timestamp_ms, parse_timestamp

# As ``style`` of a field: the browsable API does not show what was sent in it again.
SECRET_INPUT = {"input_type": "password"}
EXAMPLE_ID_SUFFIX = "01JD2V8Q4ZK7M3X9T5B6CW"
SECOND = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"
MILLISECOND = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"

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
        """Make a plain string of a member of an enumeration, and null of an empty one that can be null."""
        return (lambda word: str(word) or None) if self.allow_null else str

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
