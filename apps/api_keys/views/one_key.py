"""S5: one key."""

from django.http import HttpResponse
from django.shortcuts import render

from apps.api_keys import presenting
from apps.api_keys.models import ApiKey
from apps.base.pages import org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_detail(request: PortalRequest, key_id: str) -> HttpResponse:
    """S5: one key, its use and its history."""
    key = ApiKey.objects.for_actor(request.actor).select_related("key_type").with_public_id(key_id)
    return render(request, "api_keys/detail.html", presenting.detail(request.actor, key, request.organization.slug))
