"""Show a delivery, and resend one or several deliveries."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.base.errors import Conflict, Invalid
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import POST_ONLY, org_page
from apps.webhooks import actions, view_models
from apps.webhooks.models import Delivery, DeliveryStatus, EndpointStatus
from apps.webhooks.views.lookups import get_endpoint

TABS = ("response", "request", "verify")


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def delivery_detail(request: PortalRequest, delivery_id: str) -> HttpResponse:
    """Show a delivery with its attempts; with ``?part=body``, return only the fragment that the page polls."""
    rows = Delivery.objects.for_actor(request.actor).select_related("event", "endpoint")
    delivery = rows.with_public_id(delivery_id)
    tab, number = request.GET.get("tab", ""), request.GET.get("attempt", "")
    slug = request.organization.slug
    chosen = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else None
    context = view_models.delivery_detail(delivery, slug, tab if tab in TABS else "response", chosen)
    if request.actor.can(Permission.WEBHOOKS_WRITE) and _can_retry(delivery):
        context["retry_url"] = reverse("delivery_retry", args=[slug, delivery_id])
    if view_models.is_in_progress(delivery):
        query = request.GET.copy()
        query["part"] = "body"
        context["poll_url"] = f"{request.path}?{query.urlencode()}"
    is_part = request.GET.get("part") == "body"
    return render(request, "webhooks/_delivery.html" if is_part else "webhooks/delivery.html", context)


def _can_retry(delivery: Delivery) -> bool:
    is_busy = delivery.status in (DeliveryStatus.SENDING, DeliveryStatus.HELD)
    is_off = delivery.endpoint.deleted_at is not None or delivery.endpoint.status != EndpointStatus.ENABLED
    return not (is_busy or is_off or delivery.test) and delivery.event.body is not None


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=POST_ONLY)
def delivery_retry(request: PortalRequest, delivery_id: str) -> HttpResponse:
    """Resend a delivery and redirect to the delivery that is sent."""
    delivery = actions.retry_delivery(actor=request.actor, delivery_id=delivery_id)
    number = delivery.attempt_count + 1
    messages.info(request, _("Queued again. Attempt %(number)d starts within a few seconds.") % {"number": number})
    return redirect("delivery", request.organization.slug, delivery.public_id)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=POST_ONLY)
def delivery_resend(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Resend the selected deliveries of an endpoint, or the one whose button was clicked."""
    endpoint = get_endpoint(request, endpoint_id)
    one = request.POST.get("one", "")
    chosen = [one] if one else request.POST.getlist("delivery")
    try:
        count = actions.retry_deliveries(actor=request.actor, endpoint_id=endpoint_id, delivery_ids=chosen)
    except (Conflict, Invalid) as error:
        messages.warning(request, str(error))
    else:
        text = ngettext("%(count)d delivery is queued again.", "%(count)d deliveries are queued again.", count)
        messages.info(request, text % {"count": count})
    return redirect("webhook", request.organization.slug, endpoint.public_id)
