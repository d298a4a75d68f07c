"""Send tests and show their steps, and show the test inbox."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from apps.base.errors import Invalid, PortalError, RateLimited
from apps.base.identifiers import decode, uuid_at
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import POST_ONLY, org_page
from apps.webhooks import actions, view_models
from apps.webhooks.engine.test_inbox import INBOX_URL
from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, EventType
from apps.webhooks.views.lookups import get_endpoint

MAX_MESSAGES = 50
INBOX_PERIOD = timedelta(hours=24)


def test_tab(request: PortalRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Return the context of the Test tab; ``?sent=`` names the test delivery whose steps are shown."""
    page_url = reverse("webhook", args=[request.organization.slug, endpoint.public_id])
    context: dict[str, Any] = {
        "test_url": reverse("webhook_test", args=[request.organization.slug, endpoint.public_id]),
        "types": view_models.type_groups(list(EventType.objects.all())),
        "chosen_type": request.GET.get("type", ""),
    }
    key = decode(Delivery.id_prefix, request.GET.get("sent", ""))
    rows = Delivery.objects.for_actor(request.actor).select_related("event", "endpoint")
    sent = rows.filter(pk=key, endpoint=endpoint, test=True).first() if key else None
    if sent:
        query = {"tab": "test", "sent": sent.public_id}
        context |= {
            "sent": view_models.test_steps(sent),
            "refresh_url": f"{page_url}?{urlencode(query)}",
            "poll_url": f"{page_url}?{urlencode({**query, 'part': 'steps'})}",
        }
        context["chosen_type"] = sent.event_type
    return context


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=POST_ONLY)
def endpoint_test(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Send a test and redirect to its steps, or back to the test inbox."""
    endpoint = get_endpoint(request, endpoint_id)
    event_type = request.POST.get("event_type", "") or None
    page_url = reverse("webhook", args=[request.organization.slug, endpoint.public_id])
    try:
        delivery = actions.send_test(actor=request.actor, endpoint_id=endpoint.public_id, event_type=event_type)
    except (RateLimited, Invalid) as error:
        messages.warning(request, str(error))
        return redirect(f"{page_url}?{urlencode({'tab': 'test', 'type': event_type or ''})}")
    if request.POST.get("back") == "inbox":
        return redirect("webhook_inbox", request.organization.slug)
    return redirect(f"{page_url}?{urlencode({'tab': 'test', 'sent': delivery.public_id})}")


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def inbox(request: PortalRequest) -> HttpResponse:
    """Show the newest messages of the test inbox; with ``?part=list``, return only the list that the page polls."""
    endpoint = Endpoint.objects.for_actor(request.actor).existing().filter(url=INBOX_URL).first()
    context: dict[str, Any] = {"open_url": reverse("webhook_inbox_open", args=[request.organization.slug])}
    if endpoint is not None:
        slug, endpoint_id = request.organization.slug, endpoint.public_id
        context |= {
            "endpoint": view_models.endpoint_context(endpoint),
            "received": view_models.inbox_messages(_received(request, endpoint)),
            "types": view_models.type_groups(list(EventType.objects.all())),
            "test_url": reverse("webhook_test", args=[slug, endpoint_id]),
            "most": MAX_MESSAGES,
        }
    is_part = request.GET.get("part") == "list" and endpoint is not None
    return render(request, "webhooks/_inbox.html" if is_part else "webhooks/inbox.html", context)


def _received(request: PortalRequest, endpoint: Endpoint) -> list[Delivery]:
    rows = Delivery.objects.for_actor(request.actor).filter(
        endpoint=endpoint, status=DeliveryStatus.SUCCEEDED, pk__gte=uuid_at(timezone.now() - INBOX_PERIOD)
    )
    return list(rows.select_related("event", "endpoint").prefetch_related("attempts").order_by("-pk")[:MAX_MESSAGES])


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=POST_ONLY)
def inbox_open(request: PortalRequest) -> HttpResponse:
    """Create the organization's test inbox if there is none."""
    try:
        actions.open_inbox(actor=request.actor)
    except PortalError as error:
        messages.warning(request, str(error))
    return redirect("webhook_inbox", request.organization.slug)
