"""What every page says of a key."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apps.api_keys.key_query import effective
from apps.api_keys.models import ApiKey, KeyType
from apps.audit.models import LastUse
from apps.credentials.view_models import key_facts


def facts(key: ApiKey, use: LastUse | None, now: datetime | None = None) -> dict[str, Any]:
    """Return what every page says of a key."""
    moment = now or timezone.now()
    return {
        **key_facts(key, use, moment),
        "scopes": key.scopes,
        "type": key.key_type.name,
        "type_title": key.key_type.title_text,
        "subject": key.subject,
        "networks": key.allowed_networks,
        "limits": limit_texts(key.key_type, key.limit_minute, key.limit_hour),
    }


def grouped(number: int) -> str:
    """Write a number with the separators of the reader's language."""
    return number_format(number, force_grouping=True)


def limit_texts(kind: KeyType, minute: int | None = None, hour: int | None = None) -> list[str]:
    """Return the limits in words; an empty list where there is none."""
    found = []
    per_minute, per_hour = effective("minute", minute, kind.limit_minute), effective("hour", hour, kind.limit_hour)
    if per_minute:
        found.append(_("%(count)s a minute") % {"count": grouped(per_minute)})
    if per_hour:
        found.append(_("%(count)s an hour") % {"count": grouped(per_hour)})
    return found
