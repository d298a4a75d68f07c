"""Health, readiness and metrics endpoints."""

import hmac
import logging

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from apps.base import redis as shared
from apps.base.telemetry.process_metrics import WebCollector
from apps.webhooks.stats import counters
from apps.webhooks.stats.prometheus_metrics import EngineCollector
from integrations_portal.database import poolers
from integrations_portal.database.migration_locks import is_migrated
from integrations_portal.metrics.backlogs import BacklogCollector
from integrations_portal.metrics.backups import BackupCollector
from integrations_portal.metrics.retention import RetentionCollector

logger = logging.getLogger(__name__)

# Metrics read from the database, then those that web processes count.
REGISTRY = CollectorRegistry()
for each in (EngineCollector, BacklogCollector, RetentionCollector, BackupCollector):
    REGISTRY.register(each())
REGISTRY.register(WebCollector(counters.worker_counters))


def alive(request: HttpRequest) -> JsonResponse:
    """Return 200: the process is running (``/healthz``)."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """Return 200 if the database is writable and migrated, else 503 (``/readyz``). Without Redis: 200, degraded."""
    if problem := _database_problem():
        return JsonResponse({"status": "unavailable", "database": problem}, status=503)
    if settings.REDIS_URL and shared.call_redis(lambda client: client.ping()) is None:
        return JsonResponse({"status": "degraded", "database": "ok", "redis": "down"})
    return JsonResponse({"status": "ok", "database": "ok", "redis": "ok" if settings.REDIS_URL else "not configured"})


def _database_problem() -> str:
    try:
        if not is_migrated():
            return "not migrated"
        # Read a setting instead of writing: behind a pooler a temporary table would stay for the next client.
        if connection.vendor == "postgresql" and _setting("transaction_read_only") == "on":
            return "read-only"
        return poolers.prepared_statements_error()
    except DatabaseError as error:
        logger.error("not ready: %s", type(error).__name__)
        return "down"


def _setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics for Prometheus; 404 without METRICS_TOKEN as the Bearer token, or if it is not set."""
    given = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    if not settings.METRICS_TOKEN or not hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
        raise Http404
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)
