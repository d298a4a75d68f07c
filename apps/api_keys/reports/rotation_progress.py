"""Who still calls with a key that a newer one replaces: what decides when the old one may end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.api_keys.models import ApiKey
from apps.api_keys.view_models import grouped
from apps.audit.calls.usage_report import RecentCaller, calls_since, recent_callers
from apps.base.actor import Actor

QUIET = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Drain:
    """Who called since the overlap began or, after its end, since then; by whole hours at that start."""

    since: datetime
    has_ended: bool
    rows: list[RecentCaller]
    calls_24h: int
    verdict: str
    tone: str

    @property
    def is_safe(self) -> bool:
        """Nobody would notice the end."""
        return self.tone == "ok"


def is_draining(key: ApiKey) -> bool:
    """Tell whether a key is being replaced, or was."""
    return key.overlap_since is not None or hasattr(key, "replaced_by")


def drain(actor: Actor, key: ApiKey, now: datetime) -> Drain:
    """Return who still calls with a key in overlap, or was refused after its end."""
    organization_id = cast(UUID, actor.organization_id)
    ended = _end_of(key, now)
    since = ended or key.overlap_since or now - QUIET
    rows = recent_callers(organization_id, key.pk, since)
    lately = calls_since(organization_id, key.pk, now - QUIET)
    verdict, tone = _judge_ended(rows) if ended else _judge(lately, key.created_at <= now - QUIET)
    return Drain(since, ended is not None, rows, lately, verdict, tone)


def _end_of(key: ApiKey, now: datetime) -> datetime | None:
    ends = [moment for moment in (key.revoked_at, key.expires_at) if moment is not None and moment <= now]
    return min(ends, default=None)


def _judge(lately: int, is_day_over: bool) -> tuple[str, str]:
    if not lately and not is_day_over:
        return _("No requests so far, but this key is less than 24 hours old. Wait for a full day."), "info"
    if not lately:
        return _("No calls for 24 hours: safe to end."), "ok"
    text = ngettext(
        "Still in use: %(count)s call in the last 24 hours.",
        "Still in use: %(count)s calls in the last 24 hours.",
        lately,
    )
    return text % {"count": grouped(lately)}, "warn"


def _judge_ended(rows: list[RecentCaller]) -> tuple[str, str]:
    if not rows:
        return _("Nobody has called with it since it ended."), "ok"
    return _("It has ended, and somebody still calls with it: these calls are refused."), "bad"
