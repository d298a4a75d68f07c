"""Actions on SDK keys and devices: each is one transaction with a permission check and an audit entry."""

from apps.sdk_keys.actions.app_rules import expiry_of_successor
from apps.sdk_keys.actions.devices import (
    Device,
    activate,
    check_token,
    consume_rate_limit,
    deactivate_activation,
    deactivate_own_activation,
    find_activation,
    record_heartbeat,
)
from apps.sdk_keys.actions.keys import (
    KEY_ACTIONS,
    NewSdkKey,
    change_sdk_key,
    create_sdk_key,
    disable_sdk_key,
    enable_sdk_key,
    find_descendants,
    release_sdk_key,
    report_leak,
    revoke_descendant,
    revoke_sdk_key,
    rotate_sdk_key,
    update_sdk_key,
)

__all__ = [
    "KEY_ACTIONS",
    "Device",
    "NewSdkKey",
    "activate",
    "change_sdk_key",
    "check_token",
    "consume_rate_limit",
    "create_sdk_key",
    "deactivate_activation",
    "deactivate_own_activation",
    "disable_sdk_key",
    "enable_sdk_key",
    "expiry_of_successor",
    "find_activation",
    "find_descendants",
    "record_heartbeat",
    "release_sdk_key",
    "report_leak",
    "revoke_descendant",
    "revoke_sdk_key",
    "rotate_sdk_key",
    "update_sdk_key",
]
