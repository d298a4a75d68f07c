"""Prometheus metrics of what waits for the workers, read at each scrape."""

import math
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Min
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.audit.calls import redis_stream
from apps.audit.models import Unsealed
from apps.base.identifiers import uuid_time
from apps.base.timestamps import database_now
from apps.orgs.models import OutgoingMail

MAX_COUNTED = 100_000


class BacklogCollector(Collector):
    """Collects the metrics; without a database, which ``portal_database_up`` reports, only those from Redis."""

    def collect(self) -> Iterator[Metric]:
        """Yield how far mail, sealing and the call log are behind."""
        waiting = redis_stream.count_pending() if settings.REDIS_URL else 0
        yield GaugeMetricFamily(
            "portal_api_calls_waiting", "API calls in Redis that no worker has moved; NaN while Redis does not answer.",
            value=math.nan if waiting is None else waiting,
        )  # fmt: skip
        try:
            mails, now = OutgoingMail.objects.unsent(), database_now()
            mail_count, mailed_at = mails.order_by()[:MAX_COUNTED].count(), mails.aggregate(at=Min("created_at"))["at"]
            entry_count = Unsealed.objects.order_by()[:MAX_COUNTED].count()
            entry = Unsealed.objects.order_by("pk").values_list("pk", flat=True).first()
        except DatabaseError:
            return
        mail_age = max(0.0, (now - mailed_at).total_seconds()) if mailed_at else 0.0
        entry_age = max(0.0, (now - uuid_time(entry)).total_seconds()) if entry else 0.0
        text = f"Mails not sent yet, counted up to {MAX_COUNTED}."
        yield GaugeMetricFamily("portal_mail_waiting", text, value=mail_count)
        text = "How long the oldest of them has waited."
        yield GaugeMetricFamily("portal_mail_oldest_age_seconds", text, value=mail_age)
        text = f"Entries without a seal, counted up to {MAX_COUNTED}."
        yield GaugeMetricFamily("portal_audit_unsealed_entries", text, value=entry_count)
        text = "How long the oldest of them has been there."
        yield GaugeMetricFamily("portal_audit_oldest_unsealed_age_seconds", text, value=entry_age)
