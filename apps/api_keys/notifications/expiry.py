"""Notices before a key expires, and the reminder to rotate an old one.

A step is announced once, and only the nearest one that applies: who was away for two weeks hears of it once. A step
within a day of the key's creation is left out: whoever creates a key for five days knows that it expires in five.

Silent: a key in overlap or already replaced (its successor has its own dates), a revoked or disabled one (nothing that
works ends; enabled again, it hears of its nearest step), and an organization that is not active.
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

# Days before the end; 0 is the end itself.
STEPS = (30, 14, 7, 1, 0)
ROTATE_AFTER = timedelta(days=90)
SEVERITIES = {30: Severity.INFO, 14: Severity.WARN, 7: Severity.WARN, 1: Severity.BAD, 0: Severity.BAD}
# Keys a run; the rest is due at the next one, a minute later.
BATCH = 500
# What was chosen so recently is no news.
SETTLED = timedelta(days=1)


# The periodic job api_keys.announce_expiry (apps.py).
def announce_expiries(now: datetime | None = None) -> int:
    """Announce the step that each key has reached, and return how many were announced."""
    moment = now or timezone.now()
    return sum(_announce(key, moment) for key in _reached_a_step(moment)[:BATCH])


# The periodic job api_keys.remind_of_rotation (apps.py).
def remind_of_rotation(now: datetime | None = None) -> int:
    """Remind, once per key, of those that are 90 days old, and return how many there were."""
    moment = now or timezone.now()
    return sum(_remind(key, moment) for key in _grown_old(moment)[:BATCH])


def step_at(created_at: datetime, expires_at: datetime, now: datetime) -> int | None:
    """Return the nearest step that a key has reached, or None: it lives longer, or was created after that step."""
    left = expires_at - now
    if left <= timedelta(0):
        return 0
    life = expires_at - created_at
    found = min((step for step in STEPS if left <= timedelta(days=step)), default=None)
    return found if found is not None and life >= timedelta(days=found) + SETTLED else None


def days_left(expires_at: datetime, now: datetime) -> int:
    """Return the days until the end, a begun one counted whole."""
    return max(0, math.ceil((expires_at - now) / timedelta(days=1)))


def _speaking() -> SecretKeyQuerySet[ApiKey]:
    keys = ApiKey.objects.filter(revoked_at=None, overlap_since=None, replaced_by=None, disabled_at=None)
    return keys.filter(organization__status="active").select_related("key_type")


def _reached_a_step(now: datetime) -> SecretKeyQuerySet[ApiKey]:
    later = Q()
    for step in STEPS:
        reached = Q(expires_at__lte=now + timedelta(days=step), announced_days__gt=step)
        if step:
            reached &= Q(created_at__lte=F("expires_at") - timedelta(days=step) - SETTLED)
        later |= reached
    # What follows from the above, in the words of the partial index.
    within = Q(expires_at__lte=now + timedelta(days=STEPS[0]), announced_days__gt=0)
    return _speaking().filter(later, within).order_by("expires_at")


@transaction.atomic
def _announce(key: ApiKey, now: datetime) -> bool:
    expires_at = key.expires_at
    step = None if expires_at is None else step_at(key.created_at, expires_at, now)
    # Two sweepers may see the same key, or somebody rotates it now: the one whose update hits tells.
    unchanged = ApiKey.objects.filter(pk=key.pk, expires_at=expires_at, announced_days=key.announced_days)
    unchanged = unchanged.filter(revoked_at=None, overlap_since=None, disabled_at=None)
    if step is None or expires_at is None or not unchanged.update(announced_days=step):
        return False
    posting.resolve_for(key, posting.EXPIRY)
    end = format_timestamp(expires_at)
    kind = "api_key.expiring" if step else "api_key.expired"
    params = {"expires_at": end, "expires_on": f"{expires_at:%Y-%m-%d}", "days_left": days_left(expires_at, now)}
    story = f"{posting.EXPIRY}:{expires_at:%Y%m%d%H%M%S}:{step}"
    if not posting.post(key, kind, story, severity=SEVERITIES[step], params=params):
        return False
    posting.publish(key, kind, {"expires_at": end, "days_left": params["days_left"]})
    return True


def _grown_old(now: datetime) -> SecretKeyQuerySet[ApiKey]:
    old = _speaking().live(now).filter(created_at__lte=now - ROTATE_AFTER, rotation_reminded_at=None)
    return old.order_by("created_at")


@transaction.atomic
def _remind(key: ApiKey, now: datetime) -> bool:
    unchanged = ApiKey.objects.filter(pk=key.pk, rotation_reminded_at=None, revoked_at=None, overlap_since=None)
    if not unchanged.update(rotation_reminded_at=now):
        return False
    params = {"made_on": f"{key.created_at:%Y-%m-%d}", "days": ROTATE_AFTER.days}
    return posting.post(key, "api_key.rotation_due", f"{posting.ROTATION}:90", severity=Severity.INFO, params=params)
