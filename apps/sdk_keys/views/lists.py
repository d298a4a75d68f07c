"""S13: the lists of SDK keys, one for each platform."""

import logging
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.base.pages import org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials.presenting import creators
from apps.sdk_keys import presenting
from apps.sdk_keys.models import Platform, SdkKey

PER_PAGE = 50
logger = logging.getLogger(__name__)


@org_page(Permission.SDK_KEYS_READ, nav="sdk_keys")
def sdk_keys(request: PortalRequest) -> HttpResponse:
    """The way to the first list."""
    return redirect("sdk_keys_ios", request.organization.slug)


@org_page(Permission.SDK_KEYS_READ, nav="sdk_keys")
def sdk_key_list(request: PortalRequest, platform: str) -> HttpResponse:
    """S13: the organization's keys of one platform."""
    slug, creator = request.organization.slug, request.GET.get("created_by", "").strip()
    context = {
        "created_by": creator,
        "platform": platform,
        "platform_word": Platform(platform).label,
        "create_url": reverse(f"sdk_key_create_{platform}", args=[slug]),
    }
    try:
        mine = SdkKey.objects.for_actor(request.actor)
        rows = presenting.in_order(mine, platform, creator)
        page: Page[Any] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
        page.object_list = presenting.key_rows(list(page.object_list))
        context |= {"page_obj": page, "tabs": presenting.tabs(request.actor, slug, platform)}
        context["creators"] = creators(mine.listed().filter(platform=platform), creator)
    except DatabaseError:
        logger.exception("the list of SDK keys could not be read")
        return render(request, "sdk_keys/list.html", {**context, "load_error": True}, status=503)
    return render(request, "sdk_keys/list.html", context)
