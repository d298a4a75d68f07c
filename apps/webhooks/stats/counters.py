"""Count the engine's work in the process and, every few seconds, add the counts to one table for all workers.

Workers do not serve HTTP: ``/metrics`` is scraped from web processes, which read the table. A worker that is killed
loses the counts of a few seconds, on which deliveries do not depend.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable
from datetime import timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client import REGISTRY

from apps.base.extension_points import periodic_jobs
from apps.webhooks.engine import clock_check
from apps.webhooks.engine.claims import Result
from apps.webhooks.models import EngineTotal, WorkerBeat

logger = logging.getLogger(__name__)

# The values of an attempt's ``error``, which are also labels of the metric.
ATTEMPT_ERRORS = (
    *("connection_failed", "dns_failed", "tls_failed", "timed_out", "bad_response", "redirected", "http_error"),
    "shutdown",
)
# Upper bounds in seconds of the histogram of attempt durations.
DURATION_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0)
FORGET_WORKERS_AFTER = timedelta(days=1)
# Counters that web processes export themselves and that workers count as well.
SHARED_COUNTERS = ("portal_api_calls_lost_total", "portal_redis_unavailable_total")
WORKER_PREFIX, JOB_PREFIX = "workers:", "job:"
ADD_VALUE = """
INSERT INTO webhooks_enginetotal (name, value) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET value = webhooks_enginetotal.value + excluded.value
"""

SET_VALUE = """
INSERT INTO webhooks_enginetotal (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

_lock = threading.Lock()
_unflushed: dict[str, float] = {}
# Values that replace the previous one instead of being added to it.
_latest: dict[str, float] = {}
# Values already copied from prometheus_client's counters of this process.
_copied_values: dict[str, float] = {}
_worker_values: dict[str, float] = {}
_started_at = timezone.now()


def add(amounts: dict[str, float]) -> None:
    """Add to counters of this process; ``flush`` writes them to the table."""
    with _lock:
        for name, amount in amounts.items():
            _unflushed[name] = _unflushed.get(name, 0) + amount


def job_counter_name(what: str, name: str) -> str:
    """Return the name of a periodic job's counter: the runs with an outcome, or the last value of ``what``."""
    return f"{JOB_PREFIX}{what}:{name}"


def job_counters() -> dict[str, float]:
    """Return the counters of periodic jobs, summed over all workers, by ``job_counter_name``."""
    return dict(EngineTotal.objects.filter(name__startswith=JOB_PREFIX).values_list("name", "value"))


def record_job_run(name: str, outcome: str, seconds: float) -> None:
    """Count a run of a periodic job, and store its time, duration, and last success or failure."""
    add({job_counter_name(outcome, name): 1})
    now = time.time()
    with _lock:
        _latest[job_counter_name("ran_at", name)] = now
        _latest[job_counter_name("seconds", name)] = seconds
        _latest[job_counter_name("done_at" if outcome == periodic_jobs.SUCCEEDED else "failed_at", name)] = now


def _copy_shared() -> None:
    for name in SHARED_COUNTERS:
        value = REGISTRY.get_sample_value(name) or 0.0
        if increase := value - _copied_values.get(name, 0.0):
            _copied_values[name] = value
            add({f"{WORKER_PREFIX}{name}": increase})


def worker_counters() -> dict[str, float]:
    """Return the workers' part of the shared counters, or the last known values if the database is unavailable."""
    try:
        rows = EngineTotal.objects.filter(name__startswith=WORKER_PREFIX).values_list("name", "value")
        _worker_values.update({name.removeprefix(WORKER_PREFIX): value for name, value in rows})
    except DatabaseError as error:
        # Without the last known values, the sums would drop and rise again.
        logger.warning("what workers counted cannot be read: %s", type(error).__name__)
    return dict(_worker_values)


def count_attempts(results: Iterable[Result], lease_conflicts: int = 0) -> None:
    """Count attempts by outcome and duration."""
    amounts: dict[str, float] = {"lease_conflicts": lease_conflicts} if lease_conflicts else {}
    for result in results:
        _count(amounts, f"attempts:{result.error or 'succeeded'}", 1)
        _count(amounts, "exhausted", result.status == "exhausted")
        if result.uncounted:
            _count(amounts, f"uncounted:{result.reason}", 1)
        if result.duration_ms is not None:
            seconds = result.duration_ms / 1000
            _count(amounts, "duration_sum", seconds)
            _count(amounts, f"duration:{next((bound for bound in DURATION_BUCKETS if seconds <= bound), 'inf')}", 1)
    add(amounts)


def _count(amounts: dict[str, float], name: str, amount: float) -> None:
    if amount:
        amounts[name] = amounts.get(name, 0) + amount


def set_total(name: str, value: float) -> None:
    """Store one value immediately, for processes that end before the next ``flush``."""
    with connection.cursor() as cursor:
        cursor.execute(SET_VALUE, [name, value])


def flush() -> int:
    """Add the counts since the last flush to the table and return the number of counters."""
    with _lock:
        amounts, latest = dict(_unflushed), dict(_latest)
        _unflushed.clear()
        _latest.clear()
    try:
        # Sorted, so that two workers cannot deadlock.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(ADD_VALUE, sorted(amounts.items()))
            cursor.executemany(SET_VALUE, sorted(latest.items()))
    except Exception:
        add(amounts)
        with _lock:
            _latest.update({**latest, **_latest})
        raise
    return len(amounts)


# The periodic job webhooks.report_worker (apps.py).
def report_worker() -> None:
    """Store this worker's heartbeat, compare its clock, and write its counters."""
    values = {"beat_at": Now(), "clock_offset": clock_check.check()}
    _copy_shared()
    flush()
    name = f"{socket.gethostname()}:{os.getpid()}"[:120]
    WorkerBeat.objects.update_or_create(
        name=name, defaults=values, create_defaults={**values, "started_at": _started_at}
    )
    WorkerBeat.objects.filter(beat_at__lt=Now() - FORGET_WORKERS_AFTER).delete()
