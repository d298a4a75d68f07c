"""``/v1/sdk-keys`` for organizations and ``/v1/sdk/activations`` for their apps."""

from apps.sdk_keys.api.keys import KEYS, Activations, OneActivation
from apps.sdk_keys.api.sdk import Activate, Heartbeat, OwnActivation

__all__ = [
    "KEYS",
    "Activate",
    "Activations",
    "Heartbeat",
    "OneActivation",
    "OwnActivation",
]
