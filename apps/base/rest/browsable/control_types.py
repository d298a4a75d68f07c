"""The kinds of form controls, by the type of the serializer field."""

from enum import StrEnum
from typing import Any

from rest_framework import serializers

from apps.base.rest.fields import Timestamp


class ControlType(StrEnum):
    """The kinds of form controls."""

    TEXT = "text"
    EMAIL = "email"
    SECRET = "secret"  # noqa: S105  a kind of field
    WHOLE = "whole"
    CHOICE = "choice"
    FLAG = "flag"
    LIST = "list"
    JSON = "json"


def control_type_of(field: serializers.Field[Any, Any, Any, Any]) -> ControlType:
    """Return the kind of a field; JSON for all complex types."""
    if isinstance(field, serializers.ChoiceField):
        return ControlType.CHOICE
    if isinstance(field, serializers.BooleanField):
        return ControlType.FLAG
    if isinstance(field, serializers.IntegerField):
        return ControlType.WHOLE
    if isinstance(field, serializers.ListField) and isinstance(field.child, serializers.CharField):
        return ControlType.LIST
    if isinstance(field, (serializers.CharField, Timestamp)):
        if is_secret(field):
            return ControlType.SECRET
        return ControlType.EMAIL if isinstance(field, serializers.EmailField) else ControlType.TEXT
    return ControlType.JSON


def is_secret(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Return whether the field is declared with the style SECRET_INPUT: its value is never shown again."""
    return field.style.get("input_type") == "password"
