"""What is worth a second look among an organization's live keys, and all of its keys as rows of a table."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from apps.api_keys.key_query import effective
from apps.api_keys.models import ApiKey
from apps.api_keys.reports.least_privilege import LOOKED_BACK, compare
from apps.audit.calls.usage_counters import last_uses
from apps.audit.calls.usage_report import routes_and_scopes
from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.timestamps import format_timestamp

OLDEST = timedelta(days=90)
CHUNK = 500


class Finding(StrEnum):
    """What may be wrong with a key."""

    NEVER_EXPIRES = "never_expires"
    UNUSED_SCOPES = "unused_scopes"
    ANY_NETWORK = "any_network"
    TOO_OLD = "too_old"
    NEVER_USED = "never_used"


@dataclass(frozen=True, slots=True)
class Looked:
    """A key with what was found, its last use, and the scopes that it held without using them."""

    key: ApiKey
    use: LastUse | None
    findings: frozenset[Finding]
    unused: list[str]


Seen = Mapping[uuid.UUID, set[tuple[str, str]]]


def scopes_seen(actor: Actor, now: datetime) -> Seen:
    """Return on which routes which scopes were used, for each key: one query."""
    return routes_and_scopes(cast(uuid.UUID, actor.organization_id), now - LOOKED_BACK)


def inspect(keys: Sequence[ApiKey], seen: Seen, now: datetime) -> list[Looked]:
    """Look at keys: one query for each 500 of them."""
    found = []
    for start in range(0, len(keys), CHUNK):
        part = keys[start : start + CHUNK]
        uses = last_uses([key.pk for key in part])
        found += [_look(key, uses.get(key.pk), seen.get(key.pk, set()), now) for key in part]
    return found


def _look(key: ApiKey, use: LastUse | None, seen: set[tuple[str, str]], now: datetime) -> Looked:
    hint = compare(key, seen, now) if use is not None else None
    told = {
        Finding.NEVER_EXPIRES: key.expires_at is None,
        Finding.UNUSED_SCOPES: hint is not None,
        Finding.ANY_NETWORK: not key.allowed_networks,
        Finding.TOO_OLD: now - key.created_at >= OLDEST,
        Finding.NEVER_USED: use is None,
    }
    if key.has_ended:
        return Looked(key, use, frozenset(), [])
    return Looked(key, use, frozenset(name for name, is_so in told.items() if is_so), hint.unused if hint else [])


HEADER = (
    "id", "name", "type", "status", "mask", "scopes", "subject", "allowed_networks", "limit_minute", "limit_hour",
    "created_at", "created_by", "expires_at", "last_used_at", "last_used_from", "replaces", "replaced_by",
    "status_reason", "status_changed_at", "findings", "unused_scopes",
)  # fmt: skip


def table(actor: Actor, now: datetime) -> Iterator[Sequence[object]]:
    """Return the heading and a row for each key in every state, oldest first, a piece at a time."""
    yield HEADER
    seen = scopes_seen(actor, now)
    rows = ApiKey.objects.for_actor(actor).select_related("key_type", "replaces", "replaced_by").order_by("pk")
    after = uuid.UUID(int=0)
    while part := list(rows.filter(pk__gt=after)[:CHUNK]):
        yield from (_row(looked, now) for looked in inspect(part, seen, now))
        after = part[-1].pk


def _row(looked: Looked, now: datetime) -> Sequence[object]:
    key, use, kind = looked.key, looked.use, looked.key.key_type
    successor = getattr(key, "replaced_by", None)
    return (
        key.public_id,
        key.name,
        kind.name,
        str(key.status_at(now)),
        key.mask,
        " ".join(key.scopes),
        key.subject,
        " ".join(key.allowed_networks),
        effective("minute", key.limit_minute, kind.limit_minute),
        effective("hour", key.limit_hour, kind.limit_hour),
        format_timestamp(key.created_at),
        key.created_by_label,
        format_timestamp(key.expires_at),
        format_timestamp(use.at) if use else None,
        use.address if use else None,
        key.replaces.public_id if key.replaces else None,
        successor.public_id if successor else None,
        key.status_reason,
        format_timestamp(key.status_changed_at),
        " ".join(sorted(looked.findings)),
        " ".join(looked.unused),
    )
