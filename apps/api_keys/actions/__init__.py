"""Actions on API keys: each checks permissions and writes its audit entry in one transaction."""

from collections.abc import Callable
from typing import Any

from apps.api_keys.actions.catalogue import (
    check_lifetimes,
    check_scope_name,
    check_type_name,
    delete_key_type,
    delete_scope,
    save_key_type,
    save_package,
    save_scope,
)
from apps.api_keys.actions.changes import expiry_of_successor, rotate_key, update_key
from apps.api_keys.actions.creation import create_key
from apps.api_keys.actions.leaks import report_leak
from apps.api_keys.actions.rules import WINDOWS, check_scopes, types_of
from apps.api_keys.actions.states import change_key, disable_key, enable_key, release_key, revoke_key
from apps.credentials.rules import MAX_DAYS, Lifetime

# Keyed by the last segment of the route.
KEY_ACTIONS: dict[str, Callable[..., Any]] = {
    "create": create_key,
    "update": update_key,
    "rotate": rotate_key,
    "disable": disable_key,
    "enable": enable_key,
    "release": release_key,
    "revoke": revoke_key,
}

__all__ = [
    "KEY_ACTIONS",
    "MAX_DAYS",
    "WINDOWS",
    "Lifetime",
    "change_key",
    "check_lifetimes",
    "check_scope_name",
    "check_scopes",
    "check_type_name",
    "create_key",
    "delete_key_type",
    "delete_scope",
    "disable_key",
    "enable_key",
    "expiry_of_successor",
    "release_key",
    "report_leak",
    "revoke_key",
    "rotate_key",
    "save_key_type",
    "save_package",
    "save_scope",
    "types_of",
    "update_key",
]
