"""Bodies of ``/v1/users`` and ``/v1/invitations``, in and out."""

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
from apps.base.telemetry.logging import hide_keys
from apps.base.text.mail_addresses import MAX_ADDRESS_LENGTH, canonical_address, check_address
from apps.base.timestamps import format_timestamp
from apps.orgs.members.users import NewUser
from apps.orgs.models import Invitation, Membership, Role, User

SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 128
MOST_IN_BATCH = 100


class Email(serializers.EmailField):
    """An address as a JSON string."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_ADDRESS_LENGTH, **options)
        # One check, so that one mistake is one sentence: DRF's own field brings Django's, which takes more.
        self.validators = [check_address]

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical spelling; refuse anything but a string, and one that is too long as it was sent."""
        if not isinstance(data, str):
            self.fail("invalid")
        if len(data) > MAX_ADDRESS_LENGTH:
            self.fail("max_length", max_length=MAX_ADDRESS_LENGTH)
        return canonical_address(super().to_internal_value(data))


class NewUserBody(StrictSerializer):
    """What makes a user."""

    name = Text(max_length=150)
    email = Email()
    password = Opaque(
        min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD, trim_whitespace=False, style=SECRET_INPUT
    )


class Anything(serializers.Field[Any, Any, Any, Any]):
    """A value that is judged later, by itself."""

    def to_internal_value(self, data: Any) -> Any:
        """Take it as it is."""
        return data


class NewUsersBody(StrictSerializer):
    """``POST /v1/users/batch``: each user is judged by itself, so that a bad one does not refuse the others."""

    users = serializers.ListField(
        child=Anything(allow_null=True), min_length=1, max_length=MOST_IN_BATCH, style=SECRET_INPUT
    )

    def to_internal_value(self, data: Any) -> Any:
        """Refuse anything but a list: DRF would take the keys of an object for one."""
        if isinstance(data, dict) and not isinstance(data.get("users", []), list):
            raise serializers.ValidationError({"users": ["This must be a list of 1 to 100 users."]})
        return super().to_internal_value(data)


class UserChangeBody(StrictSerializer):
    """What may change of a user: at least one of the two."""

    takes_no_empty_body = True

    name = Text(max_length=150, required=False)
    email = Email(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a change of nothing."""
        if not attrs:
            raise serializers.ValidationError({"body": ["Send name, email or both."]})
        return attrs


class InvitationBody(StrictSerializer):
    """Whom to invite, and as what."""

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
    """Turn the values of a good body into what makes an account."""
    return {"new": to_new_users([values])[0]}


def validate_each(values: dict[str, Any]) -> dict[str, Any]:
    """Judge each user of a batch as the body of a single one is judged."""
    checkers = [NewUserBody(data=item) for item in values["users"]]
    good = iter(to_new_users([checker.validated_data for checker in checkers if checker.is_valid()]))
    return {"users": [from_validation(each.errors) if each.errors else next(good) for each in checkers]}


def to_new_users(bodies: Sequence[dict[str, Any]]) -> list[NewUser]:
    """Return what makes the accounts, the passwords hashed."""
    return [NewUser(body["name"], body["email"], make_password(body["password"])) for body in bodies]


def write_result(result: Membership | Invalid) -> dict[str, Any]:
    """Return what became of one user of a batch."""
    if isinstance(result, Membership):
        return {"status": 201, "user": write_listed(result)}
    return {"status": result.status, "error": hide_keys(str(result)), "fields": shown_fields(result)}


def write_listed(member: Membership) -> dict[str, Any]:
    """Return a user as lists and creation show it."""
    return write_row(member.user_id, member.earlier_id, member.user.name, member.user.email, member.created_at)


# What a list reads of a membership's user, in the order of ``write_row``.
LIST_COLUMNS = ("user_id", "earlier_id", "user__name", "user__email", "created_at")


def write_row(pk: uuid.UUID, earlier: uuid.UUID | None, name: str, email: str, created_at: datetime) -> dict[str, Any]:
    """Return a user of a list from its columns: since when the organization has it, nothing from before."""
    return {
        "id": encode(User.id_prefix, earlier or pk),
        "name": name,
        "email": email,
        "created_at": format_timestamp(created_at),
    }


def write_single(member: Membership) -> dict[str, Any]:
    """Return one user."""
    return {**write_listed(member), "updated_at": format_timestamp(max(member.user.updated_at, member.created_at))}


def write_changed(member: Membership) -> dict[str, Any]:
    """Return a user as the answer to a change."""
    single = write_single(member)
    return {name: single[name] for name in ("id", "name", "email", "updated_at")}
