"""Request bodies and serialization of SDK keys and activations."""

from collections.abc import Iterator
from typing import Any

from rest_framework import serializers

from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.rest.serializers import (
    Opaque,
    StrictBoolean,
    StrictInteger,
    StrictSerializer,
    Text,
    TextList,
)
from apps.base.text.redaction import sanitize
from apps.base.text.rules import UNREADABLE
from apps.base.timestamps import format_timestamp
from apps.credentials.rules import MAX_DAYS, Lifetime
from apps.credentials.serializers import WAYS, lifetime_from, serialize_in_batches, write_lifecycle
from apps.sdk_keys.actions import NewSdkKey
from apps.sdk_keys.actions.app_rules import MAX_DEVICES, MAX_INACTIVE_DAYS
from apps.sdk_keys.models import DEFAULT_INACTIVE_DAYS, MAX_REPORTED_LENGTH, Activation, SdkKey

MAX_DEVICE_ID_LENGTH = 200


class Reported(Opaque):
    """A text that a device reports. It is corrected, never refused, because released apps are hard to fix."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_blank=True, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the text on one line, with keys redacted, truncated to ``MAX_REPORTED_LENGTH``."""
        is_number = isinstance(data, (int, float)) and not isinstance(data, bool)
        text = super().to_internal_value(str(data) if is_number else data)
        visible = "".join(letter if letter.isprintable() else " " for letter in UNREADABLE.sub(" ", text))
        return sanitize(" ".join(visible.split()), MAX_REPORTED_LENGTH)


class AppBody(StrictSerializer):
    """The app that a key belongs to and its device limit."""

    app_id = Text(max_length=255, required=False, allow_null=True)
    cert_sha256 = Text(max_length=95, required=False, allow_null=True, allow_blank=True)
    origins = TextList(required=False, allow_null=True)
    activation_limit = StrictInteger(required=False, allow_null=True, min_value=1, max_value=MAX_DEVICES)
    inactive_after_days = StrictInteger(required=False, allow_null=True, min_value=1, max_value=MAX_INACTIVE_DAYS)


class NewSdkKeyBody(AppBody):
    """A new SDK key, with at most one of the three lifetime fields; none: the organization's default."""

    name = Text(max_length=100)
    platform = Text(max_length=20)
    expires_in_days = StrictInteger(required=False, allow_null=True, min_value=1, max_value=MAX_DAYS)
    expires_at = Text(max_length=40, required=False, allow_null=True)
    never_expires = StrictBoolean(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the action."""
        lifetime = lifetime_from(attrs) or Lifetime()
        values = {name: value for name, value in attrs.items() if name not in WAYS}
        values.setdefault("inactive_after_days", DEFAULT_INACTIVE_DAYS)
        return {"new": NewSdkKey(lifetime=lifetime, **values)}


class SdkKeyChangeBody(AppBody):
    """Changes of an SDK key, at least one."""

    takes_no_empty_body = True

    name = Text(max_length=100, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raise ValidationError for an empty body."""
        if not attrs:
            raise serializers.ValidationError({"body": [f"Send one of: {', '.join(sorted(self.fields))}."]})
        return attrs


class VersionsBody(StrictSerializer):
    """The versions that a device reports with a heartbeat."""

    app_version = Reported(required=False, allow_null=True)
    os_version = Reported(required=False, allow_null=True)


class ActivationBody(VersionsBody):
    """A device to activate and its app."""

    device_id = Text(max_length=MAX_DEVICE_ID_LENGTH)
    app_id = Text(max_length=255, required=False, allow_null=True, allow_blank=True)
    cert_sha256 = Text(max_length=95, required=False, allow_null=True, allow_blank=True)


def write_sdk_key(key: SdkKey, last_use: LastUse | None = None, text: str | None = None) -> dict[str, Any]:
    """Return the object of docs/api.md; ``text``: the key in plain text, only in the response that created it."""
    body = {
        "id": key.public_id,
        "name": key.name,
        "platform": str(key.platform),
        "app_id": key.app_id or None,
        "cert_sha256": key.cert_sha256 or None,
        "origins": key.origins,
        "activation_limit": key.pool.activation_limit,
        "active_count": key.pool.active_count,
        "inactive_after_days": key.pool.inactive_after_days,
        "mask": key.mask,
        "status": str(key.status),
        **write_lifecycle(key, last_use),
    }
    return body if text is None else {**body, "key": text}


def archived_keys(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield every key, also expired and revoked ones, masked, for the data export."""
    return serialize_in_batches(SdkKey.objects.for_actor(actor), write_sdk_key)


def write_own_activation(activation: Activation, token: str | None = None) -> dict[str, Any]:
    """Return an activation as its device sees it; ``token`` only in the response to activation."""
    body: dict[str, Any] = {"id": activation.public_id}
    if token is not None:
        body["token"] = token
    return {
        **body,
        "created_at": format_timestamp(activation.created_at),
        "expires_at": format_timestamp(activation.expires_at),
    }


def write_activation(activation: Activation) -> dict[str, Any]:
    """Return an activation as its organization sees it."""
    return {
        "id": activation.public_id,
        "status": "active" if activation.freed_at is None else "freed",
        "app_version": activation.app_version or None,
        "os_version": activation.os_version or None,
        "created_at": format_timestamp(activation.created_at),
        "last_seen_at": format_timestamp(activation.last_seen_at),
        "last_seen_from": activation.last_seen_from or None,
        "expires_at": format_timestamp(activation.expires_at) if activation.freed_at is None else None,
        "freed_at": format_timestamp(activation.freed_at),
        "freed_because": activation.freed_because or None,
    }
