"""What every page's frame needs: the organization, the switcher, what the actor may, open notices."""

from typing import Any

from django.conf import settings

from apps.api_keys.catalogue import contact_of
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.notices.actions import can_dismiss
from apps.notices.models import Notice
from apps.notices.texts import describe
from apps.orgs.models import Membership, OrganizationStatus

NOTICES_ON_TOP = 1
MOST_COUNTED = 50


def page_context(request: PortalRequest) -> dict[str, Any]:
    """Return the frame's context; on pages of no organization the switcher, for strangers whom to ask."""
    context: dict[str, Any] = {
        "support_url": settings.SUPPORT_CONTACT,
        "support_name": settings.SUPPORT_CONTACT.removeprefix("mailto:"),
    }
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return context
    context["memberships"] = _memberships(request)
    organization = getattr(request, "organization", None)
    if organization is not None:
        actor = request.actor
        context |= {
            "actor": actor,
            "look": getattr(request, "look", None),
            "organization": organization,
            "nav": getattr(request, "nav", ""),
            "can": {permission.name.lower(): actor.can(permission) for permission in Permission},
            "contact": contact_of(organization.pk) if actor.suspended else "",
        } | _notices(request)
    return context


def _memberships(request: PortalRequest) -> list[Membership]:
    rows = Membership.objects.filter(user_id=request.user.pk).select_related("organization")
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED).order_by("organization__name")
    return [row for row in rows if not row.organization.is_platform]


def _notices(request: PortalRequest) -> dict[str, Any]:
    """The worst of what needs somebody, and how much more there is; the overview has a card of its own for these.

    Dismissing leads away from the page: not where something was just typed, or is shown this once.
    """
    if getattr(request, "nav", "") in ("overview", "notices"):
        return {}
    rows = list(Notice.objects.visible_to(request.actor).needing_attention().open().most_severe_first()[:MOST_COUNTED])
    shown = [
        {
            **describe(row, request.organization.slug),
            "may_dismiss": request.method == "GET" and can_dismiss(request.actor, row),
        }
        for row in rows[:NOTICES_ON_TOP]
    ]
    return {"notices": shown, "more_notices": max(0, len(rows) - NOTICES_ON_TOP)}
