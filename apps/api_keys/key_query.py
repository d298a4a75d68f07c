"""The columns that the gate reads for an API key in addition to those of every key: type, scopes, rate limits."""

import uuid
from typing import Any

from django.conf import settings

from apps.api_keys.models import ApiKey
from apps.base.permissions import expand
from apps.credentials.gate.key_rows import KeyRow, RowSource, as_json, as_uuid
from apps.credentials.gate.rate_limits import Window

COLUMNS = (
    *("k.scopes", "k.subject", "k.limit_minute", "k.limit_hour", "k.budget_id", "t.name", "t.limit_minute"),
    *("t.limit_hour", "o.ceiling_per_minute", "p.types_off", "p.scopes_off"),
)
JOINS = """
JOIN api_keys_keytype t ON t.id = k.key_type_id
LEFT JOIN api_keys_package p ON p.organization_id = o.id
"""


def _build(common_fields: dict[str, Any], *extra_columns: Any) -> KeyRow:
    (scopes, subject, limit_minute, limit_hour, budget, type_name, type_minute, type_hour, ceiling,
     types_off, scopes_off) = extra_columns  # fmt: skip
    organization_id, bucket = common_fields["organization_id"], as_uuid(budget).hex
    held, disabled_types = tuple(as_json(scopes)), as_json(types_off or "[]")
    disabled_scopes = frozenset(as_json(scopes_off or "[]"))
    return KeyRow(
        **common_fields,
        key_type=type_name,
        is_type_disabled=type_name in disabled_types,
        scopes=tuple(scope for scope in held if scope not in disabled_scopes),
        permissions=expand(held) - disabled_scopes,
        disabled_scopes=disabled_scopes,
        subject=subject,
        windows=windows(bucket, organization_id, (limit_minute, type_minute), (limit_hour, type_hour), ceiling),
    )


def windows(
    bucket: str,
    organization_id: uuid.UUID,
    minute: tuple[int | None, int | None],
    hour: tuple[int | None, int | None],
    ceiling: int | None,
) -> tuple[Window, ...]:
    """Return the rate-limit windows of a key.

    ``minute`` and ``hour`` are (key's limit, type's limit) in requests; ``ceiling`` is the organization's per minute.
    """
    found = []
    for name, seconds, configured_limits in (("minute", 60, minute), ("hour", 3600, hour)):
        limit = effective_limit(name, *configured_limits)
        if limit:
            found.append(Window(name, f"{bucket}:{name}", limit, seconds))
    if ceiling:
        found.append(Window("organization", f"o:{organization_id.hex}", ceiling, 60))
    return tuple(found)


def effective_limit(name: str, extra_columns: int | None, of_type: int | None) -> int | None:
    """Return a window's limit in requests: the key's, else its type's, else the default. 0 and None are no limit."""
    limit = of_type if extra_columns is None else extra_columns
    if limit is None:
        return settings.RATE_LIMIT_DEFAULTS.get(name)
    return limit or None


ROW_SOURCE = RowSource("api_key", ApiKey, extra_columns=COLUMNS, build=_build, joins=JOINS)
