"""Request bodies and serialization of SDK keys and activations."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from apps.base.actor import Actor
from apps.base.rest.fields import (
    Choice,
    Id,
    PlainText,
    Schema,
    StrictInteger,
    StrictString,
    TextList,
    Timestamp,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer, one_time_secret
from apps.base.text.redaction import redact_and_truncate
from apps.base.text.validation import INVISIBLE_CHARACTERS
from apps.credentials.rules import Lifetime
from apps.credentials.serializers import EXPIRY_FIELDS, KeySerializer, NewKeyBody, lifetime_from
from apps.sdk_keys.actions import NewSdkKey
from apps.sdk_keys.actions.app_rules import MAX_DEVICES, MAX_INACTIVE_DAYS
from apps.sdk_keys.models import (
    DEFAULT_INACTIVE_DAYS,
    MAX_REPORTED_LENGTH,
    Activation,
    DeactivationReason,
    Platform,
    SdkKey,
)

MAX_DEVICE_ID_LENGTH = 200
AS_REPORTED = f"It is cut at {MAX_REPORTED_LENGTH} characters and loses invisible ones; a number is taken as text."


class Reported(StrictString):
    """A text that a device reports. It is corrected, never refused, because released apps are hard to fix."""

    def __init__(self, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, allow_blank=True, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the text on one line, with keys redacted, truncated to ``MAX_REPORTED_LENGTH``."""
        is_number = isinstance(data, (int, float)) and not isinstance(data, bool)
        text = super().to_internal_value(str(data) if is_number else data)
        visible = "".join(letter if letter.isprintable() else " " for letter in INVISIBLE_CHARACTERS.sub(" ", text))
        return redact_and_truncate(" ".join(visible.split()), MAX_REPORTED_LENGTH)

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a string; of what else devices send, numbers are taken too."""
        return {"type": ["string", "number"]} if is_body else super().type_schema(is_body)


# Objects


class SdkKeySerializer(KeySerializer):
    """An SDK key, for the copies of one app."""

    id = KeySerializer.field("id", prefix="sdk")
    name = KeySerializer.field("name", example="iOS app")
    mask = KeySerializer.field("mask", example="ips_7c1D••••a8Qe")
    platform = Choice(Platform.values, "What the app runs on.")
    app_id = PlainText(
        "The bundle id (iOS) or the package name (Android) of the app.",
        example="com.acme.app",
        allow_null=True,
        max_length=255,
    )
    cert_sha256 = PlainText(
        "The SHA-256 fingerprint of the certificate that the app is signed with, for Android: 64 hexadecimal digits. "
        "Sent with or without colons; returned in upper case with colons.",
        allow_null=True,
        max_length=95,
    )
    origins = TextList(
        "The origins that the key is accepted from, for the web, 1 to 20: scheme, host and port, as browsers send "
        "them; http only for localhost. Also those of apps and extensions, such as `capacitor://localhost` and "
        "`chrome-extension://…`.",
        example=[],
    )
    activation_limit = StrictInteger(
        "How many devices can be active at once; null: any number.",
        example=500,
        allow_null=True,
        min_value=1,
        max_value=MAX_DEVICES,
        source="pool.activation_limit",
    )
    active_count = StrictInteger("How many devices are active.", example=412, source="pool.active_count")
    inactive_after_days = StrictInteger(
        "After how many days without a call a device is deactivated; null: never.",
        example=90,
        allow_null=True,
        min_value=1,
        max_value=MAX_INACTIVE_DAYS,
        source="pool.inactive_after_days",
    )
    replaces = KeySerializer.field("replaces", prefix="sdk", source="replaces_id")
    replaced_by = KeySerializer.field("replaced_by", prefix="sdk")


class SdkKeyWithSecretSerializer(SdkKeySerializer):
    """An SDK key with its secret, which is in the response that creates it and never again."""

    key = one_time_secret(
        "The key itself. A response that is repeated for an Idempotency-Key lacks it.",
        example="ips_SHOWN_ONCE_IN_THIS_ANSWER",
    )


def archived_keys(actor: Actor) -> Iterator[dict[str, Any]]:
    """Yield every key, also expired and revoked ones, masked, for the data export."""
    return SdkKeySerializer.write_in_batches(SdkKey.objects.for_actor(actor))


class DeviceActivationSerializer(ResponseSerializer):
    """An activation as its device sees it."""

    id = Id("The activation's id.", prefix="act")
    created_at = Timestamp("When the device was activated.")
    expires_at = Timestamp(
        "When the device is deactivated unless it calls before; null: never.",
        example="2027-02-22T08:12:30Z",
        allow_null=True,
    )


class DeviceActivationWithTokenSerializer(DeviceActivationSerializer):
    """An activation with its token, which is in the response that activates the device and never again."""

    @computed(StrictString("What the device sends as X-Activation-Token.", example="SHOWN_ONCE_IN_THIS_ANSWER"))
    def token(self, _activation: Activation) -> str:
        return str(self.context["token"])


class ActivationSerializer(ResponseSerializer):
    """An activation as its organization sees it."""

    id = DeviceActivationSerializer.field("id")

    @computed(Choice(("active", "freed"), "Whether the device is active, or was deactivated."))
    def status(self, activation: Activation) -> str:
        return "active" if activation.freed_at is None else "freed"

    app_version = StrictString("The version of the app that the device reported.", example="4.2.0", allow_null=True)
    os_version = StrictString("The version of the system that it reported.", example="iOS 26.1", allow_null=True)
    created_at = DeviceActivationSerializer.field("created_at")
    last_seen_at = Timestamp("When the device called last.", example="2026-11-24T08:12:30Z", allow_null=True)
    last_seen_from = StrictString("The IP address that it called from.", example="203.0.113.24", allow_null=True)

    @computed(DeviceActivationSerializer.field("expires_at"))
    def expires_at(self, activation: Activation) -> datetime | None:
        return activation.expires_at if activation.freed_at is None else None

    freed_at = Timestamp("When it was deactivated.", allow_null=True)
    freed_because = Choice(DeactivationReason.values, "Why it was deactivated.", example=None, allow_null=True)


# Bodies


class AppBody(StrictSerializer):
    """The app that a key belongs to and its device limit."""

    app_id = SdkKeySerializer.field("app_id", required=False)
    cert_sha256 = SdkKeySerializer.field("cert_sha256", required=False, allow_blank=True)
    origins = SdkKeySerializer.field("origins", required=False, allow_null=True)
    activation_limit = SdkKeySerializer.field("activation_limit", required=False)
    inactive_after_days = SdkKeySerializer.field("inactive_after_days", required=False)


class CreateSdkKeyBody(AppBody, NewKeyBody):
    """A new SDK key, with at most one of the three lifetime fields; none: the organization's default."""

    usual = ["name", "platform", "app_id", "activation_limit"]

    name = SdkKeySerializer.field("name")
    platform = PlainText("What the app runs on: ios, android or web.", example="ios", max_length=20)
    inactive_after_days = AppBody.field(
        "inactive_after_days",
        help_text="After how many days without a call a device is deactivated; null: never. "
        f"{DEFAULT_INACTIVE_DAYS} unless given.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the action."""
        lifetime = lifetime_from(attrs) or Lifetime()
        values = {name: value for name, value in attrs.items() if name not in EXPIRY_FIELDS}
        values.setdefault("inactive_after_days", DEFAULT_INACTIVE_DAYS)
        return {"new": NewSdkKey(lifetime=lifetime, **values)}


class UpdateSdkKeyBody(AppBody):
    """Changes of an SDK key, at least one."""

    requires_a_field = True
    usual = ["activation_limit"]

    name = SdkKeySerializer.field("name", required=False)


class HeartbeatBody(StrictSerializer):
    """The versions that a device reports with a heartbeat."""

    usual = ["app_version"]

    app_version = Reported(f"The version of the app. {AS_REPORTED}", example="4.2.0", required=False, allow_null=True)
    os_version = Reported(
        f"The version of the system. {AS_REPORTED}", example="iOS 26.1", required=False, allow_null=True
    )


class ActivateDeviceBody(HeartbeatBody):
    """A device to activate and its app."""

    usual = ["device_id", "app_id", "app_version"]

    device_id = PlainText(
        "What tells this device from others, always the same.",
        example="3F2504E0-4F89-11D3-9A0C-0305E82C3301",
        max_length=MAX_DEVICE_ID_LENGTH,
    )
    app_id = SdkKeySerializer.field("app_id", required=False, allow_blank=True)
    cert_sha256 = SdkKeySerializer.field("cert_sha256", required=False, allow_blank=True)
