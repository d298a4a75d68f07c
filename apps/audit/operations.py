"""The API operations of ``/v1/audit-log``: parameters and responses."""

from apps.audit.models import Outcome
from apps.audit.timeline.serialization import FORMATS
from apps.base.rest.operations import Operation, Paging, Parameter, ResponseSpec, time_range_parameters
from apps.base.rest.shapes import (
    Shape,
    listed,
    moment,
    nullable,
    record,
    text,
    whole,
    word,
)

# ``url``: only for deliveries.
HTTP = record(
    ("url",),
    method=text(),
    route=text(),
    status=nullable(whole()),
    duration_ms=nullable({"type": "number"}),
    url=nullable(text()),
)
PARTY = record(kind=text(), id=text(), label=text())
ENTRY = Shape(
    "AuditEntry",
    record(
        id=text(),
        seq=nullable(whole(1)),
        hash=nullable(text("^[0-9a-f]{64}$")),
        category=word(("change", "api_call", "delivery")),
        at=moment(milliseconds=True),
        actor=PARTY,
        action=text(),
        sentence=text(),
        target=PARTY,
        changes={"type": "object", "additionalProperties": listed({})},
        outcome=word([str(each) for each in Outcome.values]),
        source=record(address=nullable(text()), user_agent=text()),
        request_id=text(),
        http=nullable(HTTP),
    ),
    {
        "id": "aud_01JD2V8Q4ZK7M3X9T5B6CW",
        "seq": 41,
        "hash": "9f" * 32,
        "category": "change",
        "at": "2026-11-24T08:12:30.118Z",
        "actor": {"kind": "user", "id": "user_01JD2V8Q4ZK7M3X9T5B6CW", "label": "Ada Martin"},
        "action": "api_key.revoked",
        "sentence": "API key revoked",
        "target": {"kind": "api_key", "id": "key_01JD2V8Q4ZK7M3X9T5B6CW", "label": "Production server"},
        "changes": {"status": ["active", "revoked"]},
        "outcome": "success",
        "source": {"address": "203.0.113.24", "user_agent": "curl/8.5.0"},
        "request_id": "req-01JD2V8Q4ZK7",
        "http": None,
    },
)
KEY_ID_PATTERN = "^(key|sdk)_[0-9A-Za-z]{22}$"
FILTERS = (
    Parameter("category", "Only entries of these kinds.", word(("change", "api_call", "delivery")), many=True),
    Parameter(
        "actor", "Only what this person or key did; or `system`.", text("^((user|key|sdk)_[0-9A-Za-z]{22}|system)$")
    ),
    Parameter("action", "Only these actions, such as `api_key.revoked`.", text("^[a-z_]+\\.[a-z_]+$"), many=True),
    Parameter("target", "Only what was done to this: an id, or the route of a call such as `/v1/users`.", text()),
    Parameter("key", "Only what this key did, or what was done to it.", text(KEY_ID_PATTERN)),
    *time_range_parameters("entries"),
    Parameter("request_id", "Only the entries of this request.", text("^[A-Za-z0-9._-]{8,64}$")),
)

LIST_AUDIT_LOG = Operation(
    "listAuditLog",
    "List what happened, newest first, changes that are not yet sealed included.",
    {200: ResponseSpec("What happened, newest first.", ENTRY, many=True)},
    paging=Paging.CURSOR,
    parameters=FILTERS,
)
EXPORT_AUDIT_LOG = Operation(
    "exportAuditLog",
    "Send everything that matches, changes once sealed; the rows are read while they are sent.",
    {200: ResponseSpec("The log as a file, oldest first.", media_types=("text/csv", "application/x-ndjson"))},
    parameters=(Parameter("format", "The form of the file.", word(FORMATS), required=True, example="jsonl"), *FILTERS),
    error_codes=("forbidden",),
)
