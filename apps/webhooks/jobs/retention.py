"""Retention: deletes payloads, attempts, deliveries, events and replays after their days, except what still waits.

Each table is walked by its keys, which are ordered by time, one window per short transaction. The cursor is stored in a
locked row, so that one worker walks at a time and the next continues where it stopped. A finished walk restarts from
the beginning an hour later, for rows that still waited. Organizations with a shorter retention have separate walks over
their own rows.
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
    Attempt,
    AttemptHour,
    Delivery,
    DeliveryStatus,
    Event,
    FanOutBatch,
    ReplayJob,
    ReplayStatus,
    SweepPlace,
)
from apps.webhooks.stats import delivery_totals

WINDOW = 400
# Per run; the next one continues.
MAX_SECONDS = 0.5
RESTART_AFTER = timedelta(hours=1)
UNFINISHED_DELIVERIES = (DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.HELD)
Keys = list[uuid.UUID]


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk through a table: what to remove after how many days, of all organizations or of one."""

    name: str
    model: type[models.Model]
    days: int
    remove: Callable[[Keys, datetime], int]
    organization_id: uuid.UUID | None = None

    def of(self, organization_id: uuid.UUID, days: int) -> "Walk":
        """Return the same walk for one organization; its name has at most 30 characters."""
        name = f"{self.name[:7]}:{encode('', organization_id)[1:]}"
        return replace(self, name=name, days=days, organization_id=organization_id)


# The periodic job webhooks.delete_expired (apps.py).
def prune() -> int:
    """Remove some expired data and return the number of rows deleted or emptied."""
    until, removed, now = time.monotonic() + MAX_SECONDS, 0, timestamps.database_now()
    resting = set(SweepPlace.objects.filter(again_at__gt=now).values_list("name", flat=True))
    for sweep in _walks():
        if sweep.name in resting:
            continue
        # The database's time: a worker whose clock is a year ahead must not remove a year.
        oldest_kept = now - timedelta(days=sweep.days)
        count: int | None = 0
        while count is not None and time.monotonic() < until:
            removed += count
            count = _walk_window(sweep, oldest_kept)
            if count is None and sweep.model is Attempt and sweep.organization_id is None:
                AttemptHour.objects.filter(hour__lt=oldest_kept).delete()
    return removed


def _walks() -> list[Walk]:
    """Return all walks; an event's row outlives its payload while a delivery refers to it."""
    rows = max(settings.RETENTION_DAYS_DELIVERIES, settings.RETENTION_DAYS_EVENTS)
    walks = [
        Walk("payloads", Event, settings.RETENTION_DAYS_EVENTS, _empty_events),
        Walk("attempts", Attempt, settings.RETENTION_DAYS_ATTEMPTS, _remove_attempts),
        Walk("deliveries", Delivery, settings.RETENTION_DAYS_DELIVERIES, _remove_deliveries),
        Walk("events", Event, rows, _remove_events),
        Walk("replays", ReplayJob, rows, _remove_replays),
    ]
    own = shorter_retention_days("deliveries")
    walks += [sweep.of(key, days) for key, days in own.items() for sweep in walks if days < sweep.days]
    return walks


@transaction.atomic
def _walk_window(sweep: Walk, oldest_kept: datetime) -> int | None:
    """Process the next window and return how much was removed; None where the walk is finished or locked."""
    SweepPlace.objects.get_or_create(name=sweep.name)
    now = timestamps.database_now()
    cursors = SweepPlace.objects.filter(Q(again_at=None) | Q(again_at__lte=now), name=sweep.name)
    cursor = cursors.select_for_update(skip_locked=True).first()
    if cursor is None:
        return None
    rows = sweep.model._default_manager.filter(pk__lt=uuid_at(oldest_kept))
    if sweep.organization_id is not None:
        rows = rows.filter(organization_id=sweep.organization_id)
    if cursor.place is not None:
        rows = rows.filter(pk__gt=cursor.place)
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:WINDOW])
    removed = sweep.remove(keys, oldest_kept) if keys else 0
    is_finished = len(keys) < WINDOW
    cursor.place, cursor.again_at = (None, now + RESTART_AFTER) if is_finished else (keys[-1], None)
    cursor.save(update_fields=["place", "again_at"])
    return None if is_finished and not removed else removed


def has_unfinished_deliveries() -> Q:
    """Match events with waiting deliveries, or whose deliveries are not all created yet."""
    waiting = Delivery.objects.filter(event=OuterRef("pk"), status__in=UNFINISHED_DELIVERIES)
    return Q(Exists(waiting)) | Q(Exists(FanOutBatch.objects.filter(event=OuterRef("pk"))))


def _empty_events(keys: Keys, oldest_kept: datetime) -> int:
    """Remove payloads. The rows are locked first: a resend waits, then finds no payload."""
    locked = _locked(Event, keys, body__isnull=False)
    return Event.objects.filter(~has_unfinished_deliveries(), pk__in=locked).update(body=None)


def _remove_attempts(keys: Keys, oldest_kept: datetime) -> int:
    return _delete(Attempt.objects.filter(pk__in=keys).exclude(delivery__status__in=UNFINISHED_DELIVERIES))


def _remove_deliveries(keys: Keys, oldest_kept: datetime) -> int:
    """Delete finished deliveries and their attempts; the delivery totals keep their number."""
    old = Delivery.objects.filter(pk__in=keys, finished_at__lt=oldest_kept).exclude(status__in=UNFINISHED_DELIVERIES)
    rows = list(old.order_by("pk").select_for_update(of=("self",)))
    originals = Counter((each.organization_id, each.status) for each in rows if not (each.test or each.replay_of_id))
    delivery_totals.add_pruned(originals)
    keys = [each.pk for each in rows]
    Attempt.objects.filter(delivery__in=keys).delete()
    return _delete(Delivery.objects.filter(pk__in=keys))


def _remove_events(keys: Keys, oldest_kept: datetime) -> int:
    """Delete events without deliveries; the delivery totals keep how many endpoints they matched."""
    alone = ~Exists(Delivery.objects.filter(event=OuterRef("pk")))
    gone = list(
        Event.objects.filter(alone, ~has_unfinished_deliveries(), pk__in=_locked(Event, keys)).only(
            "organization_id", "match_count", "test"
        )
    )
    matched: Counter[tuple[uuid.UUID, str]] = Counter()
    for each in gone:
        if not each.test:
            matched[each.organization_id, "accepted"] += each.match_count
    delivery_totals.add_pruned(matched)
    return _delete(Event.objects.filter(pk__in=[each.pk for each in gone]))


def _remove_replays(keys: Keys, oldest_kept: datetime) -> int:
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
