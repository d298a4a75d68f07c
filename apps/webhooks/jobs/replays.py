"""Replay jobs: old events are sent to an endpoint again, in small batches, by the sweep of every worker.

A job walks the endpoint's deliveries in the order of their ids. What it chose is fixed when it begins: deliveries older
than the job, each the newest of its event here. One that was sent again meanwhile, by hand or by another job, is
passed by. The job's row is locked for each batch, and the place of the walk is written with the deliveries: a worker
that dies between two batches, or two workers at once, neither lose nor double an event.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from apps.audit.timeline.sources import KEY_SLACK_MS, key_at
from apps.webhooks.engine import claims, wakeup
from apps.webhooks.models import Delivery, DeliveryStatus, EndpointStatus, ReplayJob, ReplayStatus
from apps.webhooks.types.catalogue import EVERYTHING

BATCH = 200
# Rows of the log that one batch looks at: where little of it matches, the lock is still held for a short time.
WINDOW = 5000
# A job makes no more while so many of its deliveries wait for their first attempt: new events of the endpoint do not
# queue behind a long replay, and little is left after a cancel.
MOST_WAITING = 1000
# With a rate, deliveries are made so far ahead, each due at its own moment.
AHEAD = timedelta(seconds=2)
# One round of the sweep; others wait for the same thread.
MOST_SECONDS = 1.0
COUNT_EVERY = timedelta(seconds=2)
COUNTED_A_SECOND = 10_000
COUNTED_AT_ONCE = 20
UNFINISHED = (ReplayStatus.RUNNING, ReplayStatus.PAUSED)
WAITING = (DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.HELD)
# For good, or so far: a retry may still succeed. An attempt that our own stop cut short is no failure.
FAILED = Q(status=DeliveryStatus.EXHAUSTED) | Q(status__in=WAITING, last_error__gt="") & ~Q(last_error="shutdown")


@dataclass(frozen=True, slots=True)
class ReplaySelection:
    """What a replay chooses: events of the span whose newest delivery to the endpoint has one of the statuses."""

    statuses: Sequence[str]
    event_types: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None

    def of(self, endpoint_id: uuid.UUID) -> QuerySet[Delivery]:
        """Return the newest delivery of each chosen event whose payload is still there."""
        rows = claims.newest_per_event(endpoint_id).filter(status__in=self.statuses, event__body__isnull=False)
        if DeliveryStatus.SUCCEEDED not in self.statuses:
            # Written out, or SQLite would not use the partial index: what failed is few among many.
            rows = rows.extra(where=["webhooks_delivery.status IN ('exhausted', 'dropped')"])
        # By key, which is by time, to narrow the walk; then by the time itself.
        if self.since is not None:
            rows = rows.filter(event__created_at__gte=self.since, pk__gt=first_key(self))
        if self.until is not None:
            rows = rows.filter(event__created_at__lt=self.until)
        return rows.filter(_of_types(self.event_types))


def first_key(selection: ReplaySelection) -> uuid.UUID | None:
    """Return a key below those of all deliveries of the span: clocks may be a little apart."""
    return None if selection.since is None else key_at(selection.since, -KEY_SLACK_MS)


def _of_types(patterns: Sequence[str]) -> Q:
    if not patterns or EVERYTHING in patterns:
        return Q()
    found = Q(event_type__in=[pattern for pattern in patterns if not pattern.endswith(".*")])
    for pattern in patterns:
        if pattern.endswith(".*"):
            found |= Q(event_type__startswith=pattern[:-1])
    return found


def selection_of(job: ReplayJob) -> ReplaySelection:
    """Return what a stored job chooses."""
    return ReplaySelection(job.statuses, job.event_types, job.since, job.until)


# The periodic job webhooks.advance_replays (apps.py).
def advance() -> int:
    """Bring unfinished jobs on by a little and return how many deliveries were made."""
    made, until = 0, time.monotonic() + MOST_SECONDS
    # In no order: where one round is too short for all, none is always the last.
    for key in ReplayJob.objects.unfinished().order_by("?").values_list("pk", flat=True):
        can_go_on = True
        while can_go_on and time.monotonic() < until:
            count, can_go_on = advance_job(key)
            made += count
    _count_again()
    return made


@transaction.atomic
def advance_job(job_id: uuid.UUID) -> tuple[int, bool]:
    """Make one batch of a job and tell how many deliveries that were, and whether it can go on at once."""
    rows = ReplayJob.objects.unfinished().select_for_update(skip_locked=True, of=("self",))
    job = rows.select_related("endpoint", "organization").filter(pk=job_id).first()
    if job is None:
        return 0, False
    now = _now(job)
    if not _is_open(job, now):
        return 0, False
    if job.cursor == job.ends_before:
        _end_where_tried(job, now)
        return 0, False
    room = _room(job, now)
    if room <= 0:
        return 0, False
    chosen, job.cursor = _next_rows(job, min(room, BATCH))
    made = claims.create_replays(job, zip(chosen, _moments(job, now, len(chosen)), strict=True))
    job.sent += made
    job.save(update_fields=["sent", "cursor", "paced_until"])
    if made:
        transaction.on_commit(wakeup.notify_workers)
    return made, job.cursor != job.ends_before


def _now(job: ReplayJob) -> datetime:
    """Return the time of the database: workers' clocks may differ."""
    now: datetime = ReplayJob.objects.filter(pk=job.pk).values_list(Now(), flat=True).get()
    return now


def _is_open(job: ReplayJob, now: datetime) -> bool:
    """Tell whether the job may go on; write down where it waits for its endpoint, or ended with it."""
    is_enabled = job.endpoint.status == EndpointStatus.ENABLED and job.organization.status == "active"
    status = ReplayStatus.RUNNING if is_enabled else ReplayStatus.PAUSED
    if job.endpoint.deleted_at is not None:
        status, job.finished_at = ReplayStatus.CANCELLED, now
    if job.status != status:
        job.status = status
        job.save(update_fields=["status", "finished_at"])
    return status == ReplayStatus.RUNNING


def _room(job: ReplayJob, now: datetime) -> int:
    """Return how many deliveries may be made now: by the rate, and by how many wait for their first attempt."""
    room = MOST_WAITING - claims.count_untried(job)
    if job.rate_per_second is None:
        return room
    ahead = now + AHEAD - max(job.paced_until or now, now)
    return min(room, int(ahead.total_seconds() * job.rate_per_second))


def _moments(job: ReplayJob, now: datetime, count: int) -> list[datetime]:
    """Return when each of so many is due, and move the job's pace behind the last one."""
    if job.rate_per_second is None:
        return [now] * count
    start, apart = max(job.paced_until or now, now), timedelta(seconds=1 / job.rate_per_second)
    job.paced_until = start + count * apart
    return [start + place * apart for place in range(count)]


def _next_rows(job: ReplayJob, limit: int) -> tuple[list[Delivery], uuid.UUID]:
    """Return the next chosen deliveries and the place where the walk then stands.

    Their events are locked: the sweep that removes payloads waits, or came first and then they are not chosen.
    """
    seen = Delivery.objects.filter(endpoint_id=job.endpoint_id, pk__lt=job.ends_before)
    rows = selection_of(job).of(job.endpoint_id).filter(pk__lt=job.ends_before)
    if job.cursor is not None:
        seen, rows = seen.filter(pk__gt=job.cursor), rows.filter(pk__gt=job.cursor)
    end = seen.order_by("pk").values_list("pk", flat=True)[WINDOW - 1 : WINDOW].first()
    if end is not None:
        rows = rows.filter(pk__lte=end)
    rows = rows.select_related("event").defer("event__body").select_for_update(no_key=True, of=("event",))
    chosen = list(rows.order_by("pk")[:limit])
    return chosen, chosen[-1].pk if len(chosen) == limit else end or job.ends_before


def _end_where_tried(job: ReplayJob, now: datetime) -> None:
    """Write the job's end once each of its deliveries had its first attempt; their retries may go on."""
    if claims.count_untried(job) == 0:
        job.status, job.finished_at = ReplayStatus.DONE, now
        job.save(update_fields=["status", "finished_at"])
        _count(job, now)


def _count_again() -> None:
    for job in ReplayJob.objects.filter(count_again_at__lte=Now()).order_by("count_again_at")[:COUNTED_AT_ONCE]:
        _count(job, _now(job))


def _count(job: ReplayJob, now: datetime) -> None:
    """Count what became of the job's deliveries, and plan the next time: the longer it lasts the less often."""
    figures = Delivery.objects.filter(replay_job=job).aggregate(
        succeeded=Count("pk", filter=Q(status=DeliveryStatus.SUCCEEDED)),
        failed=Count("pk", filter=FAILED),
        waiting=Count("pk", filter=Q(status__in=WAITING)),
    )
    is_final = job.status not in UNFINISHED and not figures["waiting"]
    wait = max(COUNT_EVERY, timedelta(seconds=job.sent / COUNTED_A_SECOND), (now - job.created_at) / 100)
    ReplayJob.objects.filter(pk=job.pk).update(
        succeeded=figures["succeeded"], failed=figures["failed"], count_again_at=None if is_final else now + wait
    )
