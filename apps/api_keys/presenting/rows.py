"""The rows of the list."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from apps.api_keys.models import ApiKey
from apps.api_keys.presenting.facts import facts, grouped
from apps.audit.models import LastUse
from apps.audit.usage import daily_series, last_uses
from apps.base.actor import Actor
from apps.base.charts import bars

DAYS = 24


def key_rows(actor: Actor, keys: Sequence[ApiKey]) -> list[dict[str, Any]]:
    """This will return the rows of the list: two further queries, however many keys."""
    ids = [key.pk for key in keys]
    uses = last_uses(ids)
    series = daily_series(actor.organization_id, ids, DAYS) if actor.organization_id else {}
    return [_row(key, uses.get(key.pk), series.get(key.pk, [])) for key in keys]


def _row(key: ApiKey, use: LastUse | None, days: Sequence[Any]) -> dict[str, Any]:
    total = sum(day.calls for day in days)
    errors = sum(day.errors for day in days)
    return {
        **facts(key, use),
        "bars": bars([(day.calls, day.errors) for day in days]),
        "bars_label": _("Requests per day, last %(days)d days: %(total)s, of which %(errors)s refused or failed")
        % {"days": DAYS, "total": grouped(total), "errors": grouped(errors)},
    }
