"""Members whom a user can ask for a missing permission, for the error page 403."""

from collections.abc import Sequence
from typing import Any

from apps.orgs.models import Membership, Organization, Role
from apps.orgs.roles import PERMISSIONS, RANK

MAX_NAMES = 5


def who_can_grant(organization: Organization, permissions: Sequence[str]) -> dict[str, Any]:
    """Return the lowest role with one of the permissions, and the names of some members who can assign it.

    Owners and admins assign roles, only owners the role owner. ``role`` is empty if no role has the permissions.
    """
    ranked = sorted(RANK, key=lambda role: RANK[role])
    needed = next((role for role in ranked if not PERMISSIONS[role].isdisjoint(permissions)), None)
    if needed is None:
        return {"role": "", "people": []}
    assigners = [Role.OWNER] if needed == Role.OWNER else [Role.OWNER, Role.ADMIN]
    rows = Membership.objects.filter(organization=organization, role__in=assigners, user__is_active=True)
    # Descending by name: "owner" before "admin".
    members = rows.select_related("user").order_by("-role", "user__name")[:MAX_NAMES]
    return {"role": str(needed), "people": [member.user.name or member.user.email for member in members]}
