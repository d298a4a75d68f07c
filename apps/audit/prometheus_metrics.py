"""Prometheus metrics of the audit log and the call log, read at each scrape."""

import math
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.audit.calls import redis_stream
from apps.audit.models import Unsealed
from apps.base.identifiers import time_of
from apps.base.timestamps import database_now

MAX_COUNTED = 100_000


class AuditCollector(Collector):
    """Collects the metrics; without a database, only those from Redis."""

    def collect(self) -> Iterator[Metric]:
        """Yield how far sealing and the call log are behind."""
        waiting = redis_stream.count_pending() if settings.REDIS_URL else 0
        yield GaugeMetricFamily(
            "portal_api_calls_waiting", "API calls in Redis that no worker has moved; NaN while Redis does not answer.",
            value=math.nan if waiting is None else waiting,
        )  # fmt: skip
        try:
            count = Unsealed.objects.order_by()[:MAX_COUNTED].count()
            oldest = Unsealed.objects.order_by("pk").values_list("pk", flat=True).first()
            age = max(0.0, (database_now() - time_of(oldest)).total_seconds()) if oldest else 0.0
        except DatabaseError:
            return
        yield GaugeMetricFamily(
            "portal_audit_unsealed_entries", f"Entries without a seal, counted up to {MAX_COUNTED}.", value=count
        )
        yield GaugeMetricFamily(
            "portal_audit_oldest_unsealed_age_seconds", "How long the oldest of them has been there.", value=age
        )
