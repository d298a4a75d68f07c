"""S2: the list of keys."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render

from apps.api_keys import presenting
from apps.api_keys.models import ApiKey, KeyType
from apps.base.pages import org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials.models import KeyStatus, SecretKeyQuerySet

PER_PAGE = 50


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_list(request: PortalRequest) -> HttpResponse:
    """S2: the organization's keys, filtered by text, status and type."""
    mine = ApiKey.objects.for_actor(request.actor)
    q, status, kind = (request.GET.get(name, "").strip() for name in ("q", "status", "type"))
    rows = _filtered(mine.select_related("key_type"), q, status, kind).order_by("-pk")
    page: Page[Any] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = presenting.key_rows(request.actor, list(page.object_list))
    types = KeyType.objects.for_customers()
    context = {
        "page_obj": page,
        "q": q,
        "status": status,
        "type": kind,
        "statuses": [{"value": value, "label": label} for value, label in reversed(KeyStatus.choices)],
        "types": [{"value": each.name, "label": each.title_text} for each in types],
        "filtered": bool(q or status or kind),
        "used": mine.live().count(),
        "cap": None,
    }
    return render(request, "api_keys/list.html", context)


def _filtered(rows: SecretKeyQuerySet[ApiKey], q: str, status: str, kind: str) -> SecretKeyQuerySet[ApiKey]:
    if status in KeyStatus.values:
        rows = rows.in_status(status)
    if kind:
        rows = rows.filter(key_type__name=kind)
    text = q.removeprefix("ipk_")
    return rows.filter(Q(name__icontains=q) | Q(key_id__startswith=text[:12]) | Q(last_four=q[-4:])) if q else rows
