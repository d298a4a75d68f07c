"""API operations shared by keys of all kinds, and those of leak reports and descendants."""

from functools import partial
from typing import Any

from apps.base.actor import ActorKind
from apps.base.rest.operations import Operation, Parameter, ResponseSpec
from apps.base.rest.serializers import StrictSerializer
from apps.base.rest.shapes import (
    Schema,
    Shape,
    listed,
    moment,
    nullable,
    public_id,
    record,
    text,
    whole,
    word,
)
from apps.credentials.filters import CREATOR, MAX_NAME_LENGTH
from apps.credentials.key_status import RELEASE, KeyStatus
from apps.credentials.serializers import EndDescendantsBody, LeakBody, NothingBody, ReasonBody, RotateBody


def lifecycle_fields(prefix: str) -> dict[str, Schema]:
    """Return the fields that all kinds of keys share; ``prefix``: of the key's id."""
    return {
        "created_at": moment(),
        "created_by": record(kind=word(tuple(ActorKind)), id=text(), label=text()),
        "expires_at": nullable(moment()),
        "last_used_at": nullable(moment()),
        "last_used_from": nullable(text()),
        "replaces": nullable(public_id(prefix)),
        "replaced_by": nullable(public_id(prefix)),
    }


LIFECYCLE_EXAMPLE: dict[str, Any] = {
    "created_at": "2026-11-22T10:00:00Z",
    "created_by": {"kind": "user", "id": "user_01JD2V8Q4ZK7M3X9T5B6CW", "label": "Ada Martin"},
    "expires_at": "2027-02-20T10:00:00Z",
    "last_used_at": "2026-11-24T08:12:30Z",
    "last_used_from": "203.0.113.24",
    "replaces": None,
    "replaced_by": None,
}
CREATOR_ID: Schema = {
    "type": "string",
    "pattern": f"^{CREATOR.pattern}$",
    "examples": ["user_01JD2V8Q4ZK7M3X9T5B6CW"],
}
CREATED_BY = Parameter(
    "created_by",
    "Only keys that this user or API key created, also by rotating. The id stays valid after the user is removed.",
    CREATOR_ID,
)
STATUS = word([str(each) for each in KeyStatus.values])
KEY_FILTERS = (
    CREATED_BY,
    Parameter("status", "Only keys with one of these statuses.", STATUS, many=True),
    Parameter(
        "name",
        "Only keys whose name contains this text, in upper or lower case.",
        {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH},
    ),
)


def lifecycle_operations(
    name: str,
    noun: str,
    key: Shape,
    new_key: Shape,
    *,
    update: tuple[str, type[StrictSerializer], dict[str, Any]],
    rotate: tuple[str, dict[str, Any]],
    revoke: tuple[str, type[StrictSerializer], dict[str, Any]],
) -> dict[str, Operation]:
    """Return the operations of one key, keyed by the last words of their paths.

    ``name``: the suffix of the operation ids; ``noun``: the name of a key in summaries, with its article. The other
    arguments: summary, body and example of the operations that differ between kinds.
    """
    bare = noun.partition(" ")[2]
    now = {200: ResponseSpec("The key as it is now.", key)}
    made = {201: ResponseSpec("The successor, with its text this once.", new_key)}
    end = partial(Operation, step_up=True, error_codes=("conflict",))
    change = partial(Operation, step_up=True, error_codes=("forbidden", "conflict"))
    off, on = f"Switch {noun} off until it is enabled.", f"Switch a disabled {bare} on again."
    return {
        "get": Operation(f"get{name}", f"Return one {bare}.", {200: ResponseSpec("The key.", key)}),
        "update": change(f"update{name}", update[0], now, *update[1:]),
        "rotate": change(f"rotate{name}", rotate[0], made, RotateBody, rotate[1]),
        "revoke": end(f"revoke{name}", revoke[0], now, *revoke[1:]),
        "disable": end(f"disable{name}", off, now, ReasonBody, {"reason": "Under repair"}),
        "enable": change(f"enable{name}", on, now, NothingBody, {}),
        "release": change(f"release{name}", RELEASE % noun, now, NothingBody, {}),
    }


REPORT_LEAK = Operation(
    "reportLeakedKey",
    "Take the report of a leaked key; the answer is the same whether there is such a key or not.",
    {202: ResponseSpec("Taken; the same whether there is such a key or not.", Shape("Taken", record(), {}))},
    LeakBody,
    {"key": "ipk_REPLACE_WITH_THE_KEY_THAT_YOU_FOUND", "where": "https://example.com/public-repository"},
)

KIND = word(("api_key", "sdk_key", "user", "invitation", "endpoint"))
CREATOR_EXAMPLE = "key_01JD2V8Q4ZK7M3X9T5B6CW"
CHILD = {"kind": "api_key", "id": "key_01JD2V8Q4ZK7M3X9T5B6CX", "name": "Nightly export"}
DESCENDANT = Shape(
    "Descendant",
    record(
        kind=KIND,
        id=text(),
        name=text(),
        status=text(),
        created_at=moment(),
        created_by=record(kind=word(tuple(ActorKind)), id=text(), label=text()),
    ),
    {
        **CHILD,
        "status": "active",
        "created_at": "2026-11-22T10:00:00Z",
        "created_by": {"kind": "api_key", "id": CREATOR_EXAMPLE, "label": "Production server"},
    },
)
DESCENDANTS = Shape(
    "Descendants",
    record(of=CREATOR_ID, total=whole(), descendants=listed(DESCENDANT.schema)),
    {"of": CREATOR_EXAMPLE, "total": 1, "descendants": [DESCENDANT.example]},
)
ENDED = Shape(
    "EndedDescendants",
    record(
        ended=listed(record(kind=KIND, id=text(), name=text())),
        kept=listed(record(kind=KIND, id=text(), name=text(), error=text())),
        remaining=whole(),
    ),
    {"ended": [CHILD], "kept": [], "remaining": 0},
)
LIST_DESCENDANTS = Operation(
    "listDescendants",
    "List what a user or an API key created that still works, also through keys that it created, oldest first.",
    {200: ResponseSpec("The first 1,000, oldest first, of those kinds that the caller may read.", DESCENDANTS)},
    parameters=(
        Parameter(
            "of",
            "Whose descendants: a user or an API key, also one that was removed or has ended.",
            CREATOR_ID,
            required=True,
            example=CREATOR_EXAMPLE,
        ),
    ),
)
END_DESCENDANTS = Operation(
    "endDescendants",
    "Revoke keys and invitations, remove members and pause endpoints that a user or an API key created.",
    {200: ResponseSpec("What was ended, what was kept and why, and how many are left for another request.", ENDED)},
    EndDescendantsBody,
    {"of": CREATOR_EXAMPLE, "reason": "Leaked"},
    step_up=True,
)
