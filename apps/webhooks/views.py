"""Pages of Settings → Integration → Webhooks and Event catalogue."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.base.answers import reveal
from apps.base.errors import Invalid, PortalError, Text
from apps.base.forms import AlreadySent
from apps.base.identifiers import decode
from apps.base.lists import make_cursor, read_cursor
from apps.base.pages import BUTTON, FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.webhooks import actions, presenting
from apps.webhooks.forms import DeleteEndpointForm, EndpointForm
from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, EndpointStatus, Event, EventType

PER_PAGE = 50
MOST_ENDPOINTS = 200
STATUS_FILTERS = {
    "succeeded": Q(status=DeliveryStatus.SUCCEEDED),
    "failed": Q(status=DeliveryStatus.EXHAUSTED) | Q(status=DeliveryStatus.PENDING, last_error__gt=""),
    "waiting": Q(status__in=[DeliveryStatus.PENDING, DeliveryStatus.SENDING]),
    "held": Q(status=DeliveryStatus.HELD),
}
SPANS = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def endpoint_list(request: PortalRequest) -> HttpResponse:
    """S7: the organization's endpoints."""
    rows = list(Endpoint.objects.for_actor(request.actor).existing().order_by("-pk")[:MOST_ENDPOINTS])
    return render(request, "webhooks/list.html", {"endpoints": presenting.endpoint_rows(request.actor, rows)})


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=FORM)
def endpoint_create(request: PortalRequest) -> HttpResponse:
    """S8, then S4 for the signing secret."""
    types = list(EventType.objects.filter(is_deprecated=False))
    form = EndpointForm(request.POST or None, request=request, types=types)
    if request.method == "POST" and form.is_valid():
        answer = _create(request, form)
        if answer is not None:
            return answer
    chosen = form.data.getlist("event_types") if form.is_bound else request.GET.getlist("event")
    context = {
        "form": form,
        "groups": presenting.type_groups(types, set(chosen)),
        "timeout_seconds": settings.WEBHOOK_TIMEOUT,
    }
    return render(request, "webhooks/create.html", context, status=422 if form.errors else 200)


def _create(request: PortalRequest, form: EndpointForm) -> HttpResponse | None:
    try:
        with transaction.atomic():
            form.spend()
            endpoint, secret = actions.create_endpoint(actor=request.actor, **form.for_action())
    except AlreadySent:
        messages.info(request, _("This endpoint was added already. Its secret was shown once."))
        return redirect("webhooks", request.organization.slug)
    except PortalError as error:
        blamed: Mapping[Any, Sequence[Text]] = error.fields or {None: [error.message]}
        for name, texts in blamed.items():
            form.add_error(name if name in form.fields else None, [str(text) for text in texts])
        return None
    here = reverse("webhook", args=[request.organization.slug, endpoint.public_id])
    context = {
        "secret": secret,
        "endpoint": presenting.endpoint_facts(endpoint),
        "env_line": f"PORTAL_WEBHOOK_SECRET={secret}",
        "close_url": f"{here}?tab=verify",
    }
    return reveal(request, "webhooks/reveal.html", context)


def _endpoint(request: PortalRequest, endpoint_id: str) -> Endpoint:
    return Endpoint.objects.for_actor(request.actor).existing().with_public_id(endpoint_id)


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def endpoint_detail(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """S9: one endpoint with its deliveries, how to verify them, and its settings."""
    endpoint = _endpoint(request, endpoint_id)
    slug = request.organization.slug
    here = reverse("webhook", args=[slug, endpoint_id])
    tab = request.GET.get("tab", "deliveries")
    words = {"deliveries": _("Deliveries"), "verify": _("Verify signature"), "settings": _("Settings")}
    held = Delivery.objects.for_actor(request.actor).filter(endpoint=endpoint, status=DeliveryStatus.HELD)
    context: dict[str, Any] = {
        "endpoint": presenting.endpoint_facts(endpoint, held.count() if _is_off(endpoint) else 0),
        "tab": tab if tab in words else "deliveries",
        "tabs": [{"url": f"{here}?tab={name}", "label": word, "current": name == tab} for name, word in words.items()],
        "test_url": reverse("webhook_test", args=[slug, endpoint_id]),
        "enable_url": reverse("webhook_enable", args=[slug, endpoint_id]),
        "pause_url": "" if _is_off(endpoint) else reverse("webhook_pause", args=[slug, endpoint_id]),
    }
    if tab == "verify":
        context["snippets"] = presenting.snippets(endpoint)
    elif context["tab"] == "deliveries":
        context |= _deliveries(request, endpoint)
        if not request.GET.get("cursor"):
            context["poll_url"] = _poll_url(request, slug, endpoint_id)
    return render(request, "webhooks/detail.html", context)


def _is_off(endpoint: Endpoint) -> bool:
    return endpoint.status != EndpointStatus.ENABLED


def _poll_url(request: PortalRequest, slug: str, endpoint_id: str) -> str:
    query = request.GET.urlencode()
    return reverse("webhook_deliveries", args=[slug, endpoint_id]) + (f"?{query}" if query else "")


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def endpoint_deliveries(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """The delivery list alone, which the page fetches to refresh itself."""
    return render(request, "webhooks/_deliveries.html", _deliveries(request, _endpoint(request, endpoint_id)))


def _deliveries(request: PortalRequest, endpoint: Endpoint) -> dict[str, Any]:
    filters = {name: request.GET.get(name, "").strip() for name in ("status", "event_type", "since", "q")}
    rows = _filtered(Delivery.objects.for_actor(request.actor).filter(endpoint=endpoint), filters)
    cursor = request.GET.get("cursor", "")
    if cursor:
        try:
            rows = rows.filter(pk__lt=read_cursor(cursor, Delivery._meta.pk))
        except Invalid:
            cursor = ""
    found = list(rows.select_related("event").order_by("-pk")[: PER_PAGE + 1])
    return {
        "deliveries": presenting.delivery_rows(found[:PER_PAGE]),
        "filters": filters,
        "filtered": any(filters.values()),
        "event_types": list(EventType.objects.values_list("name", flat=True)),
        "next_cursor": make_cursor(found[PER_PAGE - 1].pk) if len(found) > PER_PAGE else "",
        "is_first": not cursor,
        "keep_days": settings.RETENTION_DAYS_DELIVERIES,
    }


def _filtered(rows: QuerySet[Delivery], filters: dict[str, str]) -> QuerySet[Delivery]:
    if filters["status"] in STATUS_FILTERS:
        rows = rows.filter(STATUS_FILTERS[filters["status"]])
    if filters["event_type"]:
        rows = rows.filter(event_type=filters["event_type"])
    if filters["since"] in SPANS:
        rows = rows.filter(created_at__gte=timezone.now() - SPANS[filters["since"]])
    if filters["q"]:
        delivery, event = decode(Delivery.id_prefix, filters["q"]), decode(Event.id_prefix, filters["q"])
        rows = rows.filter(pk=delivery) if delivery else rows.filter(event_id=event) if event else rows.none()
    return rows


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=BUTTON)
def endpoint_test(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Sends a test event and leads to its delivery."""
    endpoint = _endpoint(request, endpoint_id)
    delivery = actions.send_test(actor=request.actor, endpoint_id=endpoint.public_id)
    messages.info(request, _("Test queued. It starts within a few seconds."))
    return redirect("delivery", request.organization.slug, delivery.public_id)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=BUTTON)
def endpoint_pause(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Stops sending; events are held meanwhile."""
    actions.pause_endpoint(actor=request.actor, endpoint_id=endpoint_id)
    return redirect("webhook", request.organization.slug, endpoint_id)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=BUTTON)
def endpoint_enable(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Starts sending again; what was held is sent, kept or dropped."""
    actions.enable_endpoint(actor=request.actor, endpoint_id=endpoint_id, held=request.POST.get("held", "send"))
    return redirect("webhook", request.organization.slug, endpoint_id)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=FORM)
def endpoint_delete(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """What a deletion drops, then the deletion."""
    endpoint = _endpoint(request, endpoint_id)
    form = DeleteEndpointForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        actions.delete_endpoint(actor=request.actor, endpoint_id=endpoint_id)
        return redirect("webhooks", request.organization.slug)
    waiting = Delivery.objects.for_actor(request.actor).filter(
        endpoint=endpoint, status__in=[DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.HELD]
    )
    context = {"endpoint": presenting.endpoint_facts(endpoint), "waiting": waiting.count(), "form": form}
    return render(request, "webhooks/delete.html", context, status=422 if form.errors else 200)


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def delivery_detail(request: PortalRequest, delivery_id: str) -> HttpResponse:
    """S10: one delivery, attempt by attempt."""
    rows = Delivery.objects.for_actor(request.actor).select_related("event", "endpoint", "replay_of")
    delivery = rows.with_public_id(delivery_id)
    tab = "request" if request.GET.get("tab") == "request" else "response"
    number = request.GET.get("attempt", "")
    slug = request.organization.slug
    chosen = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else None
    context = presenting.delivery_detail(delivery, slug, tab, chosen)
    if request.actor.can(Permission.WEBHOOKS_WRITE) and _may_retry(delivery):
        context["retry_url"] = reverse("delivery_retry", args=[slug, delivery_id])
    return render(request, "webhooks/delivery.html", context)


def _may_retry(delivery: Delivery) -> bool:
    waits = delivery.status in (DeliveryStatus.SENDING, DeliveryStatus.HELD)
    gone = delivery.endpoint.deleted_at is not None or _is_off(delivery.endpoint)
    return not (waits or gone or delivery.test) and delivery.event.body is not None


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=BUTTON)
def delivery_retry(request: PortalRequest, delivery_id: str) -> HttpResponse:
    """Sends a delivery again, and leads to the one that is sent."""
    delivery = actions.retry_delivery(actor=request.actor, delivery_id=delivery_id)
    messages.info(request, _("Queued again. The next attempt starts within a few seconds."))
    return redirect("delivery", request.organization.slug, delivery.public_id)


@org_page(Permission.WEBHOOKS_READ, nav="events")
def event_catalogue(request: PortalRequest) -> HttpResponse:
    """S12: what may be published, with a sample of each."""
    q = request.GET.get("q", "").strip()
    types = EventType.objects.all()
    if q:
        types = types.filter(Q(name__icontains=q) | Q(description__icontains=q))
    context = {"groups": presenting.type_groups(list(types), set()), "q": q, "filtered": bool(q)}
    return render(request, "webhooks/events.html", context)
