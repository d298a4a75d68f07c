"""Count and start replays, and show the page of one replay."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from apps.base.errors import Conflict, PortalError
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.forms import add_action_errors
from apps.base.web.pages import FORM_METHODS, POST_ONLY, org_page
from apps.webhooks import actions, view_models
from apps.webhooks.forms import ReplayForm
from apps.webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, EventType, ReplayJob
from apps.webhooks.views.lookups import get_endpoint

MAX_RECENT = 10
FIELDS = ("status", "event_types", "since", "until", "rate_per_second")


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=FORM_METHODS)
def replay_start(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Count the selected events and start their replay; Count only renders the form again."""
    endpoint = get_endpoint(request, endpoint_id)
    types = list(EventType.objects.values_list("name", flat=True))
    if request.method == "POST":
        form = ReplayForm(request.POST, types=types)
    else:
        form = ReplayForm(_initial_values(request), types=types)
    count = None
    if form.is_valid():
        try:
            count = actions.count_replay(actor=request.actor, endpoint_id=endpoint_id, selection=form.selection())
            if request.method == "POST" and "count" not in request.POST and count:
                return _start(request, endpoint, form)
        except PortalError as error:
            add_action_errors(form, error)
    return _render(request, endpoint, form, count)


def _start(request: PortalRequest, endpoint: Endpoint, form: ReplayForm) -> HttpResponse:
    job = actions.start_replay(
        actor=request.actor,
        endpoint_id=endpoint.public_id,
        selection=form.selection(),
        rate_per_second=form.cleaned_data["rate_per_second"],
    )
    return redirect("replay", request.organization.slug, job.public_id)


def _initial_values(request: PortalRequest) -> dict[str, Any]:
    """Return the form's initial values from the query; ``from`` is a Unix time in links of other pages."""
    given: dict[str, Any] = {name: request.GET.get(name, "") for name in FIELDS}
    given["status"] = request.GET.getlist("status") or [DeliveryStatus.EXHAUSTED.value]
    seconds = request.GET.get("from", "")
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 12:
        since = datetime.fromtimestamp(int(seconds), UTC)
        given["since"] = timezone.localtime(since).strftime("%Y-%m-%dT%H:%M")
    return given


def _render(request: PortalRequest, endpoint: Endpoint, form: ReplayForm, count: int | None) -> HttpResponse:
    rows = ReplayJob.objects.for_actor(request.actor).filter(endpoint=endpoint).select_related("endpoint")
    rate = form.cleaned_data.get("rate_per_second") if form.is_bound and form.is_valid() else None
    rate_limit = rate or endpoint.rate_limit_per_second
    context = {
        "endpoint": view_models.endpoint_context(endpoint),
        "is_off": endpoint.status != EndpointStatus.ENABLED,
        "form": form,
        "count": count,
        "seconds": -(-count // rate_limit) if count and rate_limit else None,
        "pace": rate_limit,
        "jobs": [view_models.replay_context(job) for job in rows.order_by("-pk")[:MAX_RECENT]],
        "zone": timezone.get_current_timezone_name(),
        "enable_url": reverse("webhook", args=[request.organization.slug, endpoint.public_id]),
    }
    is_invalid = request.method == "POST" and bool(form.errors)
    return render(request, "webhooks/replay_start.html", context, status=422 if is_invalid else 200)


@org_page(Permission.WEBHOOKS_READ, nav="webhooks")
def replay_detail(request: PortalRequest, replay_id: str) -> HttpResponse:
    """Show a replay with its progress; with ``?part=progress``, return only the fragment that the page polls."""
    rows = ReplayJob.objects.for_actor(request.actor).select_related("endpoint")
    job = view_models.replay_context(rows.with_public_id(replay_id))
    slug = request.organization.slug
    page_url = reverse("webhook", args=[slug, job["endpoint"]["id"]])
    context = {
        "job": job,
        "poll_url": "" if job["is_settled"] else f"{request.path}?part=progress",
        "cancel_url": "" if job["is_over"] else reverse("replay_cancel", args=[slug, replay_id]),
        "failures_url": f"{page_url}?status=failed",
        "missing_count": max(0, job["count"] - job["sent"]),
    }
    is_part = request.GET.get("part") == "progress"
    return render(request, "webhooks/_replay.html" if is_part else "webhooks/replay.html", context)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=POST_ONLY)
def replay_cancel(request: PortalRequest, replay_id: str) -> HttpResponse:
    """Cancel a replay; deliveries that it has created are still sent."""
    try:
        actions.cancel_replay(actor=request.actor, replay_id=replay_id)
    except Conflict as error:
        messages.warning(request, str(error))
    return redirect("replay", request.organization.slug, replay_id)
