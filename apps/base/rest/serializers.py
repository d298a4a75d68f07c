"""Strict fields and serializers for request bodies: no unknown fields, and no conversion between JSON types."""

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings

from apps.base.errors import Invalid
from apps.base.text.rules import plain_text
from apps.base.timestamps import parse_timestamp

# As ``style`` of a field: the browsable API does not show what was sent in it again.
SECRET_INPUT = {"input_type": "password"}


class Opaque(serializers.CharField):
    """A JSON string that is validated elsewhere or is a secret; DRF's field would convert numbers."""

    def to_internal_value(self, data: Any) -> str:
        """Accept strings only, whose length is checked before they are trimmed."""
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class Text(Opaque):
    """A JSON string that is stored, shown or named in an error: plain text, and no secret."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validators=[plain_text], **options)


class IPAddress(Opaque):
    """An IPv4 or IPv6 address as a JSON string."""

    default_error_messages = {"address": "Send an IPv4 or IPv6 address."}

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical form: without a zone, and an IPv4-mapped address as IPv4."""
        try:
            address = ipaddress.ip_address(super().to_internal_value(data))
        except ValueError:
            self.fail("address")
        if isinstance(address, ipaddress.IPv6Address):
            return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address)))
        return str(address)


class Timestamp(serializers.Field[datetime, Any, Any, Any]):
    """A time in RFC 3339, or a date, which is 00:00 UTC of that day."""

    default_error_messages = {"invalid": "Send a time such as 2026-11-22T10:00:00Z."}

    def to_internal_value(self, data: Any) -> datetime:
        """Return the time in UTC."""
        if not isinstance(data, str) or len(data) > 40:
            self.fail("invalid")
        try:
            return parse_timestamp(str(self.field_name), data)
        except Invalid as error:
            raise serializers.ValidationError(str(error.message)) from None


class StrictInteger(serializers.IntegerField):
    """A JSON integer; not a string, a boolean or 1.0."""

    def to_internal_value(self, data: Any) -> int:
        """Accept integers only."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBoolean(serializers.BooleanField):
    """A JSON boolean; not the strings and numbers that DRF accepts."""

    def to_internal_value(self, data: Any) -> bool:
        """Accept true and false only."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class TextList(serializers.ListField):
    """A JSON list of strings."""

    child = Text(max_length=200)

    def to_internal_value(self, data: Any) -> list[str]:
        """Accept lists only: DRF would iterate over other iterables."""
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer[Any]):
    """A body without unknown fields. It only validates: actions write."""

    # Whether at least one of the optional fields is required; ``validate`` checks it, this declares it.
    takes_no_empty_body = False

    def run_validation(self, data: Any = empty) -> Any:
        """Report unknown fields together with the errors of known ones."""
        unknown = sorted(set(data) - self.writable_names()) if isinstance(data, dict) else []
        try:
            values = super().run_validation(data)
        except serializers.ValidationError as error:
            detail = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
            raise serializers.ValidationError({**detail, **self._unknown_errors(unknown)}) from None
        if unknown:
            raise serializers.ValidationError(self._unknown_errors(unknown))
        return values

    def writable_names(self) -> set[str]:
        """Return the names of the fields that a body can have."""
        return {name for name, declared in self.fields.items() if not declared.read_only}

    @staticmethod
    def _unknown_errors(unknown: list[str]) -> dict[str, list[str]]:
        return {name: ["This field is not known here, or cannot be set."] for name in unknown}


def _flatten(detail: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _flatten(inner, prefix if own else f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            if isinstance(inner, (dict, list)):
                yield from _flatten(inner, f"{prefix}.{index}" if prefix else str(index))
            else:
                yield prefix, str(inner)
    else:
        yield prefix, str(detail)


def from_validation(detail: Any) -> Invalid:
    """Convert the errors of a serializer into Invalid, with a message and the invalid fields."""
    fields: dict[str, list[str]] = {}
    # Two validators of a field can have the same message.
    for name, text in dict.fromkeys(_flatten(detail)):
        fields.setdefault(name or "body", []).append(text)
    sentence = " ".join(f"{name}: {texts[0]}" for name, texts in fields.items())
    return Invalid(sentence, fields)
