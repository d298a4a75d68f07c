"""Usage pages, and the requests that still use a replaced key."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from apps.api_keys import view_models
from apps.api_keys.models import ApiKey
from apps.api_keys.reports import usage as usage_reports
from apps.api_keys.reports.least_privilege import UnusedScopes, unused_scopes
from apps.api_keys.reports.rotation_progress import is_being_replaced, rotation_progress
from apps.api_keys.views.key_pages import API_KEY_PAGES
from apps.audit.models import LastUse
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import org_page, selected_filter
from apps.webhooks.stats import dashboard_stats


@org_page(Permission.API_KEYS_READ, Permission.USAGE_READ, nav="api_keys")
def key_usage(request: PortalRequest, key_id: str) -> HttpResponse:
    """Show a key's usage, and its unused scopes."""
    key = API_KEY_PAGES.find(request, key_id)
    now = timezone.now()
    context = {
        "key": view_models.facts(key, LastUse.objects.filter(pk=key.pk).first(), now),
        "is_being_replaced": is_being_replaced(key),
        **usage_reports.key_page(request.actor, key, selected_filter(request, "span", usage_reports.SPANS), now),
        **_unused_scopes_context(request, key, unused_scopes(request.actor, key, now)),
    }
    return render(request, "api_keys/usage.html", context)


def _unused_scopes_context(request: PortalRequest, key: ApiKey, found: UnusedScopes | None) -> dict[str, Any]:
    """Return the hint about unused scopes, and the URL to create a key with fewer if the member can create keys."""
    if found is None or not request.actor.can(Permission.API_KEYS_WRITE):
        return {"hint": found, "narrower_url": ""}
    query = urlencode({"type": key.key_type.name, "scopes": found.sufficient}, doseq=True)
    return {"hint": found, "narrower_url": reverse("api_key_create", args=[request.organization.slug]) + "?" + query}


@org_page(Permission.API_KEYS_READ, Permission.USAGE_READ, nav="api_keys")
def key_rotation_progress(request: PortalRequest, key_id: str) -> HttpResponse:
    """Show who still uses a replaced key."""
    key = API_KEY_PAGES.find(request, key_id)
    if not is_being_replaced(key):
        return redirect("api_key", request.organization.slug, key_id)
    now = timezone.now()
    context = {
        "key": view_models.facts(key, LastUse.objects.filter(pk=key.pk).first(), now),
        "progress": rotation_progress(request.actor, key, now),
        "successor": getattr(key, "replaced_by", None),
    }
    return render(request, "api_keys/drain.html", context)


@org_page(Permission.USAGE_READ, nav="api_keys")
def usage(request: PortalRequest) -> HttpResponse:
    """Show the usage of all keys of the organization."""
    page = usage_reports.organization_page(
        request.actor, selected_filter(request, "span", usage_reports.SPANS), timezone.now()
    )
    if request.actor.can(Permission.WEBHOOKS_READ):
        page["fan_out"] = dashboard_stats.fan_out_24h(request.actor)
    return render(request, "api_keys/usage_of_all.html", page)
