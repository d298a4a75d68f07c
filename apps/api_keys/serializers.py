"""Request and response bodies of the API for keys."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from apps.api_keys.key_query import effective_limit
from apps.api_keys.models import ApiKey
from apps.base.actor import Actor
from apps.base.rest.fields import (
    SECRET_INPUT,
    Choice,
    Id,
    IPAddress,
    ListOf,
    Nested,
    PlainText,
    StrictBoolean,
    StrictInteger,
    StrictString,
    TextList,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer, one_time_secret
from apps.credentials import key_status
from apps.credentials.gate.key_check import KeyCheckResult
from apps.credentials.gate.key_rows import KeyRow, to_datetime
from apps.credentials.serializers import EXPIRY_FIELDS, KeySerializer, NewKeyBody, ReasonBody, lifetime_from

VALID = "valid"
# What the check of a key answers where the key is not good for the call.
INVALID_CODES = (
    *("invalid_api_key", *key_status.ERROR_CODES),
    *("organization_suspended", "ip_not_allowed", "insufficient_scope", "rate_limited"),
)

# Objects


class LimitsSerializer(ResponseSerializer):
    """The rate limits that apply to a key: its own, else those of its type."""

    @computed(StrictInteger("Requests per minute; null: no limit.", example=100, allow_null=True, min_value=1))
    def minute(self, key: ApiKey) -> int | None:
        return effective_limit("minute", key.limit_minute, key.key_type.limit_minute)

    @computed(StrictInteger("Requests per hour; null: no limit.", example=5000, allow_null=True, min_value=1))
    def hour(self, key: ApiKey) -> int | None:
        return effective_limit("hour", key.limit_hour, key.key_type.limit_hour)


class ApiKeySerializer(KeySerializer):
    """An API key."""

    id = KeySerializer.field("id", prefix="key")
    kind = PlainText("The name of its key type.", example="partner", name="type", source="key_type.name", max_length=40)
    scopes = TextList("What the key may do.", example=["users:read", "events:write"])
    subject = PlainText(
        "Whom the key acts for, such as a client's number: for key types that need it.",
        allow_null=True,
        max_length=200,
    )
    allowed_networks = TextList(
        "The only networks it is accepted from, at most 50; empty: all. An address alone is a network of one and is "
        "shown as `/32` or `/128`. A network with host bits set or with a zone is refused; IPv4 written as IPv6 is "
        "kept as IPv4.",
        example=["203.0.113.0/24"],
    )
    limits = Nested(LimitsSerializer, "Its rate limits.", source="*")
    replaces = KeySerializer.field("replaces", prefix="key", source="replaces_id")
    replaced_by = KeySerializer.field("replaced_by", prefix="key")


class ApiKeyWithSecretSerializer(ApiKeySerializer):
    """An API key with its secret, which is in the response that creates it and never again."""

    key = one_time_secret(
        "The key itself. A response that is repeated for an Idempotency-Key lacks it.",
        example="ipk_SHOWN_ONCE_IN_THIS_ANSWER",
    )


def archived_keys(actor: Actor) -> Iterator[dict[str, Any]]:
    """Return every key, masked, revoked and expired ones included, for the organization's data export."""
    return ApiKeySerializer.write_in_batches(ApiKey.objects.for_actor(actor))


class OrganizationNameSerializer(ResponseSerializer):
    """The organization that a key belongs to."""

    id = Id("The organization's id.", prefix="org", source="organization_public_id")
    name = StrictString("Its name.", example="Acme Travel", source="organization_name")
    slug = StrictString("Its name in URLs.", example="acme", source="organization_slug")


class CallingKeySerializer(ResponseSerializer):
    """A key as the key itself, or a gateway that checks it, is told."""

    id = ApiKeySerializer.field("id", source="public_id")
    name = ApiKeySerializer.field("name")
    kind = ApiKeySerializer.field("type", source="key_type")
    mask = ApiKeySerializer.field("mask")
    scopes = ApiKeySerializer.field("scopes")
    subject = ApiKeySerializer.field("subject")

    @computed(ApiKeySerializer.field("created_at"))
    def created_at(self, row: KeyRow) -> datetime | None:
        return to_datetime(row.created_at)

    @computed(ApiKeySerializer.field("expires_at"))
    def expires_at(self, row: KeyRow) -> datetime | None:
        return to_datetime(row.expires_at)


class WindowSerializer(ResponseSerializer):
    """The state of one rate limit after the call."""

    name = StrictString("The limit: minute, hour, or organization.", example="minute", source="window.name")
    limit = StrictInteger("Requests in a window.", example=100, source="window.limit")
    remaining = StrictInteger("Requests that are left in it.", example=99)
    reset_seconds = StrictInteger("Whole seconds until it ends.", example=60)


class MeSerializer(ResponseSerializer):
    """The calling key, its organization, and what is left of its limits."""

    organization = Nested(OrganizationNameSerializer, "The key's organization.", source="key")
    key = Nested(CallingKeySerializer, "The key.")
    limits = ListOf(Nested(WindowSerializer), "Its rate limits after this call.", source="states")


class KeyVerificationSerializer(ResponseSerializer):
    """The result of checking a key.

    Context: ``code``.
    """

    @computed(StrictBoolean("Whether the key is good for the call.", example=True))
    def valid(self, _result: KeyCheckResult) -> bool:
        return bool(self.context["code"] == VALID)

    @computed(Choice((VALID, *INVALID_CODES), "The result as a word that does not change."))
    def code(self, _result: KeyCheckResult) -> str:
        return str(self.context["code"])

    key = Nested(CallingKeySerializer, "The key, where it is good for the call.", required=False)
    organization = Nested(
        OrganizationNameSerializer,
        "The key's organization, where it is good for the call.",
        source="key",
        required=False,
    )
    subject = ApiKeySerializer.field("subject", source="key.subject", required=False)
    limits = ListOf(
        Nested(WindowSerializer), "The key's rate limits, where it is known.", source="states", required=False
    )

    def to_representation(self, instance: KeyCheckResult) -> dict[str, Any]:
        """Return the result; of a key that is not good only the rate limits, and those only of a key that is known."""
        if self.context["code"] == VALID:
            body = super().to_representation(instance)
            return {name: body.get(name) for name in self._declared_fields}
        limits = {"limits": WindowSerializer.write_all(instance.states)} if instance.states else {}
        return {"valid": False, "code": str(self.context["code"]), **limits}


# Bodies


class LimitsBody(StrictSerializer):
    """Rate limits of a key of its own. One that is null is its type's, and so is one that a new key leaves out."""

    minute = StrictInteger(
        "Requests per minute.", example=50, required=False, allow_null=True, min_value=1, max_value=2**31 - 1
    )
    hour = StrictInteger(
        "Requests per hour.", example=1000, required=False, allow_null=True, min_value=1, max_value=2**31 - 1
    )


class ApiKeyTextsBody(StrictSerializer):
    """The plain texts of a key that a change may leave out. Of a new key, ``NewKeyBody`` requires the name."""

    name = ApiKeySerializer.field("name", required=False)


class CreateApiKeyBody(NewKeyBody, ApiKeyTextsBody):
    """A new key. At most one of the three fields for its expiry can be sent."""

    usual = ["name", "type", "scopes", "expires_in_days"]

    kind = ApiKeySerializer.field("type")
    scopes = ApiKeySerializer.field("scopes")
    subject = ApiKeySerializer.field("subject", required=False)
    allowed_networks = ApiKeySerializer.field("allowed_networks", required=False, allow_null=True)
    limits = LimitsBody(help_text="Rate limits of its own, at most those of its type.", required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the action: the three expiry fields as one lifetime, and all others as sent."""
        merged = (*EXPIRY_FIELDS, "type")
        values = {name: value for name, value in attrs.items() if name not in merged and value is not None}
        return {**values, "key_type": attrs["type"], "lifetime": lifetime_from(attrs)}


class UpdateApiKeyBody(ApiKeyTextsBody):
    """Changes to a key: at least one field is required."""

    requires_a_field = True
    usual = ["name"]

    scopes = ApiKeySerializer.field("scopes", help_text="Fewer scopes than it has.", required=False)
    allowed_networks = ApiKeySerializer.field("allowed_networks", required=False)
    limits = LimitsBody(help_text="Rate limits of its own, at most those of its type.", required=False)


class RevokeApiKeyBody(ReasonBody):
    """The reason for revoking a key, and whether its self-rotated successors are revoked too."""

    successors = StrictBoolean(
        "Whether to revoke the keys that it created by rotating itself. If left out: unless one of them is calling.",
        example=True,
        required=False,
    )


class VerifyApiKeyBody(StrictSerializer):
    """A key that a gateway received, and the scopes and IP address to check it for."""

    usual = ["key", "scopes", "ip"]

    key = StrictString(
        "The key that came with the call.",
        example="ipk_REPLACE_WITH_THE_KEY_TO_JUDGE",
        max_length=1000,
        allow_blank=True,
        style=SECRET_INPUT,
    )
    scopes = TextList(
        "The scopes that the call needs, all of them.", example=["orders:read"], required=False, allow_null=True
    )
    ip = IPAddress(
        "The address that the call came from. IPv4 written as IPv6 is taken as IPv4.", required=False, allow_null=True
    )
    cost = StrictInteger(
        "How many calls it counts as.", example=1, required=False, min_value=1, max_value=100, default=1
    )
