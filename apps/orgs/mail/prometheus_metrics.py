"""Metrics of queued mail, read from the database at each scrape."""

from collections.abc import Iterator

from django.db import DatabaseError
from django.db.models import Min
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.base.timestamps import database_now
from apps.orgs.models import OutgoingMail

MAX_COUNTED = 100_000


class MailCollector(Collector):
    """Collects the queue's metrics; none without a database, which ``portal_database_up`` reports."""

    def collect(self) -> Iterator[Metric]:
        """Yield the number of queued mails and the age of the oldest."""
        try:
            count = OutgoingMail.objects.unsent().order_by()[:MAX_COUNTED].count()
            oldest = OutgoingMail.objects.unsent().aggregate(at=Min("created_at"))["at"]
            age = max(0.0, (database_now() - oldest).total_seconds()) if oldest else 0.0
        except DatabaseError:
            return
        yield GaugeMetricFamily("portal_mail_waiting", f"Mails not sent yet, counted up to {MAX_COUNTED}.", value=count)
        yield GaugeMetricFamily("portal_mail_oldest_age_seconds", "How long the oldest of them has waited.", value=age)
