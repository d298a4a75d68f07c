"""Delete payloads, attempts, deliveries, events and replays when their retention ends, except unfinished ones.

A sweep reads one table in the order of its keys, which are ordered by time, one window per short transaction. Its
cursor is stored in a SweepPlace row, which is locked, so that only one worker sweeps a table at a time and the next one
continues there. A finished sweep starts again an hour later, for rows that were unfinished before. Organizations with a
shorter retention have separate sweeps over their rows.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from apps.base import timestamps
from apps.base.identifiers import encode, uuid_at
from apps.orgs.lookups import shorter_retention_days
from apps.webhooks.models import (
    UNFINISHED_DELIVERIES,
    Attempt,
    AttemptHour,
    Delivery,
    Event,
    FanOutBatch,
    ReplayJob,
    ReplayStatus,
    SweepPlace,
)
from apps.webhooks.stats import delivery_totals

WINDOW_SIZE = 400
# The maximum per run; the next run continues.
MAX_SECONDS = 0.5
RESTART_AFTER = timedelta(hours=1)
Keys = list[uuid.UUID]


@dataclass(frozen=True, slots=True)
class TableSweep:
    """A sweep of one table: the function that removes rows after some days, for all organizations or for one."""

    name: str
    model: type[models.Model]
    days: int
    remove: Callable[[Keys, datetime], int]
    organization_id: uuid.UUID | None = None

    def for_organization(self, organization_id: uuid.UUID, days: int) -> "TableSweep":
        """Return the same sweep for one organization, with a name of at most 30 characters."""
        name = f"{self.name[:7]}:{encode('', organization_id)[1:]}"
        return replace(self, name=name, days=days, organization_id=organization_id)


# The periodic job webhooks.delete_expired (apps.py).
def prune() -> int:
    """Remove some expired data and return the number of rows deleted or emptied."""
    until, removed, now = time.monotonic() + MAX_SECONDS, 0, timestamps.database_now()
    finished_names = set(SweepPlace.objects.filter(again_at__gt=now).values_list("name", flat=True))
    for sweep in _sweeps():
        if sweep.name in finished_names:
            continue
        # Calculated from the database's time, as a worker's clock that is ahead would remove rows too early.
        cutoff = now - timedelta(days=sweep.days)
        count: int | None = 0
        while count is not None and time.monotonic() < until:
            removed += count
            count = _sweep_window(sweep, cutoff)
            if count is None and sweep.model is Attempt and sweep.organization_id is None:
                AttemptHour.objects.filter(hour__lt=cutoff).delete()
    return removed


def _sweeps() -> list[TableSweep]:
    """Return all sweeps; an event's row is kept longer than its payload if deliveries are kept longer."""
    rows = max(settings.RETENTION_DAYS_DELIVERIES, settings.RETENTION_DAYS_EVENTS)
    sweeps = [
        TableSweep("payloads", Event, settings.RETENTION_DAYS_EVENTS, _remove_payloads),
        TableSweep("attempts", Attempt, settings.RETENTION_DAYS_ATTEMPTS, _remove_attempts),
        TableSweep("deliveries", Delivery, settings.RETENTION_DAYS_DELIVERIES, _remove_deliveries),
        TableSweep("events", Event, rows, _remove_events),
        TableSweep("replays", ReplayJob, rows, _remove_replays),
    ]
    shorter_days = shorter_retention_days("deliveries")
    return sweeps + [
        sweep.for_organization(key, days) for key, days in shorter_days.items() for sweep in sweeps if days < sweep.days
    ]


@transaction.atomic
def _sweep_window(sweep: TableSweep, cutoff: datetime) -> int | None:
    """Process the next window and return how many rows were removed; None if the sweep is finished or locked."""
    SweepPlace.objects.get_or_create(name=sweep.name)
    now = timestamps.database_now()
    cursors = SweepPlace.objects.filter(Q(again_at=None) | Q(again_at__lte=now), name=sweep.name)
    cursor = cursors.select_for_update(skip_locked=True).first()
    if cursor is None:
        return None
    rows = sweep.model._default_manager.filter(pk__lt=uuid_at(cutoff))
    if sweep.organization_id is not None:
        rows = rows.filter(organization_id=sweep.organization_id)
    if cursor.place is not None:
        rows = rows.filter(pk__gt=cursor.place)
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:WINDOW_SIZE])
    removed = sweep.remove(keys, cutoff) if keys else 0
    is_finished = len(keys) < WINDOW_SIZE
    cursor.place, cursor.again_at = (None, now + RESTART_AFTER) if is_finished else (keys[-1], None)
    cursor.save(update_fields=["place", "again_at"])
    return None if is_finished and not removed else removed


def has_unfinished_deliveries() -> Q:
    """Match events with unfinished deliveries, or whose deliveries are not all created yet."""
    unfinished = Delivery.objects.filter(event=OuterRef("pk"), status__in=UNFINISHED_DELIVERIES)
    return Q(Exists(unfinished)) | Q(Exists(FanOutBatch.objects.filter(event=OuterRef("pk"))))


def _remove_payloads(keys: Keys, cutoff: datetime) -> int:
    """Remove payloads, after locking the rows: a concurrent resend waits and then finds that there is no payload."""
    locked = _locked(Event, keys, body__isnull=False)
    return Event.objects.filter(~has_unfinished_deliveries(), pk__in=locked).update(body=None)


def _remove_attempts(keys: Keys, cutoff: datetime) -> int:
    return _delete(Attempt.objects.filter(pk__in=keys).exclude(delivery__status__in=UNFINISHED_DELIVERIES))


def _remove_deliveries(keys: Keys, cutoff: datetime) -> int:
    """Delete finished deliveries with their attempts, and add their number to the delivery totals."""
    old = Delivery.objects.filter(pk__in=keys, finished_at__lt=cutoff).exclude(status__in=UNFINISHED_DELIVERIES)
    rows = list(old.order_by("pk").select_for_update(of=("self",)))
    originals = Counter((each.organization_id, each.status) for each in rows if not (each.test or each.replay_of_id))
    delivery_totals.add_pruned(originals)
    keys = [each.pk for each in rows]
    Attempt.objects.filter(delivery__in=keys).delete()
    return _delete(Delivery.objects.filter(pk__in=keys))


def _remove_events(keys: Keys, cutoff: datetime) -> int:
    """Delete events without deliveries, and add the number of endpoints they matched to the delivery totals."""
    without_deliveries = ~Exists(Delivery.objects.filter(event=OuterRef("pk")))
    deleted_events = list(
        Event.objects.filter(without_deliveries, ~has_unfinished_deliveries(), pk__in=_locked(Event, keys)).only(
            "organization_id", "match_count", "test"
        )
    )
    matched: Counter[tuple[uuid.UUID, str]] = Counter()
    for each in deleted_events:
        if not each.test:
            matched[each.organization_id, "accepted"] += each.match_count
    delivery_totals.add_pruned(matched)
    return _delete(Event.objects.filter(pk__in=[each.pk for each in deleted_events]))


def _remove_replays(keys: Keys, cutoff: datetime) -> int:
    ended = ReplayJob.objects.filter(
        ~Exists(Delivery.objects.filter(replay_job=OuterRef("pk"))),
        pk__in=keys,
        status__in=[ReplayStatus.DONE, ReplayStatus.CANCELLED],
    )
    return _delete(ended)


def _locked(model: Any, keys: Keys, **filters: Any) -> Keys:
    rows = model.objects.filter(pk__in=keys, **filters).order_by("pk").select_for_update()
    return list(rows.values_list("pk", flat=True))


def _delete(rows: models.QuerySet[Any]) -> int:
    return rows.delete()[0]
