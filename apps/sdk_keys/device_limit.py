"""The device limit: devices are activated and deactivated under the pool's lock, so limit and counter are exact.

Callers that change a pool's activations lock its row (``lock_pool``): on PostgreSQL by a row lock, on SQLite because
the transaction begins IMMEDIATE.
"""

import uuid
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.base.actor import Actor, system
from apps.base.errors import RateLimited
from apps.sdk_keys.audit_and_publish import record_and_publish_device
from apps.sdk_keys.models import Activation, ActivationPool, DeactivationReason

LISTED_AFTER_DEACTIVATION = timedelta(days=90)
BATCH = 200
# Prevents endless activation and deactivation: the maximum of new activations of one device within a period.
MAX_NEW_ACTIVATIONS = 10
NEW_ACTIVATIONS_WITHIN = timedelta(days=1)


def lock_pool(pool_id: uuid.UUID) -> ActivationPool:
    """Return the pool, locked until the transaction ends."""
    rows = ActivationPool.objects.all()
    if connection.vendor == "postgresql":
        rows = rows.select_for_update()
    return rows.get(pk=pool_id)


def expiry_for(pool: ActivationPool, last_seen: datetime) -> datetime | None:
    """Return when a device last seen at a time becomes inactive, or None for never."""
    return None if pool.inactive_after_days is None else last_seen + timedelta(days=pool.inactive_after_days)


def is_full(pool: ActivationPool) -> bool:
    """Return whether the device limit is reached."""
    return pool.activation_limit is not None and pool.active_count >= pool.activation_limit


def check_churn(pool: ActivationPool, digests: list[str], now: datetime) -> None:
    """Raise RateLimited for a device with too many new activations within a day."""
    recent = Activation.objects.filter(
        pool=pool, device_digest__in=digests, created_at__gt=now - NEW_ACTIVATIONS_WITHIN
    )
    newest = list(recent.order_by("-created_at").values_list("created_at", flat=True)[:MAX_NEW_ACTIVATIONS])
    if len(newest) == MAX_NEW_ACTIVATIONS:
        wait = max(1, int((newest[-1] + NEW_ACTIVATIONS_WITHIN - now).total_seconds()) + 1)
        message = f"This device was activated {MAX_NEW_ACTIVATIONS} times within a day. Try again in {wait} seconds."
        raise RateLimited(message, wait)


def deactivate(pool: ActivationPool, activation: Activation, *, actor: Actor, reason: str) -> bool:
    """Deactivate a device of a locked pool and return whether it was still active."""
    now = timezone.now()
    rows = Activation.objects.filter(pk=activation.pk, freed_at=None)
    if not rows.update(freed_at=now, freed_because=reason):
        return False
    activation.freed_at, activation.freed_because = now, reason
    ActivationPool.objects.filter(pk=pool.pk).update(active_count=F("active_count") - 1, full_since=None)
    pool.active_count, pool.full_since = pool.active_count - 1, None
    record_and_publish_device(actor, activation, "sdk_key.deactivated", reason=reason)
    return True


def deactivate_inactive(pool: ActivationPool, now: datetime) -> int:
    """Deactivate up to ``BATCH`` inactive devices of a locked pool and return how many."""
    rows = Activation.objects.filter(pool=pool).inactive(now).select_related("key").order_by("expires_at")[:BATCH]
    actor = system(pool.organization_id)
    return sum(deactivate(pool, each, actor=actor, reason=DeactivationReason.INACTIVE) for each in rows)


# The periodic job sdk_keys.deactivate_inactive_devices (apps.py).
def deactivate_inactive_devices() -> int:
    """Deactivate inactive devices of every pool, in one transaction per pool and batch, and return how many."""
    deactivated = 0
    now = timezone.now()
    while pools := list(
        Activation.objects.inactive(now).order_by().values_list("pool_id", flat=True).distinct()[:BATCH]
    ):
        for pool_id in pools:
            with transaction.atomic():
                deactivated += deactivate_inactive(lock_pool(pool_id), now)
    return deactivated


# The periodic job sdk_keys.delete_deactivated_devices (apps.py).
def delete_deactivated_devices() -> int:
    """Delete devices that were deactivated 90 days ago or earlier, in batches, and return how many."""
    deleted = 0
    while True:
        old = Activation.objects.filter(freed_at__lt=timezone.now() - LISTED_AFTER_DEACTIVATION).order_by("freed_at")
        batch = list(old.values_list("pk", flat=True)[:BATCH])
        if not batch:
            return deleted
        deleted += Activation.objects.filter(pk__in=batch).delete()[0]
