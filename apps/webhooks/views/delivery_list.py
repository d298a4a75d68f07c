"""The delivery list of an endpoint: filters, pagination, and the number of failed deliveries."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.base.errors import Invalid
from apps.base.identifiers import decode, uuid_at
from apps.base.requests import PortalRequest
from apps.base.rest.cursor_pagination import Cursors, rows_after
from apps.base.web.pages import selected_filter
from apps.orgs.lookups import retention_days
from apps.webhooks import view_models
from apps.webhooks.models import Delivery, Endpoint, EndpointStatus, Event, EventType
from apps.webhooks.models.deliveries import FAILED, HAD_ERRORS, HELD, IN_PROGRESS, SUCCEEDED
from apps.webhooks.stats.list_conditions import with_literal_constants

PER_PAGE = 50
# More failures are shown as "1,000+", because counting them all would slow the page down.
MAX_COUNTED = 1000
STATUS_FILTERS = {
    "succeeded": with_literal_constants(SUCCEEDED),
    "failed": with_literal_constants(FAILED),
    "waiting": with_literal_constants(IN_PROGRESS),
    "held": with_literal_constants(HELD),
}
EXHAUSTED = with_literal_constants(Q(status="exhausted"))
PERIODS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
FILTERS = ("status", "event_type", "since", "q", "errors")


def delivery_list(request: PortalRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Return the context of the Deliveries tab."""
    filters = {name: request.GET.get(name, "").strip() for name in FILTERS}
    filters |= {
        name: selected_filter(request, name, known) for name, known in (("status", STATUS_FILTERS), ("since", PERIODS))
    }
    all_rows = Delivery.objects.for_actor(request.actor).filter(endpoint=endpoint)
    rows, cursor = _filtered(all_rows, filters).order_by("-pk"), request.GET.get("cursor", "")
    cursors = Cursors.of(f"deliveries of {endpoint.public_id}", endpoint.organization_id, filters.items())
    if cursor:
        try:
            rows = rows_after(rows, cursors.read(cursor, Delivery._meta.pk), "-pk")
        except Invalid:
            cursor = ""
    page = list(rows[: PER_PAGE + 1])
    slug, endpoint_id = request.organization.slug, endpoint.public_id
    return {
        "deliveries": view_models.delivery_rows(page[:PER_PAGE]),
        "filters": filters,
        "filtered": any(filters.values()),
        "states": _status_tabs(request, filters["status"]),
        "event_types": list(EventType.objects.values_list("name", flat=True)),
        "next_cursor": cursors.write(page[PER_PAGE - 1].pk) if len(page) > PER_PAGE else "",
        "is_first": not cursor,
        "keep_days": retention_days(endpoint.organization_id, "deliveries", settings.RETENTION_DAYS_DELIVERIES),
        "poll_url": "" if cursor else _poll_url(request),
        "may_send": endpoint.status == EndpointStatus.ENABLED,
        "again_url": reverse("webhook_send_again", args=[slug, endpoint_id]),
        **_failed_context(all_rows, filters, reverse("webhook_replay", args=[slug, endpoint_id])),
    }


def _filtered(rows: QuerySet[Delivery], filters: dict[str, str]) -> QuerySet[Delivery]:
    if filters["status"] in STATUS_FILTERS:
        rows = rows.filter(STATUS_FILTERS[filters["status"]])
    if filters["errors"]:
        rows = rows.filter(with_literal_constants(HAD_ERRORS))
    if filters["event_type"]:
        rows = rows.filter(event_type=filters["event_type"])
    if filters["since"] in PERIODS:
        start = timezone.now() - PERIODS[filters["since"]]
        # Keys are ordered by time, so the condition on the key lets the index bound the search.
        rows = rows.filter(created_at__gte=start, pk__gte=uuid_at(start - timedelta(minutes=1)))
    if filters["q"]:
        delivery, event = decode(Delivery.id_prefix, filters["q"]), decode(Event.id_prefix, filters["q"])
        rows = rows.filter(pk=delivery) if delivery else rows.filter(event_id=event) if event else rows.none()
    return rows


def _failed_context(all_rows: QuerySet[Delivery], filters: dict[str, str], replay_url: str) -> dict[str, Any]:
    """Return the number of permanently failed deliveries that match the filters, and the URL of their replay."""
    view = {**filters, "status": "", "errors": ""}
    rows = _filtered(all_rows, view).filter(EXHAUSTED, test=False)
    count = 0 if filters["q"] or filters["status"] not in ("", "failed") else rows[: MAX_COUNTED + 1].count()
    query = {"status": "exhausted", "event_types": filters["event_type"]}
    if filters["since"] in PERIODS:
        query["from"] = f"{(timezone.now() - PERIODS[filters['since']]).timestamp():.0f}"
    return {
        "failed_count": min(count, MAX_COUNTED),
        "failed_more": count > MAX_COUNTED,
        "replay_url": f"{replay_url}?{urlencode({name: value for name, value in query.items() if value})}",
    }


def _status_tabs(request: PortalRequest, current: str) -> list[dict[str, Any]]:
    labels = {
        "": _("All"),
        "succeeded": _("Succeeded"),
        "failed": _("Failed"),
        "waiting": _("Waiting"),
        "held": _("Held"),
    }
    tabs = []
    for name, label in labels.items():
        query = request.GET.copy()
        for parameter in ("status", "cursor", "part"):
            query.pop(parameter, None)
        if name:
            query["status"] = name
        tabs.append({"url": f"{request.path}?{query.urlencode()}", "label": label, "current": name == current})
    return tabs


def _poll_url(request: PortalRequest) -> str:
    query = request.GET.copy()
    query["part"] = "list"
    return f"{request.path}?{query.urlencode()}"
