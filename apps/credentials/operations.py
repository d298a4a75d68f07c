"""What keys of any kind take and answer alike, and ``/v1/leaked-keys``."""

from typing import Any

from apps.base.actor import ActorKind
from apps.base.operations import Answer, Operation, Parameter
from apps.base.shapes import Schema, Shape, moment, nullable, public_id, record, text, word
from apps.credentials.filters import CREATOR
from apps.credentials.models import KeyStatus
from apps.credentials.serializers import LeakBody


def life(prefix: str) -> dict[str, Schema]:
    """This will return the fields that tell of a key's life; ``prefix`` is that of its id."""
    return {
        "created_at": moment(),
        "created_by": record(kind=word(tuple(ActorKind)), id=text(), label=text()),
        "expires_at": nullable(moment()),
        "last_used_at": nullable(moment()),
        "last_used_from": nullable(text()),
        "replaces": nullable(public_id(prefix)),
        "replaced_by": nullable(public_id(prefix)),
    }


LIFE_EXAMPLE: dict[str, Any] = {
    "created_at": "2026-11-22T10:00:00Z",
    "created_by": {"kind": "user", "id": "user_01JD2V8Q4ZK7M3X9T5B6CW", "label": "Ada Martin"},
    "expires_at": "2027-02-20T10:00:00Z",
    "last_used_at": "2026-11-24T08:12:30Z",
    "last_used_from": "203.0.113.24",
    "replaces": None,
    "replaced_by": None,
}
CREATED_BY = Parameter(
    "created_by",
    "Only keys that this user or API key created, also by rotating. The id stays valid after the user is removed.",
    {"type": "string", "pattern": f"^{CREATOR.pattern}$", "examples": ["user_01JD2V8Q4ZK7M3X9T5B6CW"]},
)
STATUS = word([str(each) for each in KeyStatus.values])

REPORT_LEAK = Operation(
    "reportLeakedKey",
    {202: Answer("Taken; the same whether there is such a key or not.", Shape("Taken", record(), {}))},
    LeakBody,
    {"key": "ipk_REPLACE_WITH_THE_KEY_THAT_YOU_FOUND", "where": "https://example.com/public-repository"},
)
