"""Request bodies and serialization shared by keys of all kinds."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rest_framework import serializers

from apps.audit.calls.usage_counters import last_uses
from apps.audit.models import LastUse
from apps.base.actor import ActorKind
from apps.base.extension_points.data_export_providers import iterate_in_batches
from apps.base.rest.fields import (
    SECRET_INPUT,
    Choice,
    Id,
    ListOf,
    Nested,
    PlainText,
    StrictBoolean,
    StrictInteger,
    StrictString,
    TextList,
    Timestamp,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer
from apps.base.timestamps import parse_timestamp
from apps.credentials.filters import CREATOR
from apps.credentials.key_status import KeyStatus
from apps.credentials.leaks import MAX_LOCATION_LENGTH
from apps.credentials.lifecycle.transitions import Key
from apps.credentials.models import SecretKey, SecretKeyQuerySet
from apps.credentials.rules import MAX_DAYS, MAX_OVERLAP, MAX_REASON_LENGTH, Lifetime

CREATOR_EXAMPLE = "key_01JD2V8Q4ZK7M3X9T5B6CW"
DEFAULT_OVERLAP_SECONDS = 24 * 3600
DESCENDANT_KINDS = ("api_key", "sdk_key", "user", "invitation", "endpoint")
EXPIRY_FIELDS = ("expires_in_days", "expires_at", "never_expires")
MAX_OVERLAP_SECONDS = int(MAX_OVERLAP.total_seconds())


class LeakBody(StrictSerializer):
    """A key that was found in public, and where. Any text is accepted: the response does not reveal valid keys."""

    usual = ["key", "where"]

    key = StrictString(
        "The key that was found. White space around it is cut.",
        example="ipk_REPLACE_WITH_THE_KEY_THAT_YOU_FOUND",
        max_length=1000,
        style=SECRET_INPUT,
    )
    where = StrictString(
        "Where it was found: a URL or a text.",
        example="https://example.com/public-repository",
        max_length=MAX_LOCATION_LENGTH,
        required=False,
        allow_blank=True,
    )


class CreatorId(PlainText):
    """The public id of a user or of an API key, which may no longer exist."""

    default_error_messages = {"creator": "Send the id of a user or of an API key: user_… or key_…."}
    default_example = CREATOR_EXAMPLE

    def __init__(self, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, pattern=f"^{CREATOR.pattern}$", **options)

    def to_internal_value(self, data: Any) -> str:
        """Raise ValidationError for any other format."""
        text = super().to_internal_value(data)
        if not CREATOR.fullmatch(text):
            self.fail("creator")
        return text


class EndDescendantsBody(StrictSerializer):
    """Whose descendants are ended, which of them (default: all), and why."""

    usual = ["of", "reason"]

    of = CreatorId("The user or API key whose descendants are ended.", max_length=40)
    only = TextList(
        "The ids of the descendants to end; all of them if left out.",
        example=["key_01JD2V8Q4ZK7M3X9T5B6CX"],
        required=False,
        min_length=1,
        max_length=1000,
    )
    reason = PlainText(
        "Why, for the audit log.", example="Leaked", max_length=MAX_REASON_LENGTH, required=False, allow_blank=True
    )


class RotateKeyBody(StrictSerializer):
    """How long the old key keeps working."""

    usual = ["overlap_seconds"]

    overlap_seconds = StrictInteger(
        "For how many seconds the old key keeps working: up to 30 days; 0 ends it at once.",
        example=86400,
        min_value=0,
        max_value=MAX_OVERLAP_SECONDS,
        default=DEFAULT_OVERLAP_SECONDS,
    )


class ReasonBody(StrictSerializer):
    """A reason for a change of state."""

    usual = ["reason"]

    reason = PlainText(
        "Why, for the audit log.",
        example="No longer needed",
        max_length=MAX_REASON_LENGTH,
        required=False,
        allow_blank=True,
    )


class CreatorSerializer(ResponseSerializer):
    """Who created something: a user, a key, an operator or the portal."""

    kind = Choice(ActorKind, "The kind of creator.", source="created_by_kind")
    id = StrictString(
        "The creator's id, which stays after the creator is gone.",
        example="user_01JD2V8Q4ZK7M3X9T5B6CW",
        source="created_by_id",
    )
    label_ = StrictString(
        "The creator's name at that time.", example="Ada Martin", name="label", source="created_by_label"
    )


class KeySerializer(ResponseSerializer):
    """A key of any kind.

    Context: ``last_uses``, LastUse rows by primary key.
    """

    id = Id("The key's id.", prefix="")
    name = PlainText("The name that people know the key by.", example="Production server", max_length=100)
    mask = StrictString("The key with most of it hidden, as the pages show it.", example="ipk_8Kq2••••x9Tf")
    status = Choice(KeyStatus.values, "The state that the key is in.", example="active")
    created_at = Timestamp("When the key was created.")
    created_by = Nested(CreatorSerializer, "Who created the key.", source="*")
    expires_at = Timestamp("When the key stops working; null: never.", example="2027-02-20T10:00:00Z", allow_null=True)

    @computed(
        Timestamp("When the key was last accepted; null: never.", example="2026-11-24T08:12:30Z", allow_null=True)
    )
    def last_used_at(self, key: SecretKey) -> datetime | None:
        use = self.last_use(key)
        return use.at if use else None

    @computed(StrictString("The IP address that used it last.", example="203.0.113.24", allow_null=True))
    def last_used_from(self, key: SecretKey) -> str | None:
        use = self.last_use(key)
        return use.address if use else None

    replaces = Id(
        "The key that this one was created from by rotating.", prefix="", source="replaces_id", allow_null=True
    )

    @computed(Id("The key that was created from this one by rotating.", prefix="", allow_null=True))
    def replaced_by(self, key: SecretKey) -> str | None:
        successor = getattr(key, "replaced_by", None)
        return successor.public_id if successor else None

    def last_use(self, key: SecretKey) -> LastUse | None:
        """Return when and from where the key was used last, if the context knows."""
        uses = self.context.get("last_uses")
        return uses.get(key.id) if uses else None

    @classmethod
    def write_in_batches(cls, keys: SecretKeyQuerySet[Key]) -> Iterator[dict[str, Any]]:
        """Yield every key's object, for the organization's data export."""
        for batch in iterate_in_batches(keys.with_related()):
            yield from cls.write_all(batch, last_uses=last_uses([key.pk for key in batch]))


class NewKeyBody(StrictSerializer):
    """What the bodies of all kinds of new keys have: a name, and at most one of three fields for the expiry."""

    name = KeySerializer.field("name")
    expires_in_days = StrictInteger(
        "After how many days it expires.", example=90, required=False, allow_null=True, min_value=1, max_value=MAX_DAYS
    )
    expires_at = PlainText(
        "When it expires: a time, or a date, which is 00:00 UTC of that day.",
        example="2027-02-20T10:00:00Z",
        max_length=40,
        required=False,
        allow_null=True,
    )
    never_expires = StrictBoolean("Whether it never expires.", example=True, required=False)


class DescendantReferenceSerializer(ResponseSerializer):
    """Something that a user or an API key created."""

    kind = Choice(DESCENDANT_KINDS, "What it is.")
    id = StrictString("Its id.", example="key_01JD2V8Q4ZK7M3X9T5B6CX")
    name = StrictString(
        "Its name; of an endpoint its URL, of a person or an invitation the address.", example="Nightly export"
    )


class DescendantSerializer(DescendantReferenceSerializer):
    """Something that a user or an API key created and that still works."""

    status = StrictString("Its state, in the words of its kind.", example="active")
    created_at = Timestamp("When it was created.")
    created_by = Nested(
        CreatorSerializer,
        "Who created it: the user or key that was asked about, or one of its descendants.",
        example={"kind": "api_key", "id": CREATOR_EXAMPLE, "label": "Production server"},
        source="*",
    )


class DescendantsSerializer(ResponseSerializer):
    """What a user or an API key created and that still works."""

    of = CreatorId("The user or API key.")
    total = StrictInteger("How many descendants there are.", example=1)
    descendants = ListOf(Nested(DescendantSerializer), "The first 1,000 of them, oldest first.")


class KeptDescendantSerializer(DescendantReferenceSerializer):
    """A descendant that was not ended."""

    error = StrictString("Why it was kept.", example="You cannot revoke the key that you are using.")


class EndedDescendantsSerializer(ResponseSerializer):
    """What became of descendants."""

    ended = ListOf(Nested(DescendantReferenceSerializer), "Those that were ended.")
    kept = ListOf(Nested(KeptDescendantSerializer), "Those that the caller may not end.", example=[])
    remaining = StrictInteger("How many are left for another request.", example=0)


class LeakReportAcceptedSerializer(ResponseSerializer):
    """An empty object: the same whether or not the key exists."""


def lifetime_from(body: dict[str, Any]) -> Lifetime | None:
    """Return the lifetime from the one of three fields that is set, or None; ValidationError where several are."""
    sent_fields = [name for name in EXPIRY_FIELDS if body.get(name)]
    if len(sent_fields) > 1:
        raise serializers.ValidationError({name: ["Give only one of these."] for name in sent_fields})
    if "expires_in_days" in sent_fields:
        return Lifetime.days(body["expires_in_days"])
    if "expires_at" in sent_fields:
        return Lifetime(expires_at=parse_timestamp("expires_at", body["expires_at"]), field="expires_at")
    return Lifetime(never=True, field="never_expires") if sent_fields else None
