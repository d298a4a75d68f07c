"""Pages of no app: the overview of Integration, health, metrics, and errors."""

import hmac
import logging
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from apps.api_keys.models import ApiKey
from apps.audit.models import ApiCall, AuditEntry
from apps.audit.usage import totals_24h
from apps.audit.vocabulary import sentence_for
from apps.base import redis as shared
from apps.base.actor import Actor
from apps.base.errors import NotFound, PortalError
from apps.base.middleware import is_api
from apps.base.pages import org_page
from apps.base.permissions import Permission
from apps.base.problems import error_body
from apps.base.requests import PortalRequest
from apps.credentials.models import KeyStatus
from apps.credentials.presenting import days_up
from apps.webhooks import balance
from apps.webhooks.metrics import EngineCollector
from apps.webhooks.models import Endpoint, EndpointHealth, EndpointStatus
from apps.webhooks.summaries import attempts_24h, has_delivered

logger = logging.getLogger(__name__)

# Apart from this process's own counters: these figures come from the database, and in front.
ENGINE_FIGURES = CollectorRegistry()
ENGINE_FIGURES.register(EngineCollector())


@org_page(nav="overview")
def overview(request: PortalRequest) -> HttpResponse:
    """S1: what needs somebody, what went on, and how to begin."""
    actor, slug = request.actor, request.organization.slug
    steps = _steps(actor, slug)
    context = {
        "attention": _attention(actor, slug),
        "stats": _stats(actor, slug),
        "balance": balance.last_counted(actor),
        "steps": steps,
        "steps_done": sum(step["done"] for step in steps),
        "steps_total": len(steps),
        "activity": _activity(actor),
    }
    return render(request, "overview.html", context)


def _attention(actor: Actor, slug: str) -> list[dict[str, Any]]:
    found = []
    for key in ApiKey.objects.for_actor(actor).in_status(KeyStatus.EXPIRING).order_by("expires_at")[:5]:
        days = days_up(cast(datetime, key.expires_at) - timezone.now())
        found.append(
            {
                "severity": "warn",
                "title": ngettext("“%(name)s” expires in %(days)d day", "“%(name)s” expires in %(days)d days", days)
                % {"name": key.name, "days": days},
                "text": _("Make its successor before then; both may work side by side."),
                "link_url": reverse("api_key", args=[slug, key.public_id]),
                "link_label": _("Open"),
            }
        )
    ailing = (
        Endpoint.objects.for_actor(actor)
        .existing()
        .exclude(status=EndpointStatus.ENABLED, health=EndpointHealth.HEALTHY)
    )
    for endpoint in ailing.order_by("-pk")[:5]:
        off = endpoint.status != EndpointStatus.ENABLED
        found.append(
            {
                "severity": "warn" if off else "bad",
                "title": _("%(url)s is off") % {"url": endpoint.url}
                if off
                else _("%(url)s fails") % {"url": endpoint.url},
                "text": _("Its events are held until it is enabled.") if off else _("Deliveries to it are retried."),
                "link_url": reverse("webhook", args=[slug, endpoint.public_id]),
                "link_label": _("Open"),
            }
        )
    return found


def _stats(actor: Actor, slug: str) -> list[dict[str, Any]]:
    calls = totals_24h(cast(UUID, actor.organization_id))
    delivered, failed = attempts_24h(actor)
    if not (calls.calls or delivered or failed):
        return []
    return [
        {"label": _("API requests, 24 h"), "value": calls.calls, "url": reverse("usage", args=[slug])},
        {"label": _("Refused or failed"), "value": calls.errors, "tone": "bad" if calls.errors else ""},
        {"label": _("Deliveries, 24 h"), "value": delivered, "url": reverse("webhooks", args=[slug])},
        {"label": _("Failed attempts"), "value": failed, "tone": "bad" if failed else ""},
    ]


def _steps(actor: Actor, slug: str) -> list[dict[str, Any]]:
    keys = ApiKey.objects.for_actor(actor)
    may_make, may_add = actor.can(Permission.API_KEYS_WRITE), actor.can(Permission.WEBHOOKS_WRITE)
    return [
        {
            "title": _("Create an API key"),
            "done": keys.exists(),
            "text": _("One key for each integration. It is shown once."),
            "url": reverse("api_key_create", args=[slug]) if may_make else "",
            "action": _("Create API key"),
        },
        {
            "title": _("Make a first call"),
            "done": ApiCall.objects.for_actor(actor).exists(),
            "text": f'curl {settings.PUBLIC_URL}/v1/me -H "Authorization: Bearer $PORTAL_API_KEY"',
        },
        {
            "title": _("Add a webhook endpoint"),
            "done": Endpoint.objects.for_actor(actor).exists(),
            "text": _("A URL of yours that gets signed events within seconds."),
            "url": reverse("webhook_create", args=[slug]) if may_add else "",
            "action": _("Add endpoint"),
        },
        {
            "title": _("Receive an event"),
            "done": has_delivered(actor),
            "text": _("Publish one through the API; the delivery shows request, response and timing."),
        },
    ]


def _activity(actor: Actor) -> list[dict[str, Any]]:
    if not actor.can(Permission.AUDIT_READ):
        return []
    rows = AuditEntry.objects.for_actor(actor).order_by("-pk")[:6]
    return [{"who": row.actor_label, "what": sentence_for(row), "at": row.at} for row in rows]


def alive(request: HttpRequest) -> JsonResponse:
    """``/healthz``: the process answers."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """``/readyz``: the database is writable and migrated; without Redis the portal is degraded, not down."""
    try:
        executor = MigrationExecutor(connection)
        migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS portal_ready (one integer)")
    except DatabaseError as error:
        logger.error("not ready: %s", type(error).__name__)
        return JsonResponse({"status": "unavailable", "database": "down"}, status=503)
    if not migrated:
        return JsonResponse({"status": "unavailable", "database": "not migrated"}, status=503)
    if settings.REDIS_URL and shared.ask(lambda client: client.ping()) is None:
        return JsonResponse({"status": "degraded", "database": "ok", "redis": "down"})
    return JsonResponse({"status": "ok", "database": "ok", "redis": "ok" if settings.REDIS_URL else "not configured"})


def metrics(request: HttpRequest) -> HttpResponse:
    """``/metrics`` for Prometheus, with the token of METRICS_TOKEN as Bearer; without one it does not exist."""
    given = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    if not settings.METRICS_TOKEN or not hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
        return not_found(request, NotFound())
    return HttpResponse(generate_latest(ENGINE_FIGURES) + generate_latest(), content_type=CONTENT_TYPE_LATEST)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """This will answer what Django itself found wrong with a request."""
    return _error(request, PortalError(_("The request could not be understood."), "invalid_request", 400), "400")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """This will answer 403."""
    return _error(request, PortalError(_("You may not do this."), "forbidden", 403), "403")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """This will answer 404."""
    return _error(request, NotFound(), "404")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """This will answer a form without its CSRF token."""
    message = _("This form was open for too long, or came from another site. Go back, reload the page and try again.")
    return _error(request, PortalError(message, "forbidden", 403), "403")


def server_error(request: HttpRequest) -> HttpResponse:
    """This will answer an unexpected error with nothing but the request id."""
    request_id = getattr(request, "request_id", "")
    if is_api(request.path_info):
        error = PortalError("Something went wrong on our side.", "internal_error", 500)
        return JsonResponse(error_body(error, request_id), status=500)
    return HttpResponse(render_to_string("errors/500.html", {"request_id": request_id}), status=500)


def _error(request: HttpRequest, error: PortalError, template: str) -> HttpResponse:
    request_id = getattr(request, "request_id", "")
    if is_api(request.path_info):
        return JsonResponse(error_body(error, request_id), status=error.status)
    context = {"error": error, "message": error.message, "request_id": request_id}
    return render(request, f"errors/{template}.html", context, status=error.status)
