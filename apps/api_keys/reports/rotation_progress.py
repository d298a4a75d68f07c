"""Requests that still use a replaced key, to decide when it can be revoked."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.api_keys.models import ApiKey
from apps.api_keys.view_models import format_number
from apps.audit.calls.usage_report import RecentCaller, calls_since, recent_callers
from apps.base.actor import Actor

QUIET_PERIOD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class RotationProgress:
    """The callers since the overlap began or, once the key expired or was revoked, since then.

    ``since`` is compared with whole hours.
    """

    since: datetime
    is_revoked_or_expired: bool
    rows: list[RecentCaller]
    calls_24h: int
    summary: str
    tone: str

    @property
    def is_safe(self) -> bool:
        """Return whether the key can be revoked without effect."""
        return self.tone == "ok"


def is_being_replaced(key: ApiKey) -> bool:
    """Return whether a key is in overlap or was replaced."""
    return key.overlap_since is not None or hasattr(key, "replaced_by")


def rotation_progress(actor: Actor, key: ApiKey, now: datetime) -> RotationProgress:
    """Return who still uses a replaced key, or tries to after its expiry or revocation."""
    organization_id = cast(UUID, actor.organization_id)
    ended = _end_of(key, now)
    since = ended or key.overlap_since or now - QUIET_PERIOD
    rows = recent_callers(organization_id, key.pk, since)
    recent_calls = calls_since(organization_id, key.pk, now - QUIET_PERIOD)
    summary, tone = _summary_after_end(rows) if ended else _summary(recent_calls, key.created_at <= now - QUIET_PERIOD)
    return RotationProgress(since, ended is not None, rows, recent_calls, summary, tone)


def _end_of(key: ApiKey, now: datetime) -> datetime | None:
    ends = [end for end in (key.revoked_at, key.expires_at) if end is not None and end <= now]
    return min(ends, default=None)


def _summary(recent_calls: int, is_day_over: bool) -> tuple[str, str]:
    if not recent_calls and not is_day_over:
        return _("No requests so far, but this key is less than 24 hours old. Wait for a full day."), "info"
    if not recent_calls:
        return _("No calls for 24 hours: safe to end."), "ok"
    text = ngettext(
        "Still in use: %(count)s call in the last 24 hours.",
        "Still in use: %(count)s calls in the last 24 hours.",
        recent_calls,
    )
    return text % {"count": format_number(recent_calls)}, "warn"


def _summary_after_end(rows: list[RecentCaller]) -> tuple[str, str]:
    if not rows:
        return _("Nobody has called with it since it ended."), "ok"
    return _("It has ended, and somebody still calls with it: these calls are refused."), "bad"
