"""Pages of notifications: the list, and dismissing one."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.base.requests import PortalRequest
from apps.base.web.pages import POST_ONLY, org_page, safe_return_path
from apps.notices import actions
from apps.notices.models import Notice
from apps.notices.texts import notice_context

PER_PAGE = 25
PAST = "past"


@org_page(nav="notices")
def notice_list(request: PortalRequest) -> HttpResponse:
    """Show the open notifications or, with ``?tab=past``, the closed ones."""
    is_past = request.GET.get("tab") == PAST
    visible = Notice.objects.visible_to(request.actor)
    rows = visible.closed().order_by("-id") if is_past else visible.open().most_severe_first()
    page: Page[Any] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = [_row(request, notice) for notice in page.object_list]
    list_url = reverse("notices", args=[request.organization.slug])
    tabs = [
        {"url": list_url, "label": _("Open"), "current": not is_past},
        {"url": f"{list_url}?tab={PAST}", "label": _("Past"), "current": is_past},
    ]
    return render(request, "notices/list.html", {"page_obj": page, "tabs": tabs, "is_past": is_past})


def _row(request: PortalRequest, notice: Notice) -> dict[str, Any]:
    row = notice_context(notice, request.organization.slug)
    return {**row, "may_dismiss": notice.is_open and actions.can_dismiss(request.actor, notice)}


@org_page(nav="notices", methods=POST_ONLY)
def dismiss(request: PortalRequest, notice_id: str) -> HttpResponse:
    """Dismiss a notification and redirect to the page that it was shown on."""
    actions.dismiss(actor=request.actor, notice_id=notice_id)
    messages.success(request, _("Dismissed for everybody here. It stands among the past notices."))
    slug = request.organization.slug
    return redirect(
        safe_return_path(request.POST.get("next", ""), reverse("notices", args=[slug]), below=f"/o/{slug}/")
    )
