"""The inventory page: findings about active keys, and all keys as CSV."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.api_keys.models import ApiKey
from apps.api_keys.reports.inventory import Finding, InspectedKey, inspect, scopes_used, table
from apps.api_keys.view_models.facts import facts
from apps.base.concurrency import heavy_work
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.downloads import csv_response
from apps.base.web.pages import org_page, selected_filter

LABELS: dict[Finding, Promise] = {
    Finding.NEVER_EXPIRES: gettext_lazy("No expiry"),
    Finding.UNUSED_SCOPES: gettext_lazy("Unused rights"),
    Finding.ANY_NETWORK: gettext_lazy("Any network"),
    Finding.TOO_OLD: gettext_lazy("Older than 90 days"),
    Finding.NEVER_USED: gettext_lazy("Never used"),
}

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


def finding_tabs(path: str, inspected: Sequence[InspectedKey], asked: str) -> list[dict[str, Any]]:
    """Return a tab for all active keys and one for each finding, with counts."""
    every = {"url": path, "label": _("All live keys"), "count": len(inspected), "current": not asked}
    return [
        every,
        *(
            {
                "url": f"{path}?finding={finding}",
                "label": str(word),
                "count": sum(finding in each.findings for each in inspected),
                "current": asked == finding,
            }
            for finding, word in LABELS.items()
        ),
    ]


def inventory_row(inspected: InspectedKey, now: datetime) -> dict[str, Any]:
    """Return the context of a key's row."""
    key = inspected.key
    return {
        **facts(key, inspected.use, now),
        "age_days": (now - key.created_at).days,
        "findings": [str(word) for finding, word in LABELS.items() if finding in inspected.findings],
        "unused_scopes": inspected.unused,
        "has": {str(finding): True for finding in inspected.findings},
    }
