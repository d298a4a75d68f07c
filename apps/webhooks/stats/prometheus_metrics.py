"""Export the engine's metrics for ``/metrics``, read from the database at each scrape, without organizations or URLs.

Every web process returns the same values. Deliveries are counted up to MAX_COUNTED, so that a scrape stays fast.
"""

import logging
from collections.abc import Iterator

from django.db import DatabaseError, connection
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.base.extension_points import periodic_jobs
from apps.webhooks.engine import clock_check
from apps.webhooks.models import DeliveryBalance, EngineTotal
from apps.webhooks.stats import delivery_totals
from apps.webhooks.stats.counters import ATTEMPT_ERRORS, DURATION_BUCKETS, job_counter_name, job_counters

logger = logging.getLogger(__name__)

MAX_COUNTED = 100_000
WORKER_LOST_SECONDS = 30
# Exported with 0 from the first scrape, because rate() and increase() ignore the first value of a new label.
INITIAL_LABELS = (
    *(f"attempts:{outcome}" for outcome in ("succeeded", *ATTEMPT_ERRORS)),
    *(f"uncounted:{reason}" for reason in ("no_network", "shutdown")),
)
AGE = {
    "postgresql": "greatest(0, extract(epoch FROM statement_timestamp() - {time}))",
    "sqlite": "max(0, (julianday('now') - julianday({time})) * 86400)",
}
COUNTED = "SELECT count(*) FROM (SELECT 1 FROM webhooks_delivery WHERE {where} LIMIT %s) AS counted"
DUE = {
    "postgresql": "status = 'pending' AND next_attempt_at <= statement_timestamp()",
    "sqlite": "status = 'pending' AND next_attempt_at <= strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
}


class EngineCollector(Collector):
    """Collects the metrics of one scrape; only ``portal_database_up`` if the database is unavailable."""

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        try:
            found = [_oldest_due(), _deliveries(), *_attempt_counters(), _duration(), *_workers()]
            found += [*_delivery_states(), _replays(), *_jobs()]
        except DatabaseError as error:
            logger.warning("the figures of the engine cannot be read: %s", type(error).__name__)
            found = []
        yield from found
        yield _gauge("portal_database_up", "Whether the figures of the engine could be read.", bool(found))


def _query_number(statement: str, *values: int) -> float:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return float(cursor.fetchone()[0] or 0)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _age_of(column: str) -> str:
    return AGE[connection.vendor].format(time=column)


def _oldest_due() -> Metric:
    age = _query_number(f"SELECT {_age_of('min(next_attempt_at)')} FROM webhooks_delivery WHERE status = 'pending'")  # noqa: S608
    return _gauge("portal_webhook_oldest_due_age_seconds", "How long the oldest due delivery has waited.", age)


def _deliveries() -> Metric:
    """Return the number of unfinished deliveries by status; ``due`` counts the pending ones that are due now."""
    family = GaugeMetricFamily(
        "portal_webhook_deliveries", f"Deliveries that are not over, counted up to {MAX_COUNTED}.", labels=["status"]
    )
    for status in ("pending", "sending", "held"):
        family.add_metric([status], _query_number(COUNTED.format(where=f"status = '{status}'"), MAX_COUNTED))
    family.add_metric(["due"], _query_number(COUNTED.format(where=DUE[connection.vendor]), MAX_COUNTED))
    return family


def _attempt_counters() -> list[Metric]:
    others = EngineTotal.objects.exclude(name__startswith="duration").exclude(name__startswith="job:")
    values = {**dict.fromkeys(INITIAL_LABELS, 0.0), **dict(others.values_list("name", "value"))}
    attempts = CounterMetricFamily("portal_webhook_attempts", "Attempts that ended, by outcome.", labels=["outcome"])
    uncounted = CounterMetricFamily(
        "portal_webhook_uncounted_attempts", "Attempts that failed on our side and do not count, by reason.",
        labels=["reason"],
    )  # fmt: skip
    families = {"attempts": attempts, "uncounted": uncounted}
    for name, value in sorted(values.items()):
        kind, colon, label = name.partition(":")
        if colon and kind in families:
            families[kind].add_metric([label], value)
    conflicts = CounterMetricFamily(
        "portal_webhook_lease_conflicts", "Results that came after their lease had gone to another worker.",
        value=values.get("lease_conflicts", 0),
    )  # fmt: skip
    exhausted = CounterMetricFamily(
        "portal_webhook_exhausted", "Deliveries whose last attempt failed.", value=values.get("exhausted", 0)
    )
    return [attempts, uncounted, conflicts, exhausted]


def _duration() -> Metric:
    values = dict(EngineTotal.objects.filter(name__startswith="duration").values_list("name", "value"))
    buckets, total = [], 0.0
    for bound in (*DURATION_BUCKETS, "inf"):
        total += values.get(f"duration:{bound}", 0)
        buckets.append(("+Inf" if bound == "inf" else str(bound), total))
    family = HistogramMetricFamily("portal_webhook_attempt_duration_seconds", "How long attempts took.")
    family.add_metric([], buckets=buckets, sum_value=values.get("duration_sum", 0))
    return family


def _workers() -> list[Metric]:
    alive = f"{_age_of('beat_at')} < {WORKER_LOST_SECONDS}"
    return [
        _gauge("portal_workers", f"Workers that gave a sign of life within {WORKER_LOST_SECONDS} s.",
               _query_number(f"SELECT count(*) FROM webhooks_workerbeat WHERE {alive}")),  # noqa: S608
        _gauge("portal_worker_heartbeat_age_seconds", "How long ago the last sign of life of any worker was.",
               _query_number(f"SELECT {_age_of('max(beat_at)')} FROM webhooks_workerbeat")),  # noqa: S608
        _gauge("portal_clock_offset_seconds", "How far the worst clock of a living worker, or of the process that "
               "answers, is ahead of the database's.", _worst_offset(alive)),
    ]  # fmt: skip


def _worst_offset(alive: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT clock_offset FROM webhooks_workerbeat WHERE {alive}")  # noqa: S608
        offsets: list[float] = [row[0] for row in cursor.fetchall()]
    worst: float = clock_check.measure()
    for offset in offsets:
        worst = offset if abs(offset) > abs(worst) else worst
    return round(worst, 3)


def _delivery_states() -> list[Metric]:
    """Return the delivery totals of all organizations together, as last counted."""
    family = GaugeMetricFamily("portal_webhook_balance", "Where accepted deliveries are.", labels=["state"])
    rows = list(DeliveryBalance.objects.exclude(counted_at=None).only("accepted", *delivery_totals.STATES))
    for state in ("accepted", *delivery_totals.STATES):
        family.add_metric([state], sum(getattr(row, state) for row in rows))
    missing = sum(abs(row.missing) for row in rows)
    return [
        family,
        _gauge("portal_webhook_missing", "Accepted deliveries that are nowhere; 0, or it is an error.", missing),
    ]


def _replays() -> Metric:
    count = _query_number("SELECT count(*) FROM webhooks_replayjob WHERE status IN ('running', 'paused')")
    return _gauge("portal_webhook_replays_unfinished", "Replays that are running or paused.", count)


def _jobs() -> list[Metric]:
    """Return the number of runs of each periodic job over all workers, and the values of the last run."""
    runs = CounterMetricFamily("portal_job_runs", "Runs of periodic jobs, by outcome.", labels=["job", "outcome"])
    seconds = GaugeMetricFamily("portal_job_duration_seconds", "How long the last run took.", labels=["job"])
    budgets = GaugeMetricFamily("portal_job_budget_seconds", "How long a run may take.", labels=["job"])
    done_at = GaugeMetricFamily(
        "portal_job_last_success_timestamp_seconds", "When a run last went well, in seconds since 1970.", labels=["job"]
    )
    found = job_counters()
    for job in periodic_jobs.registered():
        for outcome in periodic_jobs.OUTCOMES:
            runs.add_metric([job.name, outcome], found.get(job_counter_name(outcome, job.name), 0))
        budgets.add_metric([job.name], job.budget_seconds)
        seconds.add_metric([job.name], found.get(job_counter_name("seconds", job.name), 0))
        done_at.add_metric([job.name], found.get(job_counter_name("done_at", job.name), 0))
    return [runs, seconds, budgets, done_at]
