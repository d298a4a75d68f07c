"""Advance replay jobs: a periodic job of every worker sends old events to an endpoint again, in small batches.

A replay job reads the endpoint's deliveries in the order of their ids. It selects deliveries that are older than the
job, and of each event only the newest one to the endpoint; an event that was resent meanwhile, by a user or another
job, is skipped. The job's row is locked for each batch, and its cursor is saved together with the new deliveries, so no
event is lost or duplicated if a worker dies between two batches, or if two workers run at the same time.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from apps.audit.timeline.sources import KEY_SLACK_MS, uuid7_floor
from apps.webhooks.engine import claims, wakeup
from apps.webhooks.models import Delivery, DeliveryStatus, EndpointStatus, ReplayJob, ReplayStatus
from apps.webhooks.models.deliveries import UNFINISHED_DELIVERIES
from apps.webhooks.types.catalogue import ALL_EVENTS

BATCH_SIZE = 200
# The maximum number of rows that one batch reads, so that the lock is held only briefly if few of them match.
SCAN_SIZE = 5000
# A job pauses while this many of its deliveries wait for their first attempt, so that new events of the endpoint do not
# queue behind a long replay, and few deliveries are left to send after a cancellation.
MAX_UNATTEMPTED = 1000
# With a rate limit, deliveries are created this long before their due times.
SCHEDULE_AHEAD = timedelta(seconds=2)
# The maximum per run, as other periodic jobs run on the same thread.
MAX_SECONDS = 1.0
COUNT_EVERY = timedelta(seconds=2)
ROWS_COUNTED_PER_SECOND = 10_000
JOBS_COUNTED_PER_RUN = 20
UNFINISHED_REPLAYS = (ReplayStatus.RUNNING, ReplayStatus.PAUSED)
# Deliveries that failed permanently, or so far: a retry can still succeed. An attempt that a shutdown aborted is not a
# failure.
FAILED = Q(status=DeliveryStatus.EXHAUSTED) | Q(status__in=UNFINISHED_DELIVERIES, last_error__gt="") & ~Q(
    last_error="shutdown"
)


@dataclass(frozen=True, slots=True)
class ReplaySelection:
    """Selects the events of a period whose newest delivery to the endpoint has one of the statuses."""

    statuses: Sequence[str]
    event_types: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    def deliveries_to(self, endpoint_id: uuid.UUID) -> QuerySet[Delivery]:
        """Return the newest delivery to the endpoint of each selected event that still has its payload."""
        rows = claims.newest_per_event(endpoint_id).filter(status__in=self.statuses, event__body__isnull=False)
        if DeliveryStatus.SUCCEEDED not in self.statuses:
            # As literals, because SQLite would otherwise not use the partial index of failed deliveries.
            rows = rows.extra(where=["webhooks_delivery.status IN ('exhausted', 'dropped')"])
        # Keys are ordered by time, so the condition on the key bounds the scan, and the one on the time is exact.
        if self.since is not None:
            rows = rows.filter(event__created_at__gte=self.since, pk__gt=lower_key_bound(self))
        if self.until is not None:
            rows = rows.filter(event__created_at__lt=self.until)
        return rows.filter(_of_types(self.event_types))


def lower_key_bound(selection: ReplaySelection) -> uuid.UUID | None:
    """Return a key smaller than that of any delivery of the period, even if the workers' clocks differ."""
    return None if selection.since is None else uuid7_floor(selection.since, -KEY_SLACK_MS)


def _of_types(patterns: Sequence[str]) -> Q:
    if not patterns or ALL_EVENTS in patterns:
        return Q()
    found = Q(event_type__in=[pattern for pattern in patterns if not pattern.endswith(".*")])
    for pattern in patterns:
        if pattern.endswith(".*"):
            found |= Q(event_type__startswith=pattern[:-1])
    return found


def selection_from_job(job: ReplayJob) -> ReplaySelection:
    return ReplaySelection(job.statuses, job.event_types, job.since, job.until)


# The periodic job webhooks.advance_replays (apps.py).
def advance() -> int:
    """Advance unfinished jobs and return the number of deliveries created."""
    created, until = 0, time.monotonic() + MAX_SECONDS
    # In random order, so that no job is always last if one run is too short for all.
    for key in ReplayJob.objects.unfinished().order_by("?").values_list("pk", flat=True):
        can_continue = True
        while can_continue and time.monotonic() < until:
            count, can_continue = advance_job(key)
            created += count
    _update_counts()
    return created


@transaction.atomic
def advance_job(job_id: uuid.UUID) -> tuple[int, bool]:
    """Create one batch of deliveries; return their number, and whether the job can continue at once."""
    rows = ReplayJob.objects.unfinished().select_for_update(skip_locked=True, of=("self",))
    job = rows.select_related("endpoint", "organization").filter(pk=job_id).first()
    if job is None:
        return 0, False
    now = _database_now(job)
    if not _update_status(job, now):
        return 0, False
    if job.cursor == job.ends_before:
        _finish_if_attempted(job, now)
        return 0, False
    allowed = _allowed_now(job, now)
    if allowed <= 0:
        return 0, False
    selected, job.cursor = _next_rows(job, min(allowed, BATCH_SIZE))
    created = claims.create_replays(job, zip(selected, _due_times(job, now, len(selected)), strict=True))
    job.sent += created
    job.save(update_fields=["sent", "cursor", "paced_until"])
    if created:
        transaction.on_commit(wakeup.notify_workers)
    return created, job.cursor != job.ends_before


def _database_now(job: ReplayJob) -> datetime:
    """Return the database's time, as the workers' clocks can differ."""
    now: datetime = ReplayJob.objects.filter(pk=job.pk).values_list(Now(), flat=True).get()
    return now


def _update_status(job: ReplayJob, now: datetime) -> bool:
    """Update the job's status from that of its endpoint and organization, and return whether the job is running."""
    is_enabled = job.endpoint.status == EndpointStatus.ENABLED and job.organization.status == "active"
    status = ReplayStatus.RUNNING if is_enabled else ReplayStatus.PAUSED
    if job.endpoint.deleted_at is not None:
        status, job.finished_at = ReplayStatus.CANCELLED, now
    if job.status != status:
        job.status = status
        job.save(update_fields=["status", "finished_at"])
    return status == ReplayStatus.RUNNING


def _allowed_now(job: ReplayJob, now: datetime) -> int:
    """Return how many deliveries can be created now, given the rate limit and those without a first attempt."""
    allowed = MAX_UNATTEMPTED - claims.count_unattempted(job)
    if job.rate_per_second is None:
        return allowed
    schedulable = now + SCHEDULE_AHEAD - max(job.paced_until or now, now)
    return min(allowed, int(schedulable.total_seconds() * job.rate_per_second))


def _due_times(job: ReplayJob, now: datetime, count: int) -> list[datetime]:
    """Return the due times of the next deliveries, and set the job's ``paced_until`` to the time after the last."""
    if job.rate_per_second is None:
        return [now] * count
    start, interval = max(job.paced_until or now, now), timedelta(seconds=1 / job.rate_per_second)
    job.paced_until = start + count * interval
    return [start + index * interval for index in range(count)]


def _next_rows(job: ReplayJob, limit: int) -> tuple[list[Delivery], uuid.UUID]:
    """Return the next selected deliveries and the new cursor.

    The events are locked, so that the retention job cannot remove their payloads meanwhile.
    """
    seen = Delivery.objects.filter(endpoint_id=job.endpoint_id, pk__lt=job.ends_before)
    rows = selection_from_job(job).deliveries_to(job.endpoint_id).filter(pk__lt=job.ends_before)
    if job.cursor is not None:
        seen, rows = seen.filter(pk__gt=job.cursor), rows.filter(pk__gt=job.cursor)
    end = seen.order_by("pk").values_list("pk", flat=True)[SCAN_SIZE - 1 : SCAN_SIZE].first()
    if end is not None:
        rows = rows.filter(pk__lte=end)
    rows = rows.select_related("event").defer("event__body").select_for_update(no_key=True, of=("event",))
    selected = list(rows.order_by("pk")[:limit])
    return selected, selected[-1].pk if len(selected) == limit else end or job.ends_before


def _finish_if_attempted(job: ReplayJob, now: datetime) -> None:
    """Mark the job as done if each of its deliveries has had its first attempt; retries can still follow."""
    if claims.count_unattempted(job) == 0:
        job.status, job.finished_at = ReplayStatus.DONE, now
        job.save(update_fields=["status", "finished_at"])
        _count(job, now)


def _update_counts() -> None:
    for job in ReplayJob.objects.filter(count_again_at__lte=Now()).order_by("count_again_at")[:JOBS_COUNTED_PER_RUN]:
        _count(job, _database_now(job))


def _count(job: ReplayJob, now: datetime) -> None:
    """Count the job's deliveries by outcome, and plan the next count: later for larger and for older jobs."""
    counts = Delivery.objects.filter(replay_job=job).aggregate(
        succeeded=Count("pk", filter=Q(status=DeliveryStatus.SUCCEEDED)),
        failed=Count("pk", filter=FAILED),
        unfinished=Count("pk", filter=Q(status__in=UNFINISHED_DELIVERIES)),
    )
    is_final = job.status not in UNFINISHED_REPLAYS and not counts["unfinished"]
    wait = max(COUNT_EVERY, timedelta(seconds=job.sent / ROWS_COUNTED_PER_SECOND), (now - job.created_at) / 100)
    ReplayJob.objects.filter(pk=job.pk).update(
        succeeded=counts["succeeded"], failed=counts["failed"], count_again_at=None if is_final else now + wait
    )
