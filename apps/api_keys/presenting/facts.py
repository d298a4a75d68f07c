"""What every page says of a key."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from apps.api_keys.gate_rows import effective
from apps.api_keys.models import ApiKey, KeyType
from apps.audit.models import LastUse
from apps.credentials.models import KeyStatus

UNUSED_AFTER = timedelta(days=30)


def facts(key: ApiKey, use: LastUse | None, now: datetime | None = None) -> dict[str, Any]:
    """This will return what every page says of a key."""
    moment = now or timezone.now()
    left = key.expires_at - moment if key.expires_at else None
    return {
        "id": key.public_id,
        "name": key.name,
        "scopes": key.scopes,
        "mask": key.mask,
        "status": str(key.status_at(moment)),
        "expires_in_days": days_up(left) if left is not None else None,
        "overlap_until": key.expires_at if key.status_at(moment) == KeyStatus.OVERLAP else None,
        "ever_used": use is not None,
        "is_unused": use is None and moment - key.created_at >= UNUSED_AFTER,
        "has_ended": key.has_ended,
        "is_disabled": key.disabled_at is not None,
        "is_quarantined": key.quarantined_at is not None,
        "was_rotated": key.overlap_since is not None,
        "last_used_at": use.at if use else None,
        "last_used_from": use.address if use else "",
        "expires_at": key.expires_at,
        "created_at": key.created_at,
        "created_by": key.created_by_label,
        "revoked_at": key.revoked_at,
        "type": key.key_type.name,
        "type_title": key.key_type.title_text,
        "subject": key.subject,
        "networks": key.allowed_networks,
        "limits": limit_texts(key.key_type, key.limit_minute, key.limit_hour),
    }


def grouped(number: int) -> str:
    """This will write a number with the separators of the reader's language."""
    return number_format(number, force_grouping=True)


def written_day(moment: datetime) -> str:
    """This will write a moment's day in the reader's zone."""
    return date_format(timezone.localtime(moment), pgettext("date format, see Django's date filter", "j M Y"))


def written_minute(moment: datetime) -> str:
    """This will write a moment to the minute, with the name of the reader's zone."""
    return f"{written_day(moment)}, {date_format(timezone.localtime(moment), 'H:i T')}"


def days_up(left: timedelta) -> int:
    """This will return begun days: what ends in 5 days and 23 hours ends in 6 days."""
    return max(0, -(-left // timedelta(days=1)))


def limit_texts(kind: KeyType, minute: int | None = None, hour: int | None = None) -> list[str]:
    """This will return the limits in words; an empty list where there is none."""
    found = []
    per_minute, per_hour = effective("minute", minute, kind.limit_minute), effective("hour", hour, kind.limit_hour)
    if per_minute:
        found.append(_("%(count)s a minute") % {"count": grouped(per_minute)})
    if per_hour:
        found.append(_("%(count)s an hour") % {"count": grouped(per_hour)})
    return found
