"""The overview page: what needs attention, figures, recent activity and first steps.

Each part is built separately: if one fails, the page shows the failure in its place and the other parts as usual.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.http import HttpResponse
from django.shortcuts import render

from apps.base.requests import PortalRequest
from apps.base.web.pages import org_page
from integrations_portal.overview import activity, attention, figures, steps

logger = logging.getLogger(__name__)
Part = TypeVar("Part")


@org_page(nav="overview")
def overview(request: PortalRequest) -> HttpResponse:
    """Show the overview; ``?attention=all`` lists all items that need attention, up to the limit per kind."""
    actor, slug = request.actor, request.organization.slug
    needs = _part(lambda: attention.found(actor, slug))
    is_whole = request.GET.get("attention") == "all"
    start = _part(lambda: steps.made(actor, slug))
    context = {
        "attention": needs if needs is None or is_whole else needs[: attention.SHOWN],
        "attention_count": len(needs or ()),
        "attention_more": 0 if is_whole else max(0, len(needs or ()) - attention.SHOWN),
        "stats": _part(lambda: figures.stats(actor, slug)),
        "balance": _part(lambda: figures.balance_of(actor)),
        "steps": start,
        "steps_done": sum(step["done"] for step in start or ()),
        "steps_total": len(start or ()),
        "activity": _part(lambda: activity.newest(actor)),
    }
    return render(request, "overview.html", context)


def _part(make: Callable[[], Part]) -> Part | None:
    """Return one part of the page, or None and log the exception if it fails."""
    try:
        return make()
    except Exception:
        logger.exception("a part of the overview could not be made")
        return None
