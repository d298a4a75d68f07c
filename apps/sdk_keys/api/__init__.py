"""``/v1/sdk-keys`` for organizations and ``/v1/sdk/activations`` for their apps."""

from apps.sdk_keys.api.keys import (
    Activations,
    DisableSdkKey,
    EnableSdkKey,
    OneActivation,
    OneSdkKey,
    ReleaseSdkKey,
    RevokeSdkKey,
    RotateSdkKey,
    SdkKeys,
)
from apps.sdk_keys.api.sdk import Activate, Heartbeat, OwnActivation

__all__ = [
    "Activate",
    "Activations",
    "DisableSdkKey",
    "EnableSdkKey",
    "Heartbeat",
    "OneActivation",
    "OneSdkKey",
    "OwnActivation",
    "ReleaseSdkKey",
    "RevokeSdkKey",
    "RotateSdkKey",
    "SdkKeys",
]
