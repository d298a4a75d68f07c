"""The page of one key."""

from django.http import HttpResponse
from django.shortcuts import render

from apps.api_keys import view_models
from apps.api_keys.views.kind import KEYS
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import org_page
from apps.credentials.lifecycle.forms import one_click_actions

# Buttons that change the key without a further page, and their routes.
CLICKS = {"enable": "api_key_enable", "release": "api_key_release"}


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_detail(request: PortalRequest, key_id: str) -> HttpResponse:
    """Show one key with its usage and history."""
    key = KEYS.find(request, key_id)
    context = {
        **view_models.detail(request.actor, key),
        "clicks": one_click_actions(request, key, CLICKS, Permission.API_KEYS_WRITE),
    }
    return render(request, "api_keys/detail.html", context)
