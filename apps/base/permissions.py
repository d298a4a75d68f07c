"""Permissions, which roles and key scopes share.

A scope is ``resource:action``. Host products add more scopes in the database (``orders:read``); those are plain
strings of the same form. ``admin`` grants everything in its organization except the owner's permissions.
"""

from collections.abc import Iterable
from enum import StrEnum

ADMIN = "admin"


class Permission(StrEnum):
    """The portal's own permissions: scopes first, then those that only members and ``admin`` keys have."""

    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    API_KEYS_READ = "api_keys:read"
    API_KEYS_WRITE = "api_keys:write"
    API_KEYS_VERIFY = "api_keys:verify"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    SDK_KEYS_READ = "sdk_keys:read"
    SDK_KEYS_WRITE = "sdk_keys:write"
    ACTIVATIONS_WRITE = "activations:write"
    AUDIT_READ = "audit:read"
    AUDIT_WRITE = "audit:write"
    USAGE_READ = "usage:read"
    USAGE_WRITE = "usage:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    AUDIT_EXPORT = "audit:export"
    ORGANIZATION_READ = "organization:read"
    ORGANIZATION_WRITE = "organization:write"
    ORGANIZATION_EXPORT = "organization:export"
    ORGANIZATION_OWN = "organization:own"


NOT_SCOPES = frozenset(
    {
        Permission.ACTIVATIONS_WRITE,
        Permission.MEMBERS_READ,
        Permission.MEMBERS_WRITE,
        Permission.AUDIT_EXPORT,
        Permission.ORGANIZATION_READ,
        Permission.ORGANIZATION_WRITE,
        Permission.ORGANIZATION_EXPORT,
        Permission.ORGANIZATION_OWN,
    }
)
OWNER_ONLY = frozenset({Permission.ORGANIZATION_OWN, Permission.ORGANIZATION_EXPORT})
# An export changes nothing, though a form requests it.
EXPORT_PERMISSIONS = frozenset({Permission.AUDIT_EXPORT, Permission.ORGANIZATION_EXPORT})
PORTAL_SCOPES = tuple(permission for permission in Permission if permission not in NOT_SCOPES)
HOST_RESOURCES = ("orders", "invoices", "appointments", "assessments", "licenses")


def expand(scopes: Iterable[str]) -> frozenset[str]:
    """Add ``x:read`` for every ``x:write``: write includes reading the same resource."""
    found = set(scopes)
    found.update(f"{scope.removesuffix(':write')}:read" for scope in tuple(found) if scope.endswith(":write"))
    return frozenset(str(scope) for scope in found)


def granted(held: frozenset[str], wanted: Iterable[str]) -> frozenset[str]:
    """Return the wanted permissions that expanded scopes include; ``admin`` includes all but the owner's."""
    asked = frozenset(wanted)
    return asked - (OWNER_ONLY - held) if ADMIN in held else asked & held


def is_read(permission: str) -> bool:
    """Return whether a permission is read-only."""
    return permission.endswith(":read")


def is_allowed_while_suspended(permission: str) -> bool:
    """Return whether members keep a permission while their organization is suspended: reads and exports."""
    return is_read(permission) or permission in EXPORT_PERMISSIONS
