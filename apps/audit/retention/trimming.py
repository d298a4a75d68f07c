"""The periodic jobs over all organizations: daily checkpoints, and deletion of rows past their retention period.

Changes are cut at a checkpoint only. The newest checkpoint that is older than an organization's retention period
becomes a ``Cut``, which an entry of the log records; then the triggers let entries and seals up to its number be
deleted, and the chain starts at the hash of the checkpoint. A log is cut once a week at most, so that a quiet one does
not consist of entries about cuts. Calls are deleted by whole hours, and only after the digest of the hour.
"""

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Max, Model, QuerySet
from django.utils import timezone

from apps.audit.actions import record
from apps.audit.models import ApiCall, AuditEntry, Checkpoint, Cut, RefusedCalls, Round, Seal, UsageDay, UsageHour
from apps.audit.retention import sweep_cursor, windows
from apps.audit.seal import checkpoints
from apps.audit.seal.digests import HOUR, digest_sources
from apps.audit.timeline.sources import uuid7_floor
from apps.base import timestamps
from apps.base.actor import system

BATCH = 500
MAX_SECONDS = 0.5
TRIMMED = "audit.trimmed"
DAY, WEEK = timedelta(days=1), timedelta(days=7)
# Pages compare a year with the one before it from these rows; they are few.
MIN_USAGE_RETENTION = timedelta(days=400)


# The periodic job audit.sign_checkpoints (apps.py).
def sign_daily() -> int:
    """Sign and log a checkpoint of each organization's chain, once a day, and return how many."""
    return _sweep_organizations("checkpoints", _sign, DAY)


# The periodic job audit.delete_expired (apps.py).
def trim() -> int:
    """Delete some of the rows past their retention period and return how many."""
    return _sweep_organizations("trim", _trim_organization, HOUR) + _remove_refused()


def _sweep_organizations(name: str, work: Callable[[uuid.UUID, float], tuple[int, bool]], pause: timedelta) -> int:
    """Process organizations for up to MAX_SECONDS, continuing where the last run stopped; return the sum of counts."""
    until, done = time.monotonic() + MAX_SECONDS, 0
    while time.monotonic() < until:
        cursor = sweep_cursor.due_cursor(name)
        if cursor is None:
            break
        following = sweep_cursor.organizations_after(cursor.organization_id, 1)
        if not following:
            sweep_cursor.pause(cursor, timezone.now() + pause)
            break
        count, is_finished = work(following[0], until)
        done += count
        if is_finished:
            sweep_cursor.advance(cursor, organization_id=following[0])
    return done


def _sign(organization_id: uuid.UUID, until: float) -> tuple[int, bool]:
    windows.record_window(
        organization_id, {kind for source in digest_sources().values() for kind in source.retention_kinds}
    )
    checkpoint = checkpoints.create(organization_id)
    if checkpoint is not None:
        checkpoints.log_checkpoint(checkpoint)
    return int(checkpoint is not None), True


def _trim_organization(organization_id: uuid.UUID, until: float) -> tuple[int, bool]:
    _cut(organization_id)
    removed = 0
    for remove in (_remove_changes, _remove_calls, _remove_usage):
        seen = BATCH
        while seen >= BATCH:
            if time.monotonic() > until:
                return removed, False
            # Rows selected, not deleted: another worker can have deleted some of them meanwhile.
            seen = remove(organization_id)
            removed += seen
    return removed, True


def _cut(organization_id: uuid.UUID) -> None:
    """Cut at the newest checkpoint that is old enough, if the last cut is a week old and there is something to cut.

    Both the database's clock and the time of the entry must agree, because a deletion cannot be undone.
    """
    now, oldest = timestamps.database_now(), windows.retention_cutoff("audit", organization_id)
    last = Cut.objects.filter(organization_id=organization_id).order_by("-seq").first()
    points = Checkpoint.objects.filter(organization_id=organization_id, at__lt=oldest)
    if last is not None:
        if last.at + WEEK > now:
            return
        points = points.filter(seq__gt=last.seq)
    point = points.order_by("-seq").first()
    if point is None or not _is_worth_cutting(point, 0 if last is None else last.seq, oldest):
        return
    with transaction.atomic():
        _made, is_new = Cut.objects.get_or_create(
            organization_id=organization_id, seq=point.seq, defaults={"checkpoint": point, "at": now}
        )
        if is_new:
            record(
                actor=system(organization_id),
                action=TRIMMED,
                target_kind="audit_log",
                target_id=str(point.seq),
                changes={"up_to": [None, point.seq], "older_than": [None, point.at]},
            )


def _is_worth_cutting(point: Checkpoint, after: int, oldest: datetime) -> bool:
    """Return whether the newest entry up to the checkpoint is old too, and not all entries only record cuts."""
    seals = Seal.objects.filter(organization_id=point.organization_id, seq__gt=after, seq__lte=point.seq)
    newest = seals.order_by("-seq").values_list("entry__at", flat=True).first()
    return newest is not None and newest < oldest and seals.exclude(entry__action=TRIMMED).exists()


def _remove_changes(organization_id: uuid.UUID) -> int:
    """Delete the oldest entries below the cut, then their seals: the triggers look up an entry's number in its seal."""
    up_to = Cut.objects.filter(organization_id=organization_id).aggregate(up_to=Max("seq"))["up_to"]
    if up_to is None:
        return 0
    seals = Seal.objects.filter(organization_id=organization_id, seq__lte=up_to).order_by("seq")
    keys = list(seals.values_list("pk", flat=True)[:BATCH])
    with transaction.atomic():
        _delete(AuditEntry, keys)
        _delete(Seal, keys)
    return len(keys)


def _remove_calls(organization_id: uuid.UUID) -> int:
    """Delete the oldest calls, by whole hours whose digest is complete."""
    digested = Round.objects.filter(name="digest.calls").values_list("hour", flat=True).first()
    if digested is None:
        return 0
    hour = windows.retention_cutoff("calls", organization_id).replace(minute=0, second=0, microsecond=0)
    old = ApiCall.objects.filter(organization_id=organization_id, pk__lt=uuid7_floor(min(hour, digested)))
    return _remove_first(old.order_by("pk"))


def _remove_usage(organization_id: uuid.UUID) -> int:
    """Delete rollups: hourly ones with the calls, daily ones after 400 days or with the calls, whichever is later."""
    calls = windows.retention_cutoff("calls", organization_id)
    day = min(calls, timestamps.database_now() - MIN_USAGE_RETENTION).date()
    hours = UsageHour.objects.filter(organization_id=organization_id, hour__lt=calls - HOUR).order_by("hour")
    days = UsageDay.objects.filter(organization_id=organization_id, day__lt=day).order_by("day")
    return max(_remove_first(hours), _remove_first(days))


def _remove_first(rows: QuerySet[Any]) -> int:
    """Delete the first batch of rows and return how many were selected."""
    keys = list(rows.values_list("pk", flat=True)[:BATCH])
    _delete(rows.model, keys)
    return len(keys)


def _remove_refused() -> int:
    """Delete the oldest counts of refused requests, whose keys are in the order of time."""
    oldest = timestamps.database_now() - timedelta(days=windows.days("calls"))
    rows = RefusedCalls.objects.order_by("pk").values_list("pk", "minute")[:BATCH]
    return _delete(RefusedCalls, [key for key, minute in rows if minute < oldest])


def _delete(model: type[Model], keys: list[Any]) -> int:
    """Delete by key without Django's collector: no other rows depend on these."""
    return model._default_manager.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS) if keys else 0
