"""Notifications before and at the expiry of a key, and the reminder to rotate an old one.

Of the days before expiry (``NOTICE_DAYS``) only the nearest one that was reached is announced, once. Days within
``MIN_AGE`` of the key's creation are skipped.

No notifications for keys in overlap or already replaced (the successor has its own), revoked or disabled, or of an
organization that is not active. A disabled key gets the nearest one when it is enabled again.
"""

import math
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
from apps.base.timestamps import format_timestamp
from apps.credentials.models import SecretKeyQuerySet
from apps.notices.models import Severity

# Days before expiry; 0 is the expiry itself.
NOTICE_DAYS = (30, 14, 7, 1, 0)
ROTATE_AFTER = timedelta(days=90)
SEVERITIES = {30: Severity.INFO, 14: Severity.WARN, 7: Severity.WARN, 1: Severity.BAD, 0: Severity.BAD}
# Keys per run; the others follow in the next run, a minute later.
BATCH = 500
# No notification about an expiry that was chosen less than a day ago.
MIN_AGE = timedelta(days=1)


# The periodic job api_keys.announce_expiry (apps.py).
def announce_expiries(now: datetime | None = None) -> int:
    """Notify of keys that expire soon or have expired, and return the number of notifications."""
    now = now or timezone.now()
    return sum(_announce(key, now) for key in _due_for_notice(now)[:BATCH])


# The periodic job api_keys.remind_of_rotation (apps.py).
def remind_of_rotation(now: datetime | None = None) -> int:
    """Remind once of each key older than ``ROTATE_AFTER``, and return the number of reminders."""
    now = now or timezone.now()
    return sum(_remind(key, now) for key in _due_for_rotation(now)[:BATCH])


def step_at(created_at: datetime, expires_at: datetime, now: datetime) -> int | None:
    """Return the nearest of the days before expiry that was reached, or None if none is to be announced."""
    left = expires_at - now
    if left <= timedelta(0):
        return 0
    life = expires_at - created_at
    found = min((step for step in NOTICE_DAYS if left <= timedelta(days=step)), default=None)
    return found if found is not None and life >= timedelta(days=found) + MIN_AGE else None


def days_left(expires_at: datetime, now: datetime) -> int:
    """Return the days until expiry, rounded up."""
    return max(0, math.ceil((expires_at - now) / timedelta(days=1)))


def _eligible_keys() -> SecretKeyQuerySet[ApiKey]:
    keys = ApiKey.objects.filter(revoked_at=None, overlap_since=None, replaced_by=None, disabled_at=None)
    return keys.filter(organization__status="active").select_related("key_type")


def _due_for_notice(now: datetime) -> SecretKeyQuerySet[ApiKey]:
    later = Q()
    for step in NOTICE_DAYS:
        reached = Q(expires_at__lte=now + timedelta(days=step), announced_days__gt=step)
        if step:
            reached &= Q(created_at__lte=F("expires_at") - timedelta(days=step) - MIN_AGE)
        later |= reached
    # Implied by the above, and needed so that the partial index is used.
    within = Q(expires_at__lte=now + timedelta(days=NOTICE_DAYS[0]), announced_days__gt=0)
    return _eligible_keys().filter(later, within).order_by("expires_at")


@transaction.atomic
def _announce(key: ApiKey, now: datetime) -> bool:
    expires_at = key.expires_at
    step = None if expires_at is None else step_at(key.created_at, expires_at, now)
    # Another worker can see the same key, or it can be rotated now: only the worker whose update matches notifies.
    unchanged = ApiKey.objects.filter(pk=key.pk, expires_at=expires_at, announced_days=key.announced_days)
    unchanged = unchanged.filter(revoked_at=None, overlap_since=None, disabled_at=None)
    if step is None or expires_at is None or not unchanged.update(announced_days=step):
        return False
    posting.resolve_for(key, posting.EXPIRY)
    end = format_timestamp(expires_at)
    kind = "api_key.expiring" if step else "api_key.expired"
    params = {"expires_at": end, "expires_on": f"{expires_at:%Y-%m-%d}", "days_left": days_left(expires_at, now)}
    topic = f"{posting.EXPIRY}:{expires_at:%Y%m%d%H%M%S}:{step}"
    if not posting.post(key, kind, topic, severity=SEVERITIES[step], params=params):
        return False
    posting.publish(key, kind, {"expires_at": end, "days_left": params["days_left"]})
    return True


def _due_for_rotation(now: datetime) -> SecretKeyQuerySet[ApiKey]:
    old = _eligible_keys().live(now).filter(created_at__lte=now - ROTATE_AFTER, rotation_reminded_at=None)
    return old.order_by("created_at")


@transaction.atomic
def _remind(key: ApiKey, now: datetime) -> bool:
    unchanged = ApiKey.objects.filter(pk=key.pk, rotation_reminded_at=None, revoked_at=None, overlap_since=None)
    if not unchanged.update(rotation_reminded_at=now):
        return False
    params = {"made_on": f"{key.created_at:%Y-%m-%d}", "days": ROTATE_AFTER.days}
    return posting.post(key, "api_key.rotation_due", f"{posting.ROTATION}:90", severity=Severity.INFO, params=params)
