"""Request and response bodies of ``/v1/users`` and ``/v1/invitations``."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.hashers import make_password
from rest_framework import serializers
from rest_framework.fields import empty

from apps.base.errors import Invalid
from apps.base.rest.error_responses import redacted_fields
from apps.base.rest.fields import (
    SECRET_INPUT,
    AnyObject,
    Choice,
    Email,
    Id,
    ListOf,
    Nested,
    PlainText,
    Schema,
    StrictInteger,
    StrictString,
    Timestamp,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer, invalid_from_detail
from apps.base.text.redaction import hide_keys
from apps.orgs.members.users import NewUser
from apps.orgs.models import Membership, Role

MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 8, 128
MAX_BATCH_SIZE = 100
# The messages of one field.
MESSAGES: Schema = {"type": "array", "items": {"type": "string"}}


class UserSerializer(ResponseSerializer):
    """A member of the organization.

    The row is a ``UserRow``.
    """

    id = Id("The user's id.", prefix="user", source="public_key")
    name = PlainText("The user's name.", example="Jo Martin", max_length=150)
    email = Email("The user's mail address, which is also the login; upper and lower case do not differ.")
    created_at = Timestamp("When the user joined the organization.")


class SingleUserSerializer(UserSerializer):
    """A member of the organization, with the time of the last change."""

    updated_at = Timestamp("When name, address or membership last changed.", example="2026-11-22T10:05:00Z")


class ChangedUserSerializer(ResponseSerializer):
    """A member of the organization after a change."""

    id = UserSerializer.field("id", source="public_key")
    name = UserSerializer.field("name")
    email = UserSerializer.field("email")
    updated_at = SingleUserSerializer.field("updated_at")


class UserResultSerializer(ResponseSerializer):
    """What became of one user of a batch.

    The row is a ``UserRow``, or an Invalid.
    """

    @computed(StrictInteger("The status that the user alone would have been answered with.", example=201))
    def status(self, result: "UserRow | Invalid") -> int:
        return result.status if isinstance(result, Invalid) else 201

    @computed(Nested(UserSerializer, "The user, where it was created.", required=False))
    def user(self, result: "UserRow | Invalid") -> "UserRow | None":
        return None if isinstance(result, Invalid) else result

    @computed(StrictString("What is wrong, as a sentence.", example="email: This field is required.", required=False))
    def error(self, result: "UserRow | Invalid") -> str | None:
        return hide_keys(str(result)) if isinstance(result, Invalid) else None

    @computed(
        AnyObject(
            "The fields that are wrong.",
            name="fields",
            values=MESSAGES,
            example={"email": ["This field is required."]},
            required=False,
        )
    )
    def wrong_fields(self, result: "UserRow | Invalid") -> dict[str, list[str]] | None:
        return redacted_fields(result) if isinstance(result, Invalid) else None

    usual = ["status", "user"]


class UserBatchResultSerializer(ResponseSerializer):
    """What became of the users of a batch."""

    results = ListOf(Nested(UserResultSerializer), "The results, in the order of the request.")


class InvitationSerializer(ResponseSerializer):
    """An invitation that was neither accepted nor withdrawn."""

    id = Id("The invitation's id.", prefix="inv", source="public_id")
    email = Email("The address that it was sent to.", example="kim@example.com")
    role = Choice(Role.values, "The role that the invited person gets.", example="viewer")
    expires_at = Timestamp("When its link stops working.", example="2026-11-29T10:00:00Z")


class CreateUserBody(StrictSerializer):
    """A new user, who becomes a viewer."""

    name = UserSerializer.field("name")
    email = UserSerializer.field("email")
    password = StrictString(
        "The password that the user signs in with. Its length is the only rule.",
        example="correct horse battery",
        min_length=MIN_PASSWORD_LENGTH,
        max_length=MAX_PASSWORD_LENGTH,
        trim_whitespace=False,
        style=SECRET_INPUT,
    )


class UncheckedUser(Nested):
    """A user of a batch: any JSON value, which is checked with the others later (``validate_each``)."""

    def __init__(self, help_text: str = "", **options: Any) -> None:
        super().__init__(CreateUserBody, help_text, **options)

    def run_validation(self, data: Any = empty) -> Any:
        """Return the value unchanged, null too."""
        return data


class CreateUsersBody(StrictSerializer):
    """Users to create. Each is validated separately, so an invalid one does not affect the others."""

    users = ListOf(
        UncheckedUser(),
        "Up to 100 users, each as for the creation of a single one.",
        min_length=1,
        max_length=MAX_BATCH_SIZE,
        style=SECRET_INPUT,
    )

    def to_internal_value(self, data: Any) -> Any:
        """Refuse anything but a list: DRF would read an object's keys as one."""
        if isinstance(data, dict) and not isinstance(data.get("users", []), list):
            raise serializers.ValidationError({"users": ["This must be a list of 1 to 100 users."]})
        return super().to_internal_value(data)


class UpdateUserBody(StrictSerializer):
    """Changes to a user: name, email or both."""

    requires_a_field = True
    usual = ["name"]

    name = UserSerializer.field("name", example="Jo Martin-Roy", required=False)
    email = UserSerializer.field("email", required=False)


class CreateInvitationBody(StrictSerializer):
    """Whom to invite, and to which role."""

    email = InvitationSerializer.field("email", help_text="The address to invite.")
    role = InvitationSerializer.field("role")


def prepare_new_user(values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``create_user`` for a valid body, with the password hashed."""
    return {"new": to_new_users([values])[0]}


def validate_each(values: dict[str, Any]) -> dict[str, Any]:
    """Validate each user of a batch; an invalid one is replaced by its error."""
    item_serializers = [CreateUserBody(data=item) for item in values["users"]]
    valid = iter(to_new_users([checker.validated_data for checker in item_serializers if checker.is_valid()]))
    return {"users": [invalid_from_detail(each.errors) if each.errors else next(valid) for each in item_serializers]}


def to_new_users(bodies: Sequence[dict[str, Any]]) -> list[NewUser]:
    """Return the new users, with hashed passwords."""
    return [NewUser(body["name"], body["email"], make_password(body["password"])) for body in bodies]


class UserRow(NamedTuple):
    """What the API shows of a membership and its user; lists read just these columns, in this order."""

    user_id: uuid.UUID
    earlier_id: uuid.UUID | None
    name: str
    email: str
    created_at: datetime
    updated_at: datetime | None = None

    @classmethod
    def of(cls, member: Membership) -> "UserRow":
        """Return the row of a membership; ``created_at`` is when the membership began."""
        user = member.user
        updated_at = max(user.updated_at, member.created_at)
        return cls(member.user_id, member.earlier_id, user.name, user.email, member.created_at, updated_at)

    @property
    def public_key(self) -> uuid.UUID:
        """The key of the user's public id."""
        return self.earlier_id or self.user_id


LIST_COLUMNS = ("user_id", "earlier_id", "user__name", "user__email", "created_at")
