"""Operations of ``/v1/me``, ``/v1/api-keys`` and ``/v1/usage``: their bodies, parameters and responses."""

from typing import Any

from apps.api_keys.serializers import KeyChangeBody, NewKeyBody, RevokeBody, VerifyBody
from apps.audit.calls.usage_report import Interval
from apps.base.rest.operations import Operation, Paging, Parameter, ResponseSpec, time_range_parameters
from apps.base.rest.shapes import (
    Shape,
    listed,
    moment,
    more,
    nullable,
    public_id,
    record,
    shown_once,
    text,
    whole,
    word,
)
from apps.credentials import key_status
from apps.credentials.operations import KEY_FILTERS, LIFECYCLE_EXAMPLE, STATUS, lifecycle_fields, lifecycle_operations

KEY_ID = "key_01JD2V8Q4ZK7M3X9T5B6CW"
MASK = "ipk_8Kq2••••x9Tf"
KEY_TEXT = "ipk_SHOWN_ONCE_IN_THIS_ANSWER"
ORGANIZATION = Shape(
    "OrganizationName",
    record(id=public_id("org"), name=text(), slug=text()),
    {"id": "org_01JD2V8Q4ZK7M3X9T5B6CW", "name": "Acme Travel", "slug": "acme"},
)
WINDOW = Shape(
    "Window",
    record(name=text(), limit=whole(), remaining=whole(), reset_seconds=whole()),
    {"name": "minute", "limit": 100, "remaining": 99, "reset_seconds": 60},
)
CALLING_KEY = Shape(
    "CallingKey",
    record(
        id=public_id("key"),
        name=text(),
        type=text(),
        mask=text(),
        scopes=listed(text()),
        subject=nullable(text()),
        created_at=moment(),
        expires_at=nullable(moment()),
    ),
    {
        "id": KEY_ID,
        "name": "Production server",
        "type": "partner",
        "mask": MASK,
        "scopes": ["users:read", "events:write"],
        "subject": None,
        "created_at": "2026-11-22T10:00:00Z",
        "expires_at": "2027-02-20T10:00:00Z",
    },
)
ME = Shape(
    "Me",
    record(organization=ORGANIZATION.schema, key=CALLING_KEY.schema, limits=listed(WINDOW.schema)),
    {"organization": ORGANIZATION.example, "key": CALLING_KEY.example, "limits": [WINDOW.example]},
)
API_KEY = Shape(
    "ApiKey",
    record(
        id=public_id("key"),
        name=text(),
        type=text(),
        scopes=listed(text()),
        subject=nullable(text()),
        mask=text(),
        status=STATUS,
        allowed_networks=listed(text()),
        limits=record(minute=nullable(whole(1)), hour=nullable(whole(1))),
        **lifecycle_fields("key"),
    ),
    {
        "id": KEY_ID,
        "name": "Production server",
        "type": "partner",
        "scopes": ["users:read", "events:write"],
        "subject": None,
        "mask": MASK,
        "status": "active",
        "allowed_networks": ["203.0.113.0/24"],
        "limits": {"minute": 100, "hour": 5000},
        **LIFECYCLE_EXAMPLE,
    },
)
NEW_API_KEY = shown_once(API_KEY, "NewApiKey", "key", KEY_TEXT, "The key itself: here and never again.")

SERIES = record(at=moment(), count=whole(), errors=whole())
USAGE_FIELDS: dict[str, Any] = {
    "total": whole(),
    "by_status": record(**{"2xx": whole(), "4xx": whole(), "429": whole(), "5xx": whole()}),
    "series": listed(SERIES),
    "routes": listed(record(method=text(), route=text(), count=whole())),
    "addresses": listed(record(address=nullable(text()), count=whole(), last_at=nullable(moment()))),
    "scopes_used": listed(text()),
    "last_used_at": nullable(moment()),
    "last_used_from": nullable(text()),
}
KEY_USAGE = Shape(
    "KeyUsage",
    record(**USAGE_FIELDS),
    {
        "total": 12,
        "by_status": {"2xx": 11, "4xx": 1, "429": 0, "5xx": 0},
        "series": [{"at": "2026-11-24T08:00:00Z", "count": 12, "errors": 1}],
        "routes": [{"method": "GET", "route": "/v1/users", "count": 12}],
        "addresses": [{"address": "203.0.113.24", "count": 12, "last_at": "2026-11-24T08:12:30Z"}],
        "scopes_used": ["users:read"],
        "last_used_at": "2026-11-24T08:12:30Z",
        "last_used_from": "203.0.113.24",
    },
)
USAGE = more(
    KEY_USAGE, "Usage", {"keys": [{"id": KEY_ID, "count": 12}]}, keys=listed(record(id=public_id("key"), count=whole()))
)
GOOD_KEY = record(
    valid={"const": True},
    code={"const": "valid"},
    key=CALLING_KEY.schema,
    organization=ORGANIZATION.schema,
    subject=nullable(text()),
    limits=listed(WINDOW.schema),
)
BAD_KEY = record(
    ("limits",),
    valid={"const": False},
    code=word(
        (
            *("invalid_api_key", *key_status.ERROR_CODES),
            *("organization_suspended", "ip_not_allowed", "insufficient_scope", "rate_limited"),
        )
    ),
    limits=listed(WINDOW.schema),
)
VERDICT = Shape(
    "Verdict",
    {"oneOf": [GOOD_KEY, BAD_KEY]},
    {
        "valid": True,
        "code": "valid",
        "key": CALLING_KEY.example,
        "organization": ORGANIZATION.example,
        "subject": None,
        "limits": [WINDOW.example],
    },
)

GET_ME = Operation(
    "getMe",
    "Describe the calling key.",
    {200: ResponseSpec("The calling key, its organization, what is left of its limits.", ME)},
)
# Keyed by the last segment of the path.
API_KEYS = {
    "list": Operation(
        "listApiKeys",
        "List keys, oldest first, in every state.",
        {200: ResponseSpec("The keys, oldest first, in every state.", API_KEY, many=True)},
        paging=Paging.OFFSET,
        parameters=(
            *KEY_FILTERS,
            Parameter("type", "Only keys of these types.", text("^[A-Za-z0-9_-]{1,40}$"), many=True),
            Parameter("subject", "Only keys of this subject.", {"type": "string", "minLength": 1, "maxLength": 200}),
        ),
    ),
    "create": Operation(
        "createApiKey",
        "Make a key; its text is in this answer and never again.",
        {201: ResponseSpec("The new key, with its text this once. A repeated answer is without it.", NEW_API_KEY)},
        NewKeyBody,
        {
            "name": "Production server",
            "type": "partner",
            "scopes": ["users:read", "events:write"],
            "expires_in_days": 90,
        },
        error_codes=("forbidden", "key_limit_reached"),
        step_up=True,
    ),
    **lifecycle_operations(
        "ApiKey",
        "a key",
        API_KEY,
        NEW_API_KEY,
        update=("Change name, networks, limits, or make the scopes fewer.", KeyChangeBody, {"name": "Nightly export"}),
        rotate=(
            "Make a key with the same settings; its text is in this answer and never again.",
            {"overlap_seconds": 86400},
        ),
        revoke=(
            "Revoke a key, with what it made by rotating itself; again is the same answer and changes nothing.",
            RevokeBody,
            {"reason": "No longer needed"},
        ),
    ),
}
VERIFY_API_KEY = Operation(
    "verifyApiKey",
    "Judge a key, count the call on its limits and in its usage, and answer 200 whatever it finds.",
    {200: ResponseSpec("The verdict: always 200, also where the key is not good.", VERDICT)},
    VerifyBody,
    {"key": "ipk_REPLACE_WITH_THE_KEY_TO_JUDGE", "scopes": ["orders:read"], "ip": "203.0.113.24"},
    more_examples={"unknown key": {"valid": False, "code": "invalid_api_key"}},
)
SPAN = (
    *time_range_parameters("calls"),
    Parameter("interval", "How long a bucket of the series is.", word(tuple(map(str, Interval)))),
)
GET_KEY_USAGE = Operation(
    "getApiKeyUsage",
    "Return the figures of one key.",
    {200: ResponseSpec("The figures of the key.", KEY_USAGE)},
    parameters=SPAN,
)
GET_USAGE = Operation(
    "getUsage",
    "Return the figures of the organization.",
    {200: ResponseSpec("The figures of the organization.", USAGE)},
    parameters=SPAN,
)
