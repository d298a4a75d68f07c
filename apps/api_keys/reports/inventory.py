"""The inventory: findings about an organization's active keys, and a table of all its keys for CSV."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from apps.api_keys.key_query import effective_limit
from apps.api_keys.models import ApiKey
from apps.api_keys.reports.least_privilege import LOOKBACK, compare
from apps.audit.calls.usage_counters import last_uses
from apps.audit.calls.usage_report import routes_and_scopes
from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.timestamps import format_timestamp

MAX_AGE = timedelta(days=90)
CHUNK = 500


class Finding(StrEnum):
    """A possible weakness of a key."""

    NEVER_EXPIRES = "never_expires"
    UNUSED_SCOPES = "unused_scopes"
    ANY_NETWORK = "any_network"
    TOO_OLD = "too_old"
    NEVER_USED = "never_used"


@dataclass(frozen=True, slots=True)
class InspectedKey:
    """A key with its last use, its findings and its unused scopes."""

    key: ApiKey
    use: LastUse | None
    findings: frozenset[Finding]
    unused: list[str]


ScopesUsed = Mapping[uuid.UUID, set[tuple[str, str]]]


def scopes_used(actor: Actor, now: datetime) -> ScopesUsed:
    """Return the (route, scope) pairs that each key used since ``LOOKBACK``: one query."""
    return routes_and_scopes(cast(uuid.UUID, actor.organization_id), now - LOOKBACK)


def inspect(keys: Sequence[ApiKey], used_scopes: ScopesUsed, now: datetime) -> list[InspectedKey]:
    """Return the findings for each key: one query per ``CHUNK`` keys."""
    found = []
    for start in range(0, len(keys), CHUNK):
        batch = keys[start : start + CHUNK]
        uses = last_uses([key.pk for key in batch])
        found += [_inspect_key(key, uses.get(key.pk), used_scopes.get(key.pk, set()), now) for key in batch]
    return found


def _inspect_key(key: ApiKey, use: LastUse | None, used_scopes: set[tuple[str, str]], now: datetime) -> InspectedKey:
    hint = compare(key, used_scopes, now) if use is not None else None
    checks = {
        Finding.NEVER_EXPIRES: key.expires_at is None,
        Finding.UNUSED_SCOPES: hint is not None,
        Finding.ANY_NETWORK: not key.allowed_networks,
        Finding.TOO_OLD: now - key.created_at >= MAX_AGE,
        Finding.NEVER_USED: use is None,
    }
    if key.is_revoked_or_expired:
        return InspectedKey(key, use, frozenset(), [])
    findings = frozenset(finding for finding, applies in checks.items() if applies)
    return InspectedKey(key, use, findings, hint.unused if hint else [])


CSV_HEADER = (
    "id", "name", "type", "status", "mask", "scopes", "subject", "allowed_networks", "limit_minute", "limit_hour",
    "created_at", "created_by", "expires_at", "last_used_at", "last_used_from", "replaces", "replaced_by",
    "status_reason", "status_changed_at", "findings", "unused_scopes",
)  # fmt: skip


def table(actor: Actor, now: datetime) -> Iterator[Sequence[object]]:
    """Yield the header, then a row for each key in every state, oldest first, read in chunks."""
    yield CSV_HEADER
    used_scopes = scopes_used(actor, now)
    rows = ApiKey.objects.for_actor(actor).select_related("key_type", "replaces", "replaced_by").order_by("pk")
    after = uuid.UUID(int=0)
    while batch := list(rows.filter(pk__gt=after)[:CHUNK]):
        yield from (_row(inspected, now) for inspected in inspect(batch, used_scopes, now))
        after = batch[-1].pk


def _row(inspected: InspectedKey, now: datetime) -> Sequence[object]:
    key, use, key_type = inspected.key, inspected.use, inspected.key.key_type
    successor = getattr(key, "replaced_by", None)
    return (
        key.public_id,
        key.name,
        key_type.name,
        str(key.status_at(now)),
        key.mask,
        " ".join(key.scopes),
        key.subject,
        " ".join(key.allowed_networks),
        effective_limit("minute", key.limit_minute, key_type.limit_minute),
        effective_limit("hour", key.limit_hour, key_type.limit_hour),
        format_timestamp(key.created_at),
        key.created_by_label,
        format_timestamp(key.expires_at),
        format_timestamp(use.at) if use else None,
        use.address if use else None,
        key.replaces.public_id if key.replaces else None,
        successor.public_id if successor else None,
        key.status_reason,
        format_timestamp(key.status_changed_at),
        " ".join(sorted(inspected.findings)),
        " ".join(inspected.unused),
    )
