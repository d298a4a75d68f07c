"""What the daily round over the organizations does: checkpoints, and removing what is older than its days.

Changes go at a checkpoint only. The newest checkpoint that is older than an organization's days becomes a ``Cut``, an
entry of the log says so, and from then on the triggers let entries and seals up to its number go, a batch at a time.
The chain begins at the checkpoint's hash then. A log is cut once a week at most, so that a quiet one does not consist
of entries about cuts. Calls go by whole hours, and only those whose digest is made.
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
from apps.audit.seal.digests import HOUR, sources
from apps.audit.timeline.sources import key_at
from apps.base import timestamps
from apps.base.actor import system

BATCH = 500
MAX_SECONDS = 0.5
TRIMMED = "audit.trimmed"
DAY, WEEK = timedelta(days=1), timedelta(days=7)
# Pages offer a year and its comparison from these rows; they are few.
MIN_USAGE_RETENTION = timedelta(days=400)


# The periodic job audit.sign_checkpoints (apps.py).
def sign_daily() -> int:
    """Make a checkpoint of each log that went on since the last, write it to the log, and return how many."""
    return _sweep_organizations("checkpoints", _sign, DAY)


# The periodic job audit.delete_expired (apps.py).
def trim() -> int:
    """Remove some of what is too old and return how many rows were removed."""
    return _sweep_organizations("trim", _trim_organization, HOUR) + _remove_refused()


def _sweep_organizations(name: str, work: Callable[[uuid.UUID, float], tuple[int, bool]], pause: timedelta) -> int:
    """Work on one organization after the other for half a second; the next time goes on where this one ends."""
    until, done = time.monotonic() + MAX_SECONDS, 0
    while time.monotonic() < until:
        place = sweep_cursor.claim_next(name)
        if place is None:
            break
        following = sweep_cursor.organizations_after(place.organization_id, 1)
        if not following:
            sweep_cursor.pause(place, timezone.now() + pause)
            break
        count, is_finished = work(following[0], until)
        done += count
        if is_finished:
            sweep_cursor.advance(place, organization_id=following[0])
    return done


def _sign(organization_id: uuid.UUID, until: float) -> tuple[int, bool]:
    windows.record_window(organization_id, {kind for source in sources().values() for kind in source.kinds})
    made = checkpoints.create(organization_id)
    if made is not None:
        checkpoints.log_checkpoint(made)
    return int(made is not None), True


def _trim_organization(organization_id: uuid.UUID, until: float) -> tuple[int, bool]:
    _cut(organization_id)
    removed = 0
    for remove in (_remove_changes, _remove_calls, _remove_usage):
        seen = BATCH
        while seen >= BATCH:
            if time.monotonic() > until:
                return removed, False
            # How many there were to remove, not how many went: another worker may have been faster with some of them.
            seen = remove(organization_id)
            removed += seen
    return removed, True


def _cut(organization_id: uuid.UUID) -> None:
    """Cut at the newest checkpoint that is old enough, where the last cut is a week ago and there is something to cut.

    Two clocks must say so, the database's and that of who wrote the entry: what goes here never comes back.
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
    """Tell whether the newest entry below the checkpoint is old too, and something but notes of cuts would go."""
    seals = Seal.objects.filter(organization_id=point.organization_id, seq__gt=after, seq__lte=point.seq)
    newest = seals.order_by("-seq").values_list("entry__at", flat=True).first()
    return newest is not None and newest < oldest and seals.exclude(entry__action=TRIMMED).exists()


def _remove_changes(organization_id: uuid.UUID) -> int:
    """Remove the oldest entries below the cut with their seals, entries first: the triggers look the number up."""
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
    """Remove the oldest calls, by whole hours, and none that no digest speaks of yet."""
    digested = Round.objects.filter(name="digest.calls").values_list("hour", flat=True).first()
    if digested is None:
        return 0
    hour = windows.retention_cutoff("calls", organization_id).replace(minute=0, second=0, microsecond=0)
    old = ApiCall.objects.filter(organization_id=organization_id, pk__lt=key_at(min(hour, digested)))
    return _remove_first(old.order_by("pk"))


def _remove_usage(organization_id: uuid.UUID) -> int:
    """Remove figures: by the hour as calls, by the day after 400 days or as calls, whichever is later."""
    calls = windows.retention_cutoff("calls", organization_id)
    day = min(calls, timestamps.database_now() - MIN_USAGE_RETENTION).date()
    hours = UsageHour.objects.filter(organization_id=organization_id, hour__lt=calls - HOUR).order_by("hour")
    days = UsageDay.objects.filter(organization_id=organization_id, day__lt=day).order_by("day")
    return max(_remove_first(hours), _remove_first(days))


def _remove_first(rows: QuerySet[Any]) -> int:
    """Remove the first of the rows and return how many were seen."""
    keys = list(rows.values_list("pk", flat=True)[:BATCH])
    _delete(rows.model, keys)
    return len(keys)


def _remove_refused() -> int:
    """Remove the oldest counts of refused strangers, which stand in the order of their keys."""
    oldest = timestamps.database_now() - timedelta(days=windows.days("calls"))
    rows = RefusedCalls.objects.order_by("pk").values_list("pk", "minute")[:BATCH]
    return _delete(RefusedCalls, [key for key, minute in rows if minute < oldest])


def _delete(model: type[Model], keys: list[Any]) -> int:
    """Delete by key, past Django's collector: nothing hangs on these rows."""
    return model._default_manager.filter(pk__in=keys)._raw_delete(DEFAULT_DB_ALIAS) if keys else 0
