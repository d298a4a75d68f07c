"""The time of the last backup. It is stored in the database because the command runs in a separate process."""

import logging
import time
from collections.abc import Iterator

from django.db import DatabaseError
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.webhooks.models import EngineTotal
from apps.webhooks.stats import counters

logger = logging.getLogger(__name__)

TOTAL_NAME = "backup:done_at"


def record_success() -> None:
    """Store the time of a backup; only log a warning if the database is read-only, such as a replica."""
    try:
        counters.set_total(TOTAL_NAME, time.time())
    except DatabaseError as error:
        logger.warning("the backup is whole, but its time could not be written down: %s", type(error).__name__)


class BackupCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        """Return the time of the last backup, or nothing without a database."""
        try:
            done_at = EngineTotal.objects.filter(name=TOTAL_NAME).values_list("value", flat=True).first()
        except DatabaseError:
            return
        yield GaugeMetricFamily(
            "portal_backup_last_success_timestamp_seconds",
            "When manage.py backup last made one, in seconds since 1970; 0: never.", value=done_at or 0,
        )  # fmt: skip
