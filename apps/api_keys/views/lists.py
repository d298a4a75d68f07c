"""The list of keys."""

import logging
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode

from apps.api_keys import view_models
from apps.api_keys.models import ApiKey, KeyType
from apps.api_keys.view_models import key_list as rows
from apps.api_keys.views.key_pages import API_KEY_PAGES
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import org_page, selected_filter
from apps.credentials.lifecycle.forms import one_click_actions
from apps.credentials.view_models import creator_options

# Buttons that change the key without a further page, and their routes.
ONE_CLICK_ROUTES = {"enable": "api_key_enable", "release": "api_key_release"}

PER_PAGE = 50
logger = logging.getLogger(__name__)


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_list(request: PortalRequest) -> HttpResponse:
    """Show the organization's keys, filtered by text, status, type and creator."""
    q, type_name, creator = (request.GET.get(name, "").strip() for name in ("q", "type", "created_by"))
    status = selected_filter(request, "status", [str(value) for value, _label in rows.STATUSES])
    shown = rows.without_secret(q)
    if shown != q:
        # A whole key was pasted: redirect, so that it does not stay in the URL and the browser's history.
        query = {"q": shown, "status": status, "type": type_name, "created_by": creator}
        return redirect(f"{request.path}?{urlencode(query)}")
    try:
        found = _found(request, q, status, type_name, creator)
    except DatabaseError:
        logger.exception("the list of keys could not be read")
        return render(request, "api_keys/list.html", {"load_error": True}, status=503)
    context = {
        **found,
        "q": q,
        "status": status,
        "type": type_name,
        "statuses": [{"value": str(value), "label": label} for value, label in rows.STATUSES],
        "created_by": creator,
        "filtered": bool(q or status or type_name or creator),
    }
    return render(request, "api_keys/list.html", context)


def _found(request: PortalRequest, q: str, status: str, type_name: str, creator: str) -> dict[str, Any]:
    mine = ApiKey.objects.for_actor(request.actor)
    listed = mine.listed().select_related("key_type", "replaced_by")
    wanted = rows.matching(listed, q, status, type_name, creator)
    page: Page[Any] = Paginator(wanted, PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = view_models.key_rows(request.actor, list(page.object_list))
    return {
        "page_obj": page,
        "types": [{"value": each.name, "label": each.title_text} for each in KeyType.objects.for_customers()],
        "creators": creator_options(mine.listed(), creator),
        "used": mine.live().count(),
        "caps": rows.caps(request.actor),
    }


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_detail(request: PortalRequest, key_id: str) -> HttpResponse:
    """Show one key with its usage and history."""
    key = API_KEY_PAGES.find(request, key_id)
    context = {
        **view_models.detail(request.actor, key),
        "clicks": one_click_actions(request, key, ONE_CLICK_ROUTES, Permission.API_KEYS_WRITE),
    }
    return render(request, "api_keys/detail.html", context)
