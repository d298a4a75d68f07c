"""The one role table: what each role may do, and what it may hand on to keys.

Pages, the API's sessions and the form for keys read this and nothing else.
"""

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
# Scopes that a person of the role may give to a key: owners and admins speak for the whole organization.
GIVES: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset({ADMIN}),
    Role.ADMIN: frozenset({ADMIN}),
    Role.DEVELOPER: frozenset(),
    Role.VIEWER: frozenset(),
}
RANK = {Role.VIEWER: 0, Role.DEVELOPER: 1, Role.ADMIN: 2, Role.OWNER: 3}
