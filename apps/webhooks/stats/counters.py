"""Counters of the engine: added up in the process and, every few seconds, in one table for all workers.

Workers serve no HTTP: ``/metrics`` is scraped from web processes, which read the table. A worker that is killed loses
seconds of counts; deliveries do not depend on them.
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

# How an attempt can fail: the values of ``error``, and labels of the metric.
ATTEMPT_ERRORS = (
    *("connection_failed", "dns_failed", "tls_failed", "timed_out", "bad_response", "redirected", "http_error"),
    "shutdown",
)
# Upper bounds in seconds of the histogram of attempts.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0)
FORGET_WORKERS_AFTER = timedelta(days=1)
# Counters that web processes export themselves and that workers count as well.
SHARED_COUNTERS = ("portal_api_calls_lost_total", "portal_redis_unavailable_total")
OF_WORKERS, OF_JOBS = "workers:", "job:"
ADD = """
INSERT INTO webhooks_enginetotal (name, value) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET value = webhooks_enginetotal.value + excluded.value
"""

PUT = """
INSERT INTO webhooks_enginetotal (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""

_lock = threading.Lock()
_waiting: dict[str, float] = {}
# Not added up: the latest value replaces the one before.
_latest: dict[str, float] = {}
# Values already copied from prometheus_client's counters of this process.
_copied: dict[str, float] = {}
_of_workers: dict[str, float] = {}
_started_at = timezone.now()


def add(amounts: dict[str, float]) -> None:
    """Add to counters of this process; ``flush`` writes them to the table."""
    with _lock:
        for name, amount in amounts.items():
            _waiting[name] = _waiting.get(name, 0) + amount


def job_counter_name(what: str, name: str) -> str:
    """Return the name of the row with an outcome's count, or the last value, of a periodic job."""
    return f"{OF_JOBS}{what}:{name}"


def job_counters() -> dict[str, float]:
    """Return the values of all workers about periodic jobs, by ``job_counter_name``."""
    return dict(EngineTotal.objects.filter(name__startswith=OF_JOBS).values_list("name", "value"))


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
        if more := value - _copied.get(name, 0.0):
            _copied[name] = value
            add({f"{OF_WORKERS}{name}": more})


def worker_counters() -> dict[str, float]:
    """Return the workers' part of shared counters; the last known values while the database is unavailable."""
    try:
        rows = EngineTotal.objects.filter(name__startswith=OF_WORKERS).values_list("name", "value")
        _of_workers.update({name.removeprefix(OF_WORKERS): value for name, value in rows})
    except DatabaseError as error:
        # Without them the sums would drop and rise again.
        logger.warning("what workers counted cannot be read: %s", type(error).__name__)
    return dict(_of_workers)


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
            _count(amounts, f"duration:{next((bound for bound in BOUNDS if seconds <= bound), 'inf')}", 1)
    add(amounts)


def _count(amounts: dict[str, float], name: str, amount: float) -> None:
    if amount:
        amounts[name] = amounts.get(name, 0) + amount


def set_total(name: str, value: float) -> None:
    """Write one value at once, for a process that does not run on."""
    with connection.cursor() as cursor:
        cursor.execute(PUT, [name, value])


def flush() -> int:
    """Add the counts since the last flush to the table and return the number of counters."""
    with _lock:
        amounts, latest = dict(_waiting), dict(_latest)
        _waiting.clear()
        _latest.clear()
    try:
        # Sorted, so that two workers cannot deadlock.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(ADD, sorted(amounts.items()))
            cursor.executemany(PUT, sorted(latest.items()))
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
