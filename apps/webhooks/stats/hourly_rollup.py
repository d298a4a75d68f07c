"""Count attempts by endpoint and hour in a periodic job, so that pages need not count attempts.

The job reads attempts in the order of their keys, which are ordered by time, up to the first that can still change. The
newer attempts are counted on request, starting at the job's cursor, so that no attempt counts twice.
"""

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone

from apps.base import timestamps
from apps.base.actor import Actor
from apps.base.identifiers import uuid_at
from apps.webhooks.engine import claims
from apps.webhooks.engine.sql import sqlite_time
from apps.webhooks.models import Attempt, AttemptHour, SweepPlace

CURSOR_NAME = "attempt_hours"
WINDOW_SIZE = 2000
MAX_SECONDS = 0.5
# Added to the lease, after which an attempt is recorded or lost.
LEASE_MARGIN = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ADD = """
INSERT INTO webhooks_attempthour (organization_id, endpoint_id, hour, succeeded, failed) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (endpoint_id, hour) DO UPDATE SET
    succeeded = webhooks_attempthour.succeeded + excluded.succeeded,
    failed = webhooks_attempthour.failed + excluded.failed
"""


class HourCounts(NamedTuple):
    """The attempts of one endpoint in one hour."""

    organization_id: uuid.UUID
    endpoint_id: uuid.UUID
    hour: datetime
    succeeded: int
    failed: int


# The periodic job webhooks.add_up_attempts (apps.py).
def roll_up() -> int:
    """Roll up the attempts that finished since the last run and return their number."""
    until, total, count = time.monotonic() + MAX_SECONDS, 0, WINDOW_SIZE
    while count == WINDOW_SIZE and time.monotonic() < until:
        count = _roll_up_window()
        total += count
    return total


@transaction.atomic
def _roll_up_window() -> int:
    SweepPlace.objects.get_or_create(name=CURSOR_NAME)
    cursor = SweepPlace.objects.filter(name=CURSOR_NAME).select_for_update(skip_locked=True).first()
    if cursor is None:
        return 0
    final_before = timestamps.database_now() - timedelta(seconds=claims.lease_seconds()) - LEASE_MARGIN
    rows = _attempts_after(cursor.place).filter(pk__lt=uuid_at(final_before)).order_by("pk")
    found = list(rows.values_list("pk", "finished_at")[:WINDOW_SIZE])
    # Stop at an unfinished attempt, whose lease has expired but is not released yet.
    keys = [key for key, _finished in found[: next((i for i, row in enumerate(found) if row[1] is None), len(found))]]
    if keys:
        _store(_count_by_hour(_attempts_after(cursor.place).filter(pk__lte=keys[-1])))
        cursor.place = keys[-1]
        cursor.save(update_fields=["place"])
    return len(keys)


def _attempts_after(cursor: uuid.UUID | None) -> QuerySet[Attempt]:
    return Attempt.objects.all() if cursor is None else Attempt.objects.filter(pk__gt=cursor)


def _count_by_hour(attempts: QuerySet[Attempt]) -> list[HourCounts]:
    """Count attempts by endpoint and hour, excluding tests and attempts that a shutdown aborted."""
    rows = attempts.filter(delivery__test=False).exclude(finished_at=None).exclude(error="shutdown")
    grouped = rows.annotate(hour=TruncHour("started_at", tzinfo=UTC)).values("organization_id", "endpoint_id", "hour")
    is_success = Q(error="")
    counted = grouped.annotate(succeeded=Count("pk", filter=is_success), failed=Count("pk", filter=~is_success))
    return [HourCounts(**row) for row in counted.order_by()]


def _store(hours: Sequence[HourCounts]) -> None:
    # Sorted, so that two workers cannot deadlock.
    ordered = sorted(hours, key=lambda row: (row.endpoint_id, row.hour))
    values: list[Sequence[Any]]
    if connection.vendor == "postgresql":
        values = [tuple(row) for row in ordered]
    else:
        values = [
            (row.organization_id.hex, row.endpoint_id.hex, sqlite_time(row.hour)[:19], row.succeeded, row.failed)
            for row in ordered
        ]
    with connection.cursor() as cursor:
        cursor.executemany(ADD, values)


def last_24h(actor: Actor) -> dict[uuid.UUID, list[tuple[int, int]]]:
    """Return, by endpoint, the numbers of succeeded and failed attempts in each of the last 24 hours, oldest first."""
    this_hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    first = this_hour - 23 * HOUR
    cursor = SweepPlace.objects.filter(name=CURSOR_NAME).values_list("place", flat=True).first()
    stored = AttemptHour.objects.for_actor(actor).filter(hour__gte=first)
    columns = stored.values_list("organization_id", "endpoint_id", "hour", "succeeded", "failed")
    # One lower bound, because SQLite would use the earlier one of two and scan a whole day.
    begin = uuid_at(first) if cursor is None else max(cursor, uuid_at(first))
    recent = _count_by_hour(Attempt.objects.for_actor(actor).filter(pk__gt=begin, started_at__gte=first))
    hours: dict[uuid.UUID, list[tuple[int, int]]] = {}
    for row in (*(HourCounts(*each) for each in columns), *recent):
        index = min(23, max(0, int((row.hour - first) / HOUR)))
        series = hours.setdefault(row.endpoint_id, [(0, 0)] * 24)
        series[index] = (series[index][0] + row.succeeded, series[index][1] + row.failed)
    return hours
