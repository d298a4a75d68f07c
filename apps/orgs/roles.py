"""The permissions of each role, and the scopes that a role can grant to keys.

Pages, API sessions and the forms for keys all read these tables.
"""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.base.permissions import ADMIN, Permission, expand
from apps.orgs.models import Role

VIEWER = expand(
    {
        Permission.API_KEYS_READ,
        Permission.SDK_KEYS_READ,
        Permission.WEBHOOKS_READ,
        Permission.USAGE_READ,
        Permission.USERS_READ,
        Permission.MEMBERS_READ,
    }
)
DEVELOPER = VIEWER | expand({Permission.WEBHOOKS_WRITE, Permission.AUDIT_READ, Permission.ACTIVATIONS_WRITE})
ADMINISTRATOR = DEVELOPER | expand(
    {
        Permission.API_KEYS_WRITE,
        Permission.SDK_KEYS_WRITE,
        Permission.AUDIT_EXPORT,
        Permission.USERS_WRITE,
        Permission.MEMBERS_WRITE,
        Permission.ORGANIZATION_WRITE,
    }
)
OWNER = ADMINISTRATOR | {str(Permission.ORGANIZATION_OWN), str(Permission.ORGANIZATION_EXPORT)}

PERMISSIONS: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset(OWNER),
    Role.ADMIN: frozenset(ADMINISTRATOR),
    Role.DEVELOPER: frozenset(DEVELOPER),
    Role.VIEWER: frozenset(VIEWER),
}
# Scopes that a member with the role can grant to a key: owners and admins act for the whole organization.
GRANTABLE: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset({ADMIN}),
    Role.ADMIN: frozenset({ADMIN}),
    Role.DEVELOPER: frozenset(),
    Role.VIEWER: frozenset(),
}
RANK = {Role.VIEWER: 0, Role.DEVELOPER: 1, Role.ADMIN: 2, Role.OWNER: 3}


class RoleTableRow(NamedTuple):
    """A row of the roles table: its label, the permissions it covers, and the label of what a partial role lacks."""

    text: Promise
    permissions: tuple[Permission, ...]
    lacks: Promise | None = None

    def coverage(self, role: str) -> str:
        """Return ``all``, ``part`` or ``none``: how many of the permissions the role has."""
        held = [permission in PERMISSIONS[role] for permission in self.permissions]
        return "all" if all(held) else "part" if any(held) and self.lacks is not None else "none"


# The table of docs/api.md (Roles), shown on the page of roles; the cells come from PERMISSIONS.
ROLE_TABLE = (
    RoleTableRow(
        _("see keys (masked), endpoints, deliveries, usage, event types, members"),
        (
            Permission.API_KEYS_READ,
            Permission.SDK_KEYS_READ,
            Permission.WEBHOOKS_READ,
            Permission.USAGE_READ,
            Permission.USERS_READ,
            Permission.MEMBERS_READ,
        ),
    ),
    RoleTableRow(
        _("create, change, rotate, disable, revoke API and SDK keys"),
        (Permission.API_KEYS_WRITE, Permission.SDK_KEYS_WRITE),
    ),
    RoleTableRow(
        _("create, change, test, pause, replay endpoints; retry deliveries; free activations"),
        (Permission.WEBHOOKS_WRITE,),
    ),
    RoleTableRow(_("see and export the audit log"), (Permission.AUDIT_READ, Permission.AUDIT_EXPORT), _("no export")),
    RoleTableRow(
        _("invite, change roles up to admin, remove members (not owners)"),
        (Permission.MEMBERS_WRITE, Permission.USERS_WRITE),
    ),
    RoleTableRow(_("organization settings"), (Permission.ORGANIZATION_WRITE,)),
    RoleTableRow(_("make or lower owners, close the organization"), (Permission.ORGANIZATION_OWN,)),
)
