"""The inventory: findings about an organization's active keys, and a table of all its keys for CSV."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from apps.api_keys.models import ApiKey
from apps.api_keys.reports.least_privilege import LOOKBACK, compare
from apps.api_keys.serializers import ApiKeySerializer
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
    rows = ApiKey.objects.for_actor(actor).with_related().order_by("pk")
    after = uuid.UUID(int=0)
    while batch := list(rows.filter(pk__gt=after)[:CHUNK]):
        yield from (_row(inspected, now) for inspected in inspect(batch, used_scopes, now))
        after = batch[-1].pk


def _row(inspected: InspectedKey, now: datetime) -> Sequence[object]:
    """Return the cells of a key: the fields of its API object, of which some are flattened, and what is found."""
    key, use = inspected.key, inspected.use
    written = ApiKeySerializer.write(key, last_uses={key.pk: use} if use else {})
    cells = {
        **written,
        **{f"limit_{window}": limit for window, limit in written["limits"].items()},
        "status": str(key.status_at(now)),
        "scopes": " ".join(key.scopes),
        "allowed_networks": " ".join(key.allowed_networks),
        "created_by": key.created_by_label,
        "status_reason": key.status_reason,
        "status_changed_at": format_timestamp(key.status_changed_at),
        "findings": " ".join(sorted(inspected.findings)),
        "unused_scopes": " ".join(inspected.unused),
    }
    return [cells[name] for name in CSV_HEADER]
