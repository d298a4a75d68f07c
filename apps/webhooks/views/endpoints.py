"""The list of endpoints, the page of one endpoint, and its buttons."""

import logging
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db import DatabaseError, transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.base.errors import Conflict, NotFound
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.forms import AlreadySubmitted, is_recently_confirmed, redirect_to_reauthentication
from apps.base.web.one_time_secrets import one_time_secret_response
from apps.base.web.pages import FORM_METHODS, POST_ONLY, org_page
from apps.webhooks import actions, view_models
from apps.webhooks.forms import DeleteEndpointForm, RotateSecretForm
from apps.webhooks.models import UNFINISHED_DELIVERIES, Delivery, DeliveryStatus, Endpoint, EndpointStatus
from apps.webhooks.view_models.verification_code import SECRET_NAME, language_tabs, receiver_context, receiver_for
from apps.webhooks.views.delivery_list import delivery_list
from apps.webhooks.views.lookups import get_endpoint
from apps.webhooks.views.testing import test_tab

PER_PAGE = 100
logger = logging.getLogger(__name__)


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def endpoint_list(request: PortalRequest) -> HttpResponse:
    """List the organization's endpoints with their statistics."""
    context: dict[str, Any] = {"inbox_url": reverse("webhook_inbox", args=[request.organization.slug])}
    try:
        rows = Endpoint.objects.for_actor(request.actor).existing().order_by("-pk")
        page: Page[Any] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
        found = view_models.endpoint_rows(request.actor, list(page.object_list))
    except DatabaseError:
        logger.exception("the list of endpoints could not be read")
        return render(request, "webhooks/list.html", {**context, "load_error": True}, status=503)
    return render(request, "webhooks/list.html", {**context, "endpoints": found, "page_obj": page})


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def endpoint_detail(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Show one tab of an endpoint: deliveries, signature verification, test or settings.

    With ``?part=list`` or ``?part=steps``, return only the fragment that the page polls.
    """
    endpoint = get_endpoint(request, endpoint_id)
    contexts = {"deliveries": _deliveries_tab, "verify": _verify_tab, "test": test_tab, "settings": _settings_tab}
    tab = request.GET.get("tab", "deliveries")
    tab = tab if tab in contexts else "deliveries"
    part = request.GET.get("part", "")
    context = contexts[tab](request, endpoint)
    status = 503 if context.get("load_error") else 200
    if part == "list" and tab == "deliveries":
        # With this header, the polling script shows the fragment even if the status is an error.
        response = render(request, "webhooks/_deliveries.html", context, status=status)
        response["X-Part"] = "list"
        return response
    if part == "steps" and context.get("sent"):
        return render(request, "webhooks/_steps.html", context)
    return render(
        request, "webhooks/detail.html", {**_header_context(request, endpoint, tab), **context}, status=status
    )


def _deliveries_tab(request: PortalRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Return the context of the delivery list, or of an error message if the database fails."""
    try:
        return delivery_list(request, endpoint)
    except DatabaseError:
        logger.exception("the deliveries of %s could not be read", endpoint.public_id)
        query = request.GET.copy()
        query.pop("part", None)
        return {"load_error": True, "page_url": f"{request.path}?{query.urlencode()}"}


def _header_context(request: PortalRequest, endpoint: Endpoint, tab: str) -> dict[str, Any]:
    """Return the context of the page above the tabs."""
    slug, endpoint_id = request.organization.slug, endpoint.public_id
    endpoint_url = reverse("webhook", args=[slug, endpoint_id])
    labels = {
        "deliveries": _("Deliveries"),
        "verify": _("Verify signature"),
        "test": _("Test"),
        "settings": _("Settings"),
    }
    is_off = endpoint.status != EndpointStatus.ENABLED
    held = Delivery.objects.for_actor(request.actor).filter(endpoint=endpoint, status=DeliveryStatus.HELD)
    failure = view_models.failure_summary(request.actor, endpoint)
    return {
        "endpoint": view_models.endpoint_context(endpoint, held.count()),
        "story": failure,
        "missed_url": _missed_url(slug, endpoint_id, failure),
        "tab": tab,
        "tabs": [
            {"url": f"{endpoint_url}?tab={name}", "label": label, "current": name == tab}
            for name, label in labels.items()
        ],
        "is_off": is_off,
        "enable_url": reverse("webhook_enable", args=[slug, endpoint_id]),
        "pause_url": "" if is_off else reverse("webhook_pause", args=[slug, endpoint_id]),
        "inbox_url": reverse("webhook_inbox", args=[slug]),
    }


def _missed_url(slug: str, endpoint_id: str, failure: dict[str, Any] | None) -> str:
    """Return the URL of a replay of the deliveries that failed permanently since the endpoint began to fail."""
    page = reverse("webhook_replay", args=[slug, endpoint_id])
    since = failure["since"] if failure else None
    return f"{page}?status=exhausted" + (f"&from={since.timestamp():.0f}" if since else "")


def _verify_tab(request: PortalRequest, endpoint: Endpoint) -> dict[str, Any]:
    endpoint_url = reverse("webhook", args=[request.organization.slug, endpoint.public_id])
    chosen = receiver_for(request.GET.get("lang", ""))
    return {
        "languages": language_tabs(f"{endpoint_url}?tab=verify&lang=", chosen),
        "receiver": receiver_context(chosen),
        "secret_name": SECRET_NAME,
    }


def _settings_tab(request: PortalRequest, endpoint: Endpoint) -> dict[str, Any]:
    slug, endpoint_id = request.organization.slug, endpoint.public_id
    return {
        "secrets": view_models.secret_rows(endpoint),
        "twins": view_models.same_url_rows(endpoint),
        "edit_url": reverse("webhook_edit", args=[slug, endpoint_id]),
        "rotate_url": reverse("webhook_rotate_secret", args=[slug, endpoint_id]),
        "end_secret_url": reverse("webhook_end_secret", args=[slug, endpoint_id]),
        "timeout_seconds": settings.WEBHOOK_TIMEOUT,
        "attempts": view_models.max_attempts(),
    }


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=POST_ONLY)
def endpoint_pause(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Pause an endpoint, which holds its deliveries."""
    actions.pause_endpoint(actor=request.actor, endpoint_id=endpoint_id)
    return redirect("webhook", request.organization.slug, endpoint_id)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=POST_ONLY)
def endpoint_enable(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Enable an endpoint; send, keep or drop its held deliveries, as the form says."""
    actions.enable_endpoint(actor=request.actor, endpoint_id=endpoint_id, held=request.POST.get("held", "send"))
    return redirect("webhook", request.organization.slug, endpoint_id)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=FORM_METHODS)
def endpoint_delete(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Delete an endpoint after showing how many deliveries this discards."""
    endpoint = get_endpoint(request, endpoint_id)
    form = DeleteEndpointForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        actions.delete_endpoint(actor=request.actor, endpoint_id=endpoint_id)
        return redirect("webhooks", request.organization.slug)
    waiting = Delivery.objects.for_actor(request.actor).filter(endpoint=endpoint, status__in=UNFINISHED_DELIVERIES)
    context = {"endpoint": view_models.endpoint_context(endpoint), "waiting": waiting.count(), "form": form}
    return render(request, "webhooks/delete.html", context, status=422 if form.errors else 200)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=FORM_METHODS)
def secret_rotate(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Ask how long the old signing secret stays valid, then show the new one once."""
    endpoint = get_endpoint(request, endpoint_id)
    form = RotateSecretForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        return _rotate(request, endpoint, form)
    context = {
        "endpoint": view_models.endpoint_context(endpoint),
        "secrets": view_models.secret_rows(endpoint),
        "form": form,
    }
    return render(request, "webhooks/rotate_secret.html", context, status=422 if form.errors else 200)


def _rotate(request: PortalRequest, endpoint: Endpoint, form: RotateSecretForm) -> HttpResponse:
    overlap = form.cleaned_data["overlap_seconds"]
    try:
        with transaction.atomic():
            form.consume_token()
            endpoint, secret = actions.rotate_secret(
                actor=request.actor, endpoint_id=endpoint.public_id, overlap_seconds=overlap
            )
    except AlreadySubmitted:
        messages.info(request, _("The secret was rotated already, and shown once. Rotate it again if you lost it."))
        return redirect("webhook", request.organization.slug, endpoint.public_id)
    return reveal_secret(request, endpoint, secret)


def reveal_secret(request: PortalRequest, endpoint: Endpoint, secret: str) -> HttpResponse:
    """Show a signing secret once, in the response to the POST."""
    endpoint_url = reverse("webhook", args=[request.organization.slug, endpoint.public_id])
    context = {
        "secret": secret,
        "endpoint": view_models.endpoint_context(endpoint),
        "env_line": f"{SECRET_NAME}={secret}",
        "twins": view_models.same_url_rows(endpoint),
        "close_url": f"{endpoint_url}?tab=verify",
    }
    return one_time_secret_response(request, "webhooks/reveal.html", context)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=POST_ONLY)
def secret_revoke(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Revoke an older signing secret before its overlap ends, after a recent confirmation of the user's identity."""
    endpoint = get_endpoint(request, endpoint_id)
    endpoint_url = f"{reverse('webhook', args=[request.organization.slug, endpoint.public_id])}?tab=settings"
    if not is_recently_confirmed(request):
        return redirect_to_reauthentication(endpoint_url)
    try:
        actions.revoke_secret(actor=request.actor, endpoint_id=endpoint_id, secret_id=request.POST.get("secret", ""))
    except (Conflict, NotFound) as error:
        messages.warning(request, str(error))
    else:
        messages.info(request, _("The old secret no longer signs."))
    return redirect(endpoint_url)
