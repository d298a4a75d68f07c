"""The overview page: what needs attention, figures, recent activity and first steps.

Each part is built separately: if one fails, the page shows the failure in its place and the other parts as usual.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpResponse
from django.shortcuts import render

from apps.audit.models import AuditEntry
from apps.audit.vocabulary import sentence_for
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import org_page
from integrations_portal.overview import attention, first_steps, statistics

logger = logging.getLogger(__name__)
Part = TypeVar("Part")
SHOWN_ACTIVITY = 6
# Hourly entries of the portal itself are not activity.
HOURLY_ACTIONS = ("audit.calls_digest", "audit.attempts_digest", "audit.events_digest")


@org_page(nav="overview")
def overview(request: PortalRequest) -> HttpResponse:
    """Show the overview; ``?attention=all`` lists all items that need attention, up to the limit per kind."""
    actor, slug = request.actor, request.organization.slug
    attention_items = _build(lambda: attention.found(actor, slug))
    shows_all = request.GET.get("attention") == "all"
    checklist = _build(lambda: first_steps.made(actor, slug))
    context = {
        "attention": attention_items if attention_items is None or shows_all else attention_items[: attention.SHOWN],
        "attention_count": len(attention_items or ()),
        "attention_more": 0 if shows_all else max(0, len(attention_items or ()) - attention.SHOWN),
        "stats": _build(lambda: statistics.stats(actor, slug)),
        "balance": _build(lambda: statistics.balance_of(actor)),
        "steps": checklist,
        "steps_done": sum(step["done"] for step in checklist or ()),
        "steps_total": len(checklist or ()),
        "activity": _build(lambda: newest_activity(actor)),
    }
    return render(request, "overview.html", context)


def _build(make: Callable[[], Part]) -> Part | None:
    """Return one part of the page, or None and log the exception if it fails."""
    try:
        return make()
    except Exception:
        logger.exception("a part of the overview could not be made")
        return None


def newest_activity(actor: Actor) -> list[dict[str, Any]]:
    """Return who did what and when, newest first; nothing without permission to read the audit log."""
    if not actor.can(Permission.AUDIT_READ):
        return []
    rows = AuditEntry.objects.for_actor(actor).exclude(action__in=HOURLY_ACTIONS).order_by("-pk")[:SHOWN_ACTIVITY]
    return [{"who": row.actor_label, "what": sentence_for(row), "at": row.at} for row in rows]
