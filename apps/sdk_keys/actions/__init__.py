"""What people, keys and devices do with SDK keys: each one transaction, one check, one audit entry."""

from collections.abc import Callable
from typing import Any

from apps.sdk_keys.actions.app_rules import expiry_of_successor
from apps.sdk_keys.actions.devices import (
    Device,
    activate,
    beat,
    check_token,
    find_own,
    free_activation,
    give_up,
    take_window,
)
from apps.sdk_keys.actions.keys import (
    NewSdkKey,
    create_sdk_key,
    disable_sdk_key,
    enable_sdk_key,
    end_created,
    find_created,
    quarantine_sdk_key,
    release_sdk_key,
    report_leak,
    revoke_sdk_key,
    rotate_sdk_key,
    update_sdk_key,
)

# By the words of routes.
OF_ONE_KEY: dict[str, Callable[..., Any]] = {
    "update": update_sdk_key,
    "rotate": rotate_sdk_key,
    "disable": disable_sdk_key,
    "enable": enable_sdk_key,
    "release": release_sdk_key,
    "revoke": revoke_sdk_key,
}

__all__ = [
    "OF_ONE_KEY",
    "Device",
    "NewSdkKey",
    "activate",
    "beat",
    "check_token",
    "create_sdk_key",
    "disable_sdk_key",
    "enable_sdk_key",
    "end_created",
    "expiry_of_successor",
    "find_created",
    "find_own",
    "free_activation",
    "give_up",
    "quarantine_sdk_key",
    "release_sdk_key",
    "report_leak",
    "revoke_sdk_key",
    "rotate_sdk_key",
    "take_window",
    "update_sdk_key",
]
