"""The inventory page: findings about active keys, and all keys as CSV."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.api_keys.reports.inventory import Finding, inspect, scopes_used, table
from apps.api_keys.view_models.inventory import finding_tabs, inventory_row
from apps.base.concurrency import heavy_work
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.csv_files import csv_response
from apps.base.web.pages import org_page, selected_filter

PER_PAGE = 50


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_inventory(request: PortalRequest) -> HttpResponseBase:
    """Show the active keys with their findings."""
    now, asked = timezone.now(), selected_filter(request, "finding", list(Finding))
    live = ApiKey.objects.for_actor(request.actor).live(now).select_related("key_type").order_by("pk")
    inspected = inspect(list(live), scopes_used(request.actor, now), now)
    wanted = [each for each in inspected if not asked or asked in each.findings]
    page: Page[Any] = Paginator(wanted, PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = [inventory_row(each, now) for each in page.object_list]
    context = {
        "page_obj": page,
        "tabs": finding_tabs(request.path, inspected, asked),
        "finding": asked,
        "total": len(inspected),
    }
    return render(request, "api_keys/inventory.html", context)


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_inventory_csv(request: PortalRequest) -> HttpResponseBase:
    """Export every key in every state as CSV, masked."""
    now = timezone.now()
    name = f"api-keys-{request.organization.slug}-{now:%Y-%m-%d}.csv"
    with heavy_work.reserve_slot(request.organization.pk) as slot:
        return slot.hold_until_sent(csv_response(name, table(request.actor, now)))
