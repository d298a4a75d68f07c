"""The types of form controls, by that of the serializer field."""

from enum import StrEnum
from typing import Any

from rest_framework import serializers

from apps.base.rest.fields import Timestamp


class ControlType(StrEnum):
    """The types of form controls."""

    TEXT = "text"
    EMAIL = "email"
    SECRET = "secret"  # noqa: S105  a type of control
    INTEGER = "integer"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    LIST = "list"
    JSON = "json"


def control_type_of(field: serializers.Field[Any, Any, Any, Any]) -> ControlType:
    """Return the type of the control for a field; JSON for all complex types."""
    if isinstance(field, serializers.ChoiceField):
        return ControlType.CHOICE
    if isinstance(field, serializers.BooleanField):
        return ControlType.BOOLEAN
    if isinstance(field, serializers.IntegerField):
        return ControlType.INTEGER
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
