"""Who can help somebody whose role does not allow something: what the page of a refusal says."""

from collections.abc import Sequence
from typing import Any

from apps.orgs.models import Membership, Organization, Role
from apps.orgs.roles import PERMISSIONS, RANK

MOST_NAMES = 5


def who_can_grant(organization: Organization, permissions: Sequence[str]) -> dict[str, Any]:
    """Return the lowest role that may, and the names of some members who can give it.

    Owners and admins give roles, owners alone that of an owner. ``role`` is empty where no role of a person may.
    """
    ranked = sorted(RANK, key=lambda role: RANK[role])
    needed = next((role for role in ranked if not PERMISSIONS[role].isdisjoint(permissions)), None)
    if needed is None:
        return {"role": "", "people": []}
    givers = [Role.OWNER] if needed == Role.OWNER else [Role.OWNER, Role.ADMIN]
    rows = Membership.objects.filter(organization=organization, role__in=givers, user__is_active=True)
    # "owner" after "admin": the owners first.
    members = rows.select_related("user").order_by("-role", "user__name")[:MOST_NAMES]
    return {"role": str(needed), "people": [member.user.name or member.user.email for member in members]}
