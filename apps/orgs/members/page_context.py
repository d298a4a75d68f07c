"""Template context of every page: organization, switcher, the actor's permissions, open notifications."""

from typing import Any

from django.conf import settings

from apps.api_keys.catalogue import contact_of
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.notices.actions import can_dismiss
from apps.notices.models import Notice
from apps.notices.texts import notice_context
from apps.orgs.models import Membership, OrganizationStatus

NOTICES_ON_TOP = 1
MAX_COUNTED = 50


def page_context(request: PortalRequest) -> dict[str, Any]:
    """Return the context of the page layout: on pages without an organization the switcher and support contact only."""
    context: dict[str, Any] = {
        "support_url": settings.SUPPORT_CONTACT,
        "support_name": settings.SUPPORT_CONTACT.removeprefix("mailto:"),
    }
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return context
    context["memberships"] = own_memberships(request)
    organization = getattr(request, "organization", None)
    if organization is not None:
        actor = request.actor
        usable = actor.usable(tuple(Permission))
        context |= {
            "actor": actor,
            "support_access": getattr(request, "support_access", None),
            "organization": organization,
            "nav": getattr(request, "nav", ""),
            "can": {permission.name.lower(): permission in usable for permission in Permission},
            "contact": contact_of(organization.pk) if actor.suspended else "",
        } | _notices(request)
    return context


def own_memberships(request: PortalRequest) -> list[Membership]:
    """Return the user's memberships, ordered by organization name, without closed organizations and the platform."""
    rows = Membership.objects.filter(user_id=request.user.pk).select_related("organization")
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED).order_by("organization__name")
    return [row for row in rows if not row.organization.is_platform]


def _notices(request: PortalRequest) -> dict[str, Any]:
    """Return the most severe open notification and the number of others; the overview has its own card for them.

    Dismissing leaves the page, so it is not offered on responses to POST, which can show a form or a one-time secret.
    """
    if getattr(request, "nav", "") in ("overview", "notices"):
        return {}
    rows = list(Notice.objects.visible_to(request.actor).needing_attention().open().most_severe_first()[:MAX_COUNTED])
    shown = [
        {
            **notice_context(row, request.organization.slug),
            "may_dismiss": request.method == "GET" and can_dismiss(request.actor, row),
        }
        for row in rows[:NOTICES_ON_TOP]
    ]
    return {"notices": shown, "more_notices": max(0, len(rows) - NOTICES_ON_TOP)}
