"""API operations of ``/v1/sdk-keys`` and ``/v1/sdk/activations``."""

from apps.base.rest.fields import Choice, StrictString
from apps.base.rest.operations import DELETED, Operation, Paging, Parameter, ResponseSpec
from apps.credentials.operations import KEY_FILTERS, lifecycle_operations
from apps.credentials.serializers import ReasonBody
from apps.sdk_keys.models import Platform
from apps.sdk_keys.serializers import (
    ActivateDeviceBody,
    ActivationSerializer,
    CreateSdkKeyBody,
    DeviceActivationSerializer,
    DeviceActivationWithTokenSerializer,
    HeartbeatBody,
    SdkKeySerializer,
    SdkKeyWithSecretSerializer,
    UpdateSdkKeyBody,
)

# Keyed by the last words of the paths.
SDK_KEYS = {
    "list": Operation(
        "listSdkKeys",
        "List SDK keys, oldest first, in every state.",
        {200: ResponseSpec("The SDK keys, oldest first, in every state.", SdkKeySerializer, many=True)},
        paging=Paging.OFFSET,
        parameters=(
            *KEY_FILTERS,
            Parameter("platform", Choice(Platform.values, "Only keys for these platforms."), many=True),
        ),
    ),
    "create": Operation(
        "createSdkKey",
        "Make an SDK key; its text is in this answer and never again.",
        {
            201: ResponseSpec(
                "The new key, with its text this once. A repeated answer lacks it.", SdkKeyWithSecretSerializer
            )
        },
        CreateSdkKeyBody,
        error_codes=("forbidden",),
        step_up=True,
    ),
    **lifecycle_operations(
        "SdkKey",
        "an SDK key",
        SdkKeySerializer,
        SdkKeyWithSecretSerializer,
        update=("Change name, app, origins, limit or days of silence.", UpdateSdkKeyBody),
        rotate="Make a key with the same settings and activations; its text is in this answer and never again.",
        revoke=("Revoke an SDK key; again is the same answer and changes nothing.", ReasonBody),
    ),
}
LIST_ACTIVATIONS = Operation(
    "listActivations",
    "List activations, oldest first, also those that were deactivated within 90 days.",
    {200: ResponseSpec("The devices, oldest first.", ActivationSerializer, many=True)},
    paging=Paging.OFFSET,
)
DEACTIVATE_ACTIVATION = Operation(
    "deactivateActivation", "Deactivate a device; its token ends.", {204: DELETED}, error_codes=("conflict",)
)

TOKEN = Parameter(
    "X-Activation-Token",
    StrictString(
        "The token that the device got when it was activated.", example="THE_TOKEN_OF_THE_ACTIVATION", allow_blank=True
    ),
    where="header",
)
ORIGIN = ("origin_not_allowed", "app_not_allowed")
ACTIVATE = Operation(
    "activateDevice",
    "Activate a device: 201, or 200 where it is active already; the token is in this answer only.",
    {
        200: ResponseSpec("It was active already: a new token; the old one ends.", DeviceActivationWithTokenSerializer),
        201: ResponseSpec("The device is active.", DeviceActivationWithTokenSerializer),
    },
    ActivateDeviceBody,
    error_codes=(*ORIGIN, "activation_limit_reached"),
)
RECORD_HEARTBEAT = Operation(
    "recordHeartbeat",
    "Record that the device is in use, which keeps it active.",
    {200: ResponseSpec("The activation, active for longer.", DeviceActivationSerializer)},
    HeartbeatBody,
    parameters=(TOKEN,),
    error_codes=("origin_not_allowed", "forbidden"),
)
GET_OWN_ACTIVATION = Operation(
    "getOwnActivation",
    "Return the activation.",
    {200: ResponseSpec("The activation.", DeviceActivationSerializer)},
    parameters=(TOKEN,),
    error_codes=("origin_not_allowed", "forbidden"),
)
DEACTIVATE_OWN_ACTIVATION = Operation(
    "deactivateOwnActivation",
    "Deactivate the device.",
    {204: DELETED},
    parameters=(TOKEN,),
    error_codes=("origin_not_allowed", "forbidden"),
)
