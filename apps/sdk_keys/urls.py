"""Both doors of this app."""

from apps.base.api import api_path
from apps.sdk_keys import api as doors

pages: list = []
api = [
    api_path("sdk-keys", doors.SdkKeys, "sdk-keys"),
    api_path("sdk-keys/{id}", doors.OneSdkKey, "sdk-key"),
    api_path("sdk-keys/{id}/rotate", doors.RotateSdkKey, "sdk-key-rotate"),
    api_path("sdk-keys/{id}/revoke", doors.RevokeSdkKey, "sdk-key-revoke"),
    api_path("sdk-keys/{id}/disable", doors.DisableSdkKey, "sdk-key-disable"),
    api_path("sdk-keys/{id}/enable", doors.EnableSdkKey, "sdk-key-enable"),
    api_path("sdk-keys/{id}/release", doors.ReleaseSdkKey, "sdk-key-release"),
    api_path("sdk-keys/{id}/activations", doors.Activations, "sdk-key-activations"),
    api_path("sdk-keys/{id}/activations/{act}", doors.OneActivation, "sdk-key-activation"),
    api_path("sdk/activations", doors.Activate, "sdk-activations"),
    api_path("sdk/activations/{id}", doors.OwnActivation, "sdk-activation"),
    api_path("sdk/activations/{id}/heartbeat", doors.Heartbeat, "sdk-heartbeat"),
]
