"""Attempts by endpoint and hour, rolled up by a periodic job, so that pages need not count attempts.

The job walks attempts by their keys, which are ordered by start time, up to where none can change any more. Younger
ones are counted on request, from the same cursor on, so that nothing counts twice.
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
from apps.webhooks.engine.sql import as_text
from apps.webhooks.models import Attempt, AttemptHour, SweepPlace

NAME = "attempt_hours"
WINDOW = 2000
MAX_SECONDS = 0.5
# Beyond the lease, after which an attempt is recorded or lost.
MARGIN = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ADD = """
INSERT INTO webhooks_attempthour (organization_id, endpoint_id, hour, succeeded, failed) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (endpoint_id, hour) DO UPDATE SET
    succeeded = webhooks_attempthour.succeeded + excluded.succeeded,
    failed = webhooks_attempthour.failed + excluded.failed
"""


class Hour(NamedTuple):
    """The attempts of one endpoint in one hour."""

    organization_id: uuid.UUID
    endpoint_id: uuid.UUID
    hour: datetime
    good: int
    bad: int


# The periodic job webhooks.add_up_attempts (apps.py).
def add_up() -> int:
    """Roll up the attempts that finished since the last run and return their number."""
    until, walked, count = time.monotonic() + MAX_SECONDS, 0, WINDOW
    while count == WINDOW and time.monotonic() < until:
        count = _walk()
        walked += count
    return walked


@transaction.atomic
def _walk() -> int:
    SweepPlace.objects.get_or_create(name=NAME)
    cursor = SweepPlace.objects.filter(name=NAME).select_for_update(skip_locked=True).first()
    if cursor is None:
        return 0
    settled = timestamps.database_now() - timedelta(seconds=claims.lease_seconds()) - MARGIN
    rows = _after(cursor.place).filter(pk__lt=uuid_at(settled)).order_by("pk")
    found = list(rows.values_list("pk", "finished_at")[:WINDOW])
    # Stop at an attempt in flight whose lease has expired but is not released yet.
    keys = [key for key, _finished in found[: next((i for i, row in enumerate(found) if row[1] is None), len(found))]]
    if keys:
        _add(_figures(_after(cursor.place).filter(pk__lte=keys[-1])))
        cursor.place = keys[-1]
        cursor.save(update_fields=["place"])
    return len(keys)


def _after(cursor: uuid.UUID | None) -> QuerySet[Attempt]:
    return Attempt.objects.all() if cursor is None else Attempt.objects.filter(pk__gt=cursor)


def _figures(attempts: QuerySet[Attempt]) -> list[Hour]:
    """Count attempts by endpoint and hour, without tests and attempts that a shutdown aborted."""
    rows = attempts.filter(delivery__test=False).exclude(finished_at=None).exclude(error="shutdown")
    grouped = rows.annotate(hour=TruncHour("started_at", tzinfo=UTC)).values("organization_id", "endpoint_id", "hour")
    counted = grouped.annotate(good=Count("pk", filter=Q(error="")), bad=Count("pk", filter=~Q(error=""))).order_by()
    return [Hour(**row) for row in counted]


def _add(hours: Sequence[Hour]) -> None:
    # Sorted, so that two workers cannot deadlock.
    ordered = sorted(hours, key=lambda row: (row.endpoint_id, row.hour))
    values: list[Sequence[Any]]
    if connection.vendor == "postgresql":
        values = [tuple(row) for row in ordered]
    else:
        values = [
            (row.organization_id.hex, row.endpoint_id.hex, as_text(row.hour)[:19], row.good, row.bad) for row in ordered
        ]
    with connection.cursor() as cursor:
        cursor.executemany(ADD, values)


def last_24h(actor: Actor) -> dict[uuid.UUID, list[tuple[int, int]]]:
    """Return, by endpoint, attempts that succeeded and failed in each of the last 24 hours, oldest first."""
    this_hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    first = this_hour - 23 * HOUR
    cursor = SweepPlace.objects.filter(name=NAME).values_list("place", flat=True).first()
    stored = AttemptHour.objects.for_actor(actor).filter(hour__gte=first)
    columns = stored.values_list("organization_id", "endpoint_id", "hour", "succeeded", "failed")
    # One lower bound: given two, SQLite scans from the earlier one, a day back.
    begin = uuid_at(first) if cursor is None else max(cursor, uuid_at(first))
    young = _figures(Attempt.objects.for_actor(actor).filter(pk__gt=begin, started_at__gte=first))
    hours: dict[uuid.UUID, list[tuple[int, int]]] = {}
    for row in (*(Hour(*each) for each in columns), *young):
        index = min(23, max(0, int((row.hour - first) / HOUR)))
        series = hours.setdefault(row.endpoint_id, [(0, 0)] * 24)
        series[index] = (series[index][0] + row.good, series[index][1] + row.bad)
    return hours
