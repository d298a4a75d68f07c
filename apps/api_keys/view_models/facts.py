"""Properties of a key that all pages show."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apps.api_keys.key_query import effective_limit
from apps.api_keys.key_texts import labelled_texts
from apps.api_keys.models import ApiKey, KeyType
from apps.audit.models import LastUse
from apps.credentials.view_models import key_facts


def facts(key: ApiKey, use: LastUse | None, now: datetime | None = None) -> dict[str, Any]:
    """Return the properties of a key for templates."""
    return {
        **key_facts(key, use, now or timezone.now()),
        "scopes": key.scopes,
        "type": key.key_type.name,
        "type_title": key.key_type.title_text,
        "texts": labelled_texts(key),
        "networks": key.allowed_networks,
        "limits": limit_texts(key.key_type, key.limit_minute, key.limit_hour),
    }


def format_number(number: int) -> str:
    """Format a number with the thousands separators of the reader's language."""
    return number_format(number, force_grouping=True)


def limit_texts(key_type: KeyType, minute: int | None = None, hour: int | None = None) -> list[str]:
    """Return the effective rate limits as texts, or an empty list if there is none."""
    found = []
    per_minute, per_hour = (
        effective_limit("minute", minute, key_type.limit_minute),
        effective_limit("hour", hour, key_type.limit_hour),
    )
    if per_minute:
        found.append(_("%(count)s a minute") % {"count": format_number(per_minute)})
    if per_hour:
        found.append(_("%(count)s an hour") % {"count": format_number(per_hour)})
    return found
