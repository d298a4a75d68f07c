"""What people, keys and operators do with API keys: each one transaction, one check, one audit entry."""

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
from apps.api_keys.actions.states import disable_key, enable_key, quarantine_key, release_key, revoke_key
from apps.credentials.rules import MAX_DAYS, Lifetime

__all__ = [
    "MAX_DAYS",
    "WINDOWS",
    "Lifetime",
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
    "quarantine_key",
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
