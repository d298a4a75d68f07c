"""Request and response bodies of the API for keys."""

from collections.abc import Iterator
from typing import Any

from rest_framework import serializers

from apps.api_keys.actions import MAX_DAYS
from apps.api_keys.key_query import effective_limit
from apps.api_keys.models import ApiKey
from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.rest.serializers import (
    SECRET_INPUT,
    IPAddress,
    Opaque,
    StrictBoolean,
    StrictInteger,
    StrictSerializer,
    Text,
    TextList,
)
from apps.base.timestamps import format_timestamp
from apps.credentials.gate.key_rows import KeyRow, to_datetime
from apps.credentials.gate.rate_limits import WindowState
from apps.credentials.serializers import ReasonBody, lifetime_from, serialize_in_batches, write_lifecycle


class LimitsBody(StrictSerializer):
    """Custom rate limits of a key, in requests."""

    minute = StrictInteger(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)
    hour = StrictInteger(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)


class NewKeyBody(StrictSerializer):
    """Settings of a new key. At most one of the three fields for its expiry can be sent."""

    name = Text(max_length=100)
    type = Text(max_length=40)
    scopes = TextList()
    subject = Text(max_length=200, required=False, allow_null=True)
    expires_in_days = StrictInteger(required=False, allow_null=True, min_value=1, max_value=MAX_DAYS)
    expires_at = Text(max_length=40, required=False, allow_null=True)
    never_expires = StrictBoolean(required=False)
    allowed_networks = TextList(required=False, allow_null=True)
    limits = LimitsBody(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Merge the three expiry fields into one lifetime."""
        copied = ("name", "scopes", "subject", "allowed_networks", "limits")
        values = {name: attrs[name] for name in copied if attrs.get(name) is not None}
        return {**values, "key_type": attrs["type"], "lifetime": lifetime_from(attrs)}


class KeyChangeBody(StrictSerializer):
    """Changes to a key: at least one field is required."""

    takes_no_empty_body = True

    name = Text(max_length=100, required=False)
    scopes = TextList(required=False)
    allowed_networks = TextList(required=False)
    limits = LimitsBody(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Reject an empty body."""
        if not attrs:
            raise serializers.ValidationError({"body": ["Send name, scopes, allowed_networks or limits."]})
        return attrs


class RevokeBody(ReasonBody):
    """The reason for revoking a key, and whether its self-rotated successors are revoked too."""

    successors = StrictBoolean(required=False)


class VerifyBody(StrictSerializer):
    """A key that a gateway received, and the scopes and IP address to check it for."""

    key = Opaque(max_length=1000, allow_blank=True, style=SECRET_INPUT)
    scopes = TextList(required=False, allow_null=True)
    ip = IPAddress(required=False, allow_null=True)
    cost = StrictInteger(required=False, min_value=1, max_value=100, default=1)


def write_key(key: ApiKey, last_use: LastUse | None = None, text: str | None = None) -> dict[str, Any]:
    """Return the key as docs/api.md describes it; ``text`` is the secret, only in the response that created it."""
    body = {
        "id": key.public_id,
        "name": key.name,
        "type": key.key_type.name,
        "scopes": key.scopes,
        "subject": key.subject or None,
        "mask": key.mask,
        "status": str(key.status),
        "allowed_networks": key.allowed_networks,
        "limits": {
            "minute": effective_limit("minute", key.limit_minute, key.key_type.limit_minute),
            "hour": effective_limit("hour", key.limit_hour, key.key_type.limit_hour),
        },
        **write_lifecycle(key, last_use),
    }
    return body if text is None else {**body, "key": text}


def archived_keys(actor: Actor) -> Iterator[dict[str, Any]]:
    """Return every key, masked, revoked and expired ones included, for the organization's data export."""
    return serialize_in_batches(ApiKey.objects.for_actor(actor), write_key)


def write_limits(states: tuple[WindowState, ...]) -> list[dict[str, Any]]:
    """Return the state of each rate-limit window."""
    return [
        {
            "name": state.window.name,
            "limit": state.window.limit,
            "remaining": state.remaining,
            "reset_seconds": state.reset_seconds,
        }
        for state in states
    ]


def write_me(row: KeyRow) -> dict[str, Any]:
    """Return the key as ``/v1/me`` and ``/v1/api-keys/verify`` describe it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "type": row.key_type,
        "mask": row.mask,
        "scopes": list(row.scopes),
        "subject": row.subject or None,
        "created_at": format_timestamp(to_datetime(row.created_at)),
        "expires_at": format_timestamp(to_datetime(row.expires_at)),
    }


def write_organization(row: KeyRow) -> dict[str, str]:
    """Return the organization that a key belongs to."""
    return {"id": row.organization_public_id, "name": row.organization_name, "slug": row.organization_slug}
