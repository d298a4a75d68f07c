"""Request bodies and serialization shared by keys of all kinds."""

from collections.abc import Callable, Iterator
from typing import Any

from rest_framework import serializers

from apps.audit.calls.usage_counters import last_uses
from apps.audit.models import LastUse
from apps.base.extension_points.data_export_providers import in_batches
from apps.base.extension_points.descendants import Descendant
from apps.base.rest.serializers import (
    SECRET_INPUT,
    Opaque,
    StrictInteger,
    StrictSerializer,
    Text,
    TextList,
)
from apps.base.timestamps import format_timestamp, parse_timestamp
from apps.credentials.filters import CREATOR
from apps.credentials.leaks import MAX_LOCATION_LENGTH
from apps.credentials.lifecycle.transitions import Key
from apps.credentials.models import SecretKey, SecretKeyQuerySet
from apps.credentials.rules import MAX_OVERLAP, MAX_REASON_LENGTH, Lifetime

DEFAULT_OVERLAP_SECONDS = 24 * 3600
WAYS = ("expires_in_days", "expires_at", "never_expires")
MAX_OVERLAP_SECONDS = int(MAX_OVERLAP.total_seconds())


class LeakBody(StrictSerializer):
    """A key that was found in public, and where. Any text is accepted: the response does not reveal valid keys."""

    key = Opaque(max_length=1000, style=SECRET_INPUT)
    where = Opaque(max_length=MAX_LOCATION_LENGTH, required=False, allow_blank=True)


class CreatorId(Text):
    """The public id of a user or of an API key, which may no longer exist."""

    default_error_messages = {"creator": "Send the id of a user or of an API key: user_… or key_…."}

    def to_internal_value(self, data: Any) -> str:
        """Raise ValidationError for any other format."""
        text = super().to_internal_value(data)
        if not CREATOR.fullmatch(text):
            self.fail("creator")
        return text


class EndDescendantsBody(StrictSerializer):
    """Whose descendants are ended, which of them (default: all), and why."""

    of = CreatorId(max_length=40)
    only = TextList(required=False, min_length=1, max_length=1000)
    reason = Text(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True)


class RotateBody(StrictSerializer):
    """How long the old key keeps working: from 0 seconds to 30 days."""

    overlap_seconds = StrictInteger(min_value=0, max_value=MAX_OVERLAP_SECONDS, default=DEFAULT_OVERLAP_SECONDS)


class NothingBody(StrictSerializer):
    """A body without fields."""


class ReasonBody(StrictSerializer):
    """A reason for a state change."""

    reason = Text(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True)


def serialize_in_batches(
    keys: SecretKeyQuerySet[Key], write: Callable[[Key, LastUse | None], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield every key's object, reading keys in batches."""
    for batch in in_batches(keys.with_related()):
        uses = last_uses([key.pk for key in batch])
        yield from (write(key, uses.get(key.pk)) for key in batch)


def write_lifecycle(key: SecretKey, last_use: LastUse | None) -> dict[str, Any]:
    """Return the fields that objects of all kinds of keys share: creation, expiry, last use, rotation."""
    successor = getattr(key, "replaced_by", None)
    return {
        "created_at": format_timestamp(key.created_at),
        "created_by": {"kind": key.created_by_kind, "id": key.created_by_id, "label": key.created_by_label},
        "expires_at": format_timestamp(key.expires_at),
        "last_used_at": format_timestamp(last_use.at) if last_use else None,
        "last_used_from": (last_use.address or None) if last_use else None,
        "replaces": key.replaces.public_id if key.replaces else None,
        "replaced_by": successor.public_id if successor else None,
    }


def lifetime_from(body: dict[str, Any]) -> Lifetime | None:
    """Return the lifetime from the one of three fields that is set, or None; ValidationError where several are."""
    ways = [name for name in WAYS if body.get(name)]
    if len(ways) > 1:
        raise serializers.ValidationError({name: ["Give only one of these."] for name in ways})
    if "expires_in_days" in ways:
        return Lifetime.days(body["expires_in_days"])
    if "expires_at" in ways:
        return Lifetime(expires_at=parse_timestamp("expires_at", body["expires_at"]), field="expires_at")
    return Lifetime(never=True, field="never_expires") if ways else None


def write_descendant(row: Descendant) -> dict[str, Any]:
    """Return the object of a descendant."""
    return {
        "kind": row.kind,
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "created_at": format_timestamp(row.created_at),
        "created_by": {"kind": row.created_by_kind, "id": row.created_by_id, "label": row.created_by_label},
    }
