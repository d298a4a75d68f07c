"""Bodies of ``/v1/users``, in and out."""

from typing import Any

from rest_framework import serializers

from apps.base.instants import instant
from apps.base.serializers import StrictSerializer, Text
from apps.orgs.models import User

SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 128


class Email(serializers.EmailField):
    """An address as a JSON string."""

    def to_internal_value(self, data: Any) -> str:
        """This will refuse anything but a string, and return the address in lower case."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data).lower()


class NewUserBody(StrictSerializer):
    """What makes a user."""

    name = Text(max_length=150)
    email = Email(max_length=254)
    password = Text(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD, trim_whitespace=False)


class UserChangeBody(StrictSerializer):
    """What may change of a user: at least one of the two."""

    name = Text(max_length=150, required=False)
    email = Email(max_length=254, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """This will refuse a change of nothing."""
        if not attrs:
            raise serializers.ValidationError({"body": ["Send name, email or both."]})
        return attrs


def write_listed(user: User) -> dict[str, Any]:
    """This will return a user as lists and creation show it (M21, M22)."""
    return {"id": user.public_id, "name": user.name, "email": user.email, "created_at": instant(user.created_at)}


def write_single(user: User) -> dict[str, Any]:
    """This will return one user."""
    return {**write_listed(user), "updated_at": instant(user.updated_at)}


def write_changed(user: User) -> dict[str, Any]:
    """This will return a user as the answer to a change (M23)."""
    single = write_single(user)
    return {name: single[name] for name in ("id", "name", "email", "updated_at")}
