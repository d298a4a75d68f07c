"""The event catalogue, and subscribing an endpoint to one of its types."""

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import POST_ONLY, org_page
from apps.webhooks import actions, view_models
from apps.webhooks.models import Endpoint, EventType
from apps.webhooks.view_models.verification_code import TYPE_HANDLERS, code_for_type

MAX_ENDPOINTS = 50
CODE_TABS = {"json": "JSON", "schema": gettext_lazy("Schema"), "python": "Python", "node": "Node"}


@org_page(Permission.WEBHOOKS_READ, nav="events")
def event_catalogue(request: PortalRequest) -> HttpResponse:
    """Show the event types, and one of them with its fields, sample, schema and endpoints."""
    q = request.GET.get("q", "").strip()
    types = EventType.objects.all()
    if q:
        types = types.filter(Q(name__icontains=q) | Q(description__icontains=q))
    rows = list(types)
    requested = request.GET.get("type", "")
    chosen = next((each for each in rows if each.name == requested), rows[0] if rows else None)
    context: dict[str, Any] = {
        "groups": view_models.type_groups(rows, [chosen.name] if chosen else []),
        "q": q,
        "filtered": bool(q),
        "is_chosen": bool(requested),
    }
    return render(request, "webhooks/events.html", context | (_type_context(request, chosen, q) if chosen else {}))


def _type_context(request: PortalRequest, row: EventType, q: str) -> dict[str, Any]:
    slug = request.organization.slug
    endpoints = list(Endpoint.objects.for_actor(request.actor).existing().order_by("-pk")[:MAX_ENDPOINTS])
    detail = view_models.type_detail(row, endpoints)
    show = request.GET.get("show", "json")
    show = show if show in CODE_TABS else "json"
    base = {"type": row.name, **({"q": q} if q else {})}
    tabs = [
        {"url": f"?{urlencode({**base, 'show': name})}#event", "label": word, "current": name == show}
        for name, word in CODE_TABS.items()
    ]
    code = detail["schema"] if show == "schema" else detail["body"]
    return {
        "event": detail,
        "code": code_for_type(show, row.name) if show in TYPE_HANDLERS else code,
        "code_tinted": show not in TYPE_HANDLERS,
        "code_tabs": tabs,
        "add_url": f"{reverse('webhook_create', args=[slug])}?{urlencode({'event': row.name})}",
    }


@org_page(Permission.WEBHOOKS_WRITE, nav="events", methods=POST_ONLY)
def endpoint_subscribe(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Subscribe an endpoint to an event type."""
    name = request.POST.get("event_type", "")
    endpoint = actions.subscribe_endpoint(actor=request.actor, endpoint_id=endpoint_id, event_type=name)
    params = {"host": view_models.endpoint_name(endpoint), "type": name}
    messages.info(request, _("%(host)s gets %(type)s from now on.") % params)
    page = reverse("events", args=[request.organization.slug])
    return redirect(f"{page}?{urlencode({'type': name})}#event")
