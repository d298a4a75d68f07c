"""API operations of ``/v1/sdk-keys`` and ``/v1/sdk/activations``."""

from apps.base.rest.operations import DELETED, Operation, Paging, Parameter, ResponseSpec
from apps.base.rest.shapes import (
    Shape,
    listed,
    moment,
    nullable,
    public_id,
    record,
    shown_once,
    text,
    whole,
    word,
)
from apps.credentials.operations import KEY_FILTERS, LIFECYCLE_EXAMPLE, STATUS, lifecycle_fields, lifecycle_operations
from apps.credentials.serializers import ReasonBody
from apps.sdk_keys.models import DeactivationReason, Platform
from apps.sdk_keys.serializers import ActivationBody, NewSdkKeyBody, SdkKeyChangeBody, VersionsBody

TAIL = "01JD2V8Q4ZK7M3X9T5B6CW"
SDK_KEY = Shape(
    "SdkKey",
    record(
        id=public_id("sdk"),
        name=text(),
        platform=word([str(each) for each in Platform.values]),
        app_id=nullable(text()),
        cert_sha256=nullable(text()),
        origins=listed(text()),
        activation_limit=nullable(whole(1)),
        active_count=whole(),
        inactive_after_days=nullable(whole(1)),
        mask=text(),
        status=STATUS,
        **lifecycle_fields("sdk"),
    ),
    {
        "id": f"sdk_{TAIL}",
        "name": "iOS app",
        "platform": "ios",
        "app_id": "com.acme.app",
        "cert_sha256": None,
        "origins": [],
        "activation_limit": 500,
        "active_count": 412,
        "inactive_after_days": 90,
        "mask": "ips_7c1D••••a8Qe",
        "status": "active",
        **LIFECYCLE_EXAMPLE,
    },
)
NEW_SDK_KEY = shown_once(
    SDK_KEY, "NewSdkKey", "key", "ips_SHOWN_ONCE_IN_THIS_ANSWER", "The key itself: here and never again."
)
ACTIVATION = Shape(
    "Activation",
    record(
        id=public_id("act"),
        status=word(("active", "freed")),
        app_version=nullable(text()),
        os_version=nullable(text()),
        created_at=moment(),
        last_seen_at=nullable(moment()),
        last_seen_from=nullable(text()),
        expires_at=nullable(moment()),
        freed_at=nullable(moment()),
        freed_because=nullable(word([str(each) for each in DeactivationReason.values])),
    ),
    {
        "id": f"act_{TAIL}",
        "status": "active",
        "app_version": "4.2.0",
        "os_version": "iOS 26.1",
        "created_at": "2026-11-22T10:00:00Z",
        "last_seen_at": "2026-11-24T08:12:30Z",
        "last_seen_from": "203.0.113.24",
        "expires_at": "2027-02-22T08:12:30Z",
        "freed_at": None,
        "freed_because": None,
    },
)
PLACE = Shape(
    "Place",
    record(id=public_id("act"), created_at=moment(), expires_at=nullable(moment())),
    {"id": f"act_{TAIL}", "created_at": "2026-11-22T10:00:00Z", "expires_at": "2027-02-22T08:12:30Z"},
)
NEW_PLACE = Shape(
    "NewPlace",
    record(
        id=public_id("act"),
        token=text(description="What the device sends as X-Activation-Token: here and never again."),
        created_at=moment(),
        expires_at=nullable(moment()),
    ),
    {
        "id": f"act_{TAIL}",
        "token": "SHOWN_ONCE_IN_THIS_ANSWER",
        "created_at": "2026-11-22T10:00:00Z",
        "expires_at": "2027-02-22T08:12:30Z",
    },
)

# Keyed by the last words of the paths.
SDK_KEYS = {
    "list": Operation(
        "listSdkKeys",
        "List SDK keys, oldest first, in every state.",
        {200: ResponseSpec("The SDK keys, oldest first, in every state.", SDK_KEY, many=True)},
        paging=Paging.OFFSET,
        parameters=(
            *KEY_FILTERS,
            Parameter("platform", "Only keys for these platforms.", word([str(each) for each in Platform]), many=True),
        ),
    ),
    "create": Operation(
        "createSdkKey",
        "Make an SDK key; its text is in this answer and never again.",
        {201: ResponseSpec("The new key, with its text this once. A repeated answer is without it.", NEW_SDK_KEY)},
        NewSdkKeyBody,
        {"name": "iOS app", "platform": "ios", "app_id": "com.acme.app", "activation_limit": 500},
        error_codes=("forbidden",),
        step_up=True,
    ),
    **lifecycle_operations(
        "SdkKey",
        "an SDK key",
        SDK_KEY,
        NEW_SDK_KEY,
        update=("Change name, app, origins, limit or days of silence.", SdkKeyChangeBody, {"activation_limit": 1000}),
        rotate=(
            "Make a key with the same settings and activations; its text is in this answer and never again.",
            {"overlap_seconds": 2592000},
        ),
        revoke=(
            "Revoke an SDK key; again is the same answer and changes nothing.",
            ReasonBody,
            {"reason": "App retired"},
        ),
    ),
}
LIST_ACTIVATIONS = Operation(
    "listActivations",
    "List activations, oldest first, also those that were freed within 90 days.",
    {200: ResponseSpec("The devices, oldest first.", ACTIVATION, many=True)},
    paging=Paging.OFFSET,
)
FREE_ACTIVATION = Operation(
    "freeActivation", "Free a place; the device's token ends.", {204: DELETED}, error_codes=("conflict",)
)

TOKEN = Parameter(
    "X-Activation-Token",
    "The token that the device got when it was activated.",
    text(),
    where="header",
    example="THE_TOKEN_OF_THE_ACTIVATION",
)
ORIGIN = ("origin_not_allowed", "app_not_allowed")
ACTIVATE = Operation(
    "activateDevice",
    "Activate a device: 201, or 200 where it has a place already; the token is in this answer only.",
    {
        200: ResponseSpec("The device has a place already: a new token, and the old one ends.", NEW_PLACE),
        201: ResponseSpec("The device has a place.", NEW_PLACE),
    },
    ActivationBody,
    {"device_id": "3F2504E0-4F89-11D3-9A0C-0305E82C3301", "app_id": "com.acme.app", "app_version": "4.2.0"},
    error_codes=(*ORIGIN, "activation_limit_reached"),
)
BEAT = Operation(
    "beat",
    "Note that the device is in use, which keeps its place.",
    {200: ResponseSpec("The place, kept for longer.", PLACE)},
    VersionsBody,
    {"app_version": "4.2.0"},
    parameters=(TOKEN,),
    error_codes=("origin_not_allowed", "forbidden"),
)
GET_OWN_ACTIVATION = Operation(
    "getOwnActivation",
    "Return the place.",
    {200: ResponseSpec("The place.", PLACE)},
    parameters=(TOKEN,),
    error_codes=("origin_not_allowed", "forbidden"),
)
FREE_OWN_ACTIVATION = Operation(
    "freeOwnActivation",
    "Free the place.",
    {204: DELETED},
    parameters=(TOKEN,),
    error_codes=("origin_not_allowed", "forbidden"),
)
