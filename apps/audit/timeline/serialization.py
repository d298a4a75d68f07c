"""Rows of the audit log as API objects and as lines of an export."""

from collections.abc import Sequence
from typing import Any

from apps.audit.models import Outcome
from apps.audit.timeline.sources import Http, Row
from apps.base.rest.fields import (
    AnyObject,
    Choice,
    Decimal,
    Id,
    Nested,
    StrictInteger,
    StrictString,
    Timestamp,
    computed,
)
from apps.base.rest.renderers import to_json
from apps.base.rest.serializers import ResponseSerializer
from apps.base.web.downloads import UTF8_BOM, csv_text

DURATION_DIGITS = 3
CSV, JSONL = "csv", "jsonl"
FORMATS = (CSV, JSONL)
# JSON Lines has no registered media type; this one is the most common.
CONTENT_TYPES = {CSV: "text/csv; charset=utf-8", JSONL: "application/x-ndjson"}

CATEGORIES = ("change", "api_call", "delivery")


class ActorSerializer(ResponseSerializer):
    """Who did it."""

    kind = StrictString("The kind of actor: user, api_key, sdk_key, operator or system.", example="user")
    id = StrictString("The actor's id.", example="user_01JD2V8Q4ZK7M3X9T5B6CW")
    label_ = StrictString("The actor's name at that time.", example="Ada Martin", name="label", source="label")


class TargetSerializer(ResponseSerializer):
    """What it was done to."""

    kind = StrictString("The kind of object.", example="api_key")
    id = StrictString("The object's id; of a call its route.", example="key_01JD2V8Q4ZK7M3X9T5B6CW")
    label_ = StrictString("The object's name at that time.", example="Production server", name="label", source="label")


class SourceSerializer(ResponseSerializer):
    """Where the request came from."""

    address = StrictString("The IP address.", example="203.0.113.24", allow_null=True)
    user_agent = StrictString("What the client calls itself.", example="curl/8.5.0")


class HttpSerializer(ResponseSerializer):
    """The HTTP request of a call or of a delivery's attempt."""

    method_ = StrictString("The HTTP method.", example="GET", name="method", source="method")
    route = StrictString(
        "The path, with its parameters in braces; of a delivery the event's type.", example="/v1/users"
    )
    status = StrictInteger("The HTTP status of the response.", example=200, allow_null=True)

    @computed(Decimal("How many milliseconds it took.", example=12.5, allow_null=True))
    def duration_ms(self, http: Http) -> float | None:
        return None if http.duration_ms is None else round(http.duration_ms, DURATION_DIGITS)

    url = StrictString(
        "Where a delivery was sent, also after its endpoint got another URL; null where that is not known. The values "
        "of the query are masked. Only deliveries have it.",
        allow_null=True,
        required=False,
    )


class AuditEntrySerializer(ResponseSerializer):
    """An entry of the audit log: a change, a call of the API, or an attempt to deliver."""

    id = Id("The entry's id.", prefix="aud")
    seq = StrictInteger(
        "The number of a sealed change, from 1 without gaps; null for others, and until it is sealed.",
        example=41,
        allow_null=True,
        min_value=1,
    )
    hash = StrictString(
        "The SHA-256 hash that seals a change and those before it.",
        example="9f" * 32,
        pattern="^[0-9a-f]{64}$",
        allow_null=True,
    )
    category = Choice(CATEGORIES, "The kind of entry.")
    at = Timestamp("When it happened.", milliseconds=True)
    actor = Nested(ActorSerializer, "Who did it.")
    action = StrictString("What was done, as a word that does not change.", example="api_key.revoked")
    sentence = StrictString("What was done, in words.", example="API key revoked")
    target = Nested(TargetSerializer, "What it was done to.")
    changes = AnyObject(
        "The fields that changed, each with the values before and after.",
        example={"status": ["active", "revoked"]},
        values={"type": "array", "items": {}},
    )
    outcome = Choice(Outcome.values, "How it ended.")
    source_ = Nested(SourceSerializer, "Where the request came from.", name="source", source="*")
    request_id = StrictString("The id of the request.", example="req-01JD2V8Q4ZK7")
    http = Nested(HttpSerializer, "The HTTP request; null for changes.", example=None, allow_null=True)

    def to_representation(self, instance: Row) -> dict[str, Any]:
        """Return the entry; of HTTP requests, only those of deliveries have a URL."""
        body = super().to_representation(instance)
        # As stored, also where it is empty: the hash of a change covers it.
        body["source"]["address"] = instance.address
        if instance.http is not None and instance.category == "delivery":
            body["http"]["url"] = instance.http.url
        return body


# The columns of CSV: the fields of an entry, those of an object within it one by one.
FIELDS = tuple(
    (name, inner)
    for name, field in AuditEntrySerializer._declared_fields.items()
    for inner in (field.serializer._declared_fields if isinstance(field, Nested) else [""])
)
COLUMNS = tuple(f"{name}_{inner}" if name in ("actor", "target") else inner or name for name, inner in FIELDS)


def write_row(row: Row) -> dict[str, Any]:
    """Return one row in the shape of ``GET /v1/audit-log``."""
    return AuditEntrySerializer.write(row)


def write_head(file_format: str) -> str:
    """Return the start of an export: the column names in CSV, nothing in JSON Lines."""
    return UTF8_BOM + csv_text([COLUMNS]) if file_format == CSV else ""


def write_lines(file_format: str, rows: Sequence[Row]) -> str:
    """Return rows as lines of an export: JSON objects as in the API, or CSV cells that no spreadsheet evaluates."""
    objects = [write_row(row) for row in rows]
    if file_format == CSV:
        return csv_text(map(_cells, objects))
    return "".join(f"{to_json(each)}\n" for each in objects)


def write_failure(file_format: str, error: str, code: str) -> str:
    """Return the last line of an export that failed."""
    if file_format == CSV:
        return csv_text([[error, code]])
    return f"{to_json({'error': error, 'code': code})}\n"


def _cells(entry: dict[str, Any]) -> list[object]:
    written = {**entry, "changes": to_json(entry["changes"]) if entry["changes"] else ""}
    return [(written[name] or {}).get(inner) if inner else written[name] for name, inner in FIELDS]
