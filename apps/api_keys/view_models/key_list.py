"""The list of keys: filters, rows, and the use of each type's cap."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Case, Count, Exists, OuterRef, Q, When
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from apps.api_keys.models import ApiKey, KeyType
from apps.api_keys.view_models.facts import facts, format_number
from apps.audit.calls.usage_counters import daily_series, last_uses
from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.crypto.secrets import ID_LENGTH, MASK_DOTS, parse_key
from apps.base.web.charts import bar_chart
from apps.credentials import key_status
from apps.credentials.key_status import KeyStatus
from apps.credentials.models import SecretKeyQuerySet

CHART_DAYS = 24
NEVER_USED = "never_used"
# Worst first, the order of the filter's choices.
STATUSES = (
    *((word, word.label) for word in key_status.FILTER_ORDER if word != KeyStatus.ACTIVE),
    (NEVER_USED, pgettext_lazy("status of a key", "Never used")),
    (KeyStatus.ACTIVE, KeyStatus.ACTIVE.label),
)


def matching(
    rows: SecretKeyQuerySet[ApiKey], text: str, status: str, type_name: str, creator: str = ""
) -> SecretKeyQuerySet[ApiKey]:
    """Keep the keys that match the filters; an unknown type or creator matches none."""
    if status == NEVER_USED:
        rows = rows.live().filter(~Exists(LastUse.objects.filter(credential_id=OuterRef("pk"))))
    elif status in KeyStatus.values:
        rows = rows.in_status(status)
    if type_name:
        rows = rows.filter(key_type__name=type_name)
    rows = rows.created_by(creator) if creator else rows
    if text:
        # Except for the dots of a mask, only names have non-ASCII characters.
        is_name = not text.isascii() and MASK_DOTS not in text
        rows = rows.named(text) if is_name else rows.filter(_matches_text(text))
    return rows.order_by(Case(When(revoked_at=None, then=0), default=1), "-pk")


def _matches_text(text: str) -> Q:
    """Match a part of the name, the beginning or the last four characters of the key, or its mask."""
    bare = text.removeprefix(ApiKey.key_prefix)
    beginning, dots, ending = bare.partition(MASK_DOTS)
    if dots:
        return Q(key_id__startswith=beginning, last_four=ending[-4:])
    return Q(name__icontains=text) | Q(key_id__startswith=bare[:ID_LENGTH]) | Q(last_four=bare[-4:])


def without_secret(text: str) -> str:
    """Return the search text, or only the public part if it is a whole key."""
    key = parse_key(text)
    return text if key is None else f"{key.prefix}{key.key_id}"


def caps(actor: Actor) -> list[dict[str, Any]]:
    """Return the types with a cap and live keys, and how much of it is used: two queries."""
    counted = ApiKey.objects.for_actor(actor).live().values("key_type").annotate(count=Count("pk")).order_by()
    used = {row["key_type"]: row["count"] for row in counted}
    return [
        {
            "name": key_type.name,
            "title": key_type.title_text,
            "used": used.get(key_type.pk, 0),
            "cap": key_type.cap,
            "is_full": used.get(key_type.pk, 0) >= (key_type.cap or 0),
        }
        for key_type in KeyType.objects.for_customers()
        if key_type.cap is not None and key_type.pk in used
    ]


def key_rows(actor: Actor, keys: Sequence[ApiKey]) -> list[dict[str, Any]]:
    """Return the rows of the list: two queries, regardless of the number of keys."""
    ids = [key.pk for key in keys]
    uses = last_uses(ids)
    series = daily_series(actor.organization_id, ids, CHART_DAYS) if actor.organization_id else {}
    return [_row(key, uses.get(key.pk), series.get(key.pk, [])) for key in keys]


def _row(key: ApiKey, use: LastUse | None, days: Sequence[Any]) -> dict[str, Any]:
    total = sum(day.calls for day in days)
    errors = sum(day.errors for day in days)
    return {
        **facts(key, use),
        "bars": bar_chart([(day.calls, day.errors) for day in days]),
        "bars_label": _("Requests per day, last %(days)d days: %(total)s, of which %(errors)s refused or failed")
        % {"days": CHART_DAYS, "total": format_number(total), "errors": format_number(errors)},
    }
