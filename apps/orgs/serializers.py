"""Request and response bodies of ``/v1/users`` and ``/v1/invitations``."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from rest_framework import serializers

from apps.base.errors import Invalid
from apps.base.identifiers import encode
from apps.base.rest.error_responses import shown_fields
from apps.base.rest.serializers import SECRET_INPUT, Opaque, StrictSerializer, Text, from_validation
from apps.base.text.mail_addresses import MAX_ADDRESS_LENGTH, canonical_address, check_address
from apps.base.text.redaction import hide_keys
from apps.base.timestamps import format_timestamp
from apps.orgs.members.users import NewUser
from apps.orgs.models import Invitation, Membership, Role, User

MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 8, 128
MAX_BATCH_SIZE = 100


class Email(serializers.EmailField):
    """An address as a JSON string."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_ADDRESS_LENGTH, **options)
        # Replaces the validators of DRF's field, so that one mistake gives one message.
        self.validators = [check_address]

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical spelling; refuse other types, and strings that are too long as sent."""
        if not isinstance(data, str):
            self.fail("invalid")
        if len(data) > MAX_ADDRESS_LENGTH:
            self.fail("max_length", max_length=MAX_ADDRESS_LENGTH)
        return canonical_address(super().to_internal_value(data))


class NewUserBody(StrictSerializer):
    """``POST /v1/users``."""

    name = Text(max_length=150)
    email = Email()
    password = Opaque(
        min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False, style=SECRET_INPUT
    )


class Anything(serializers.Field[Any, Any, Any, Any]):
    """A value that is validated later."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the value unchanged."""
        return data


class NewUsersBody(StrictSerializer):
    """``POST /v1/users/batch``: each user is validated separately, so an invalid one does not affect the others."""

    users = serializers.ListField(
        child=Anything(allow_null=True), min_length=1, max_length=MAX_BATCH_SIZE, style=SECRET_INPUT
    )

    def to_internal_value(self, data: Any) -> Any:
        """Refuse anything but a list: DRF would read an object's keys as one."""
        if isinstance(data, dict) and not isinstance(data.get("users", []), list):
            raise serializers.ValidationError({"users": ["This must be a list of 1 to 100 users."]})
        return super().to_internal_value(data)


class UserChangeBody(StrictSerializer):
    """``PATCH /v1/users/{id}``: name, email or both."""

    takes_no_empty_body = True

    name = Text(max_length=150, required=False)
    email = Email(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an empty change."""
        if not attrs:
            raise serializers.ValidationError({"body": ["Send name, email or both."]})
        return attrs


class InvitationBody(StrictSerializer):
    """``POST /v1/invitations``."""

    email = Email()
    role = serializers.ChoiceField(choices=Role.values)


def write_invitation(invitation: Invitation) -> dict[str, Any]:
    """Return an invitation as the API shows it."""
    return {
        "id": invitation.public_id,
        "email": invitation.email,
        "role": invitation.role,
        "expires_at": format_timestamp(invitation.expires_at),
    }


def prepare_new_user(values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``create_user`` for a valid body, with the password hashed."""
    return {"new": to_new_users([values])[0]}


def validate_each(values: dict[str, Any]) -> dict[str, Any]:
    """Validate each user of a batch; invalid ones become refusals."""
    checkers = [NewUserBody(data=item) for item in values["users"]]
    valid = iter(to_new_users([checker.validated_data for checker in checkers if checker.is_valid()]))
    return {"users": [from_validation(each.errors) if each.errors else next(valid) for each in checkers]}


def to_new_users(bodies: Sequence[dict[str, Any]]) -> list[NewUser]:
    """Return the new users, with hashed passwords."""
    return [NewUser(body["name"], body["email"], make_password(body["password"])) for body in bodies]


def write_result(result: Membership | Invalid) -> dict[str, Any]:
    """Return the result of one user of a batch."""
    if isinstance(result, Membership):
        return {"status": 201, "user": write_listed(result)}
    return {"status": result.status, "error": hide_keys(str(result)), "fields": shown_fields(result)}


def write_listed(member: Membership) -> dict[str, Any]:
    """Return a user as lists and creation show it."""
    return write_row(member.user_id, member.earlier_id, member.user.name, member.user.email, member.created_at)


# The columns of a list, in the order of ``write_row``'s arguments.
LIST_COLUMNS = ("user_id", "earlier_id", "user__name", "user__email", "created_at")


def write_row(pk: uuid.UUID, earlier: uuid.UUID | None, name: str, email: str, created_at: datetime) -> dict[str, Any]:
    """Return a user of a list from its columns; ``created_at`` is when the membership began."""
    return {
        "id": encode(User.id_prefix, earlier or pk),
        "name": name,
        "email": email,
        "created_at": format_timestamp(created_at),
    }


def write_single(member: Membership) -> dict[str, Any]:
    """Return a user as a single object."""
    return {**write_listed(member), "updated_at": format_timestamp(max(member.user.updated_at, member.created_at))}


def write_changed(member: Membership) -> dict[str, Any]:
    """Return a user as the response to a change."""
    single = write_single(member)
    return {name: single[name] for name in ("id", "name", "email", "updated_at")}
