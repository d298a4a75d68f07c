"""What every page's frame needs: the organization, the switcher, what the actor may, open notices."""

from typing import Any

from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.notices.models import Notice, Severity
from apps.notices.texts import describe
from apps.orgs.models import Membership, OrganizationStatus

NOTICES_ON_TOP = 1
SEVERITY_ORDER = {Severity.BAD: 0, Severity.WARN: 1, Severity.INFO: 2, Severity.OK: 3}


def page_context(request: PortalRequest) -> dict[str, Any]:
    """This will return the frame's context; on pages of no organization only the switcher."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    context: dict[str, Any] = {"memberships": _memberships(request)}
    organization = getattr(request, "organization", None)
    if organization is not None:
        actor = request.actor
        context |= {
            "actor": actor,
            "look": getattr(request, "look", None),
            "organization": organization,
            "nav": getattr(request, "nav", ""),
            "can": {permission.name.lower(): actor.can(permission) for permission in Permission},
            "notices": _notices(request),
        }
    return context


def _memberships(request: PortalRequest) -> list[Membership]:
    rows = Membership.objects.filter(user_id=request.user.pk).select_related("organization")
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED).order_by("organization__name")
    return [row for row in rows if not row.organization.is_platform]


def _notices(request: PortalRequest) -> list[dict[str, Any]]:
    """The worst open notice; the overview has its own card for what needs attention."""
    if getattr(request, "nav", "") == "overview":
        return []
    rows = Notice.objects.for_actor(request.actor).open().order_by("-id")[:20]
    mine = [row for row in rows if not row.permission or request.actor.can(row.permission)]
    mine.sort(key=lambda row: SEVERITY_ORDER[Severity(row.severity)])
    return [describe(row, request.organization.slug) for row in mine[:NOTICES_ON_TOP]]
