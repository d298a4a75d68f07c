"""What is worth a second look among an organization's live keys, and all of its keys as rows of a table."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from apps.api_keys.gate_rows import effective
from apps.api_keys.models import ApiKey
from apps.audit.models import LastUse, UsageHour
from apps.audit.usage import last_uses
from apps.base.actor import Actor
from apps.base.instants import instant
from apps.base.permissions import ADMIN, expand, grants

LOOKED_BACK = timedelta(days=90)
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


def inspect(actor: Actor, keys: Sequence[ApiKey], now: datetime) -> list[Looked]:
    """This will look at keys of the actor's organization: two queries for each 500 of them."""
    found = []
    for start in range(0, len(keys), CHUNK):
        part = keys[start : start + CHUNK]
        ids = [key.pk for key in part]
        uses, scopes = last_uses(ids), _scopes_used(actor, ids, now)
        found += [_look(key, uses.get(key.pk), scopes.get(key.pk, set()), now) for key in part]
    return found


def _scopes_used(actor: Actor, ids: Iterable[uuid.UUID], now: datetime) -> dict[uuid.UUID, set[str]]:
    rows = UsageHour.objects.filter(
        organization_id=cast(uuid.UUID, actor.organization_id), credential_id__in=ids, hour__gte=now - LOOKED_BACK
    )
    found: dict[uuid.UUID, set[str]] = {}
    for key, used in rows.values_list("credential_id", "scopes").distinct():
        found.setdefault(key, set()).update(used.split())
    return found


def _look(key: ApiKey, use: LastUse | None, used: set[str], now: datetime) -> Looked:
    unused = _unused(key, used) if use is not None else []
    told = {
        Finding.NEVER_EXPIRES: key.expires_at is None,
        Finding.UNUSED_SCOPES: bool(unused),
        Finding.ANY_NETWORK: not key.allowed_networks,
        Finding.TOO_OLD: now - key.created_at >= OLDEST,
        Finding.NEVER_USED: use is None,
    }
    ended = key.has_ended
    return Looked(key, use, frozenset(name for name, is_so in told.items() if is_so and not ended), unused)


def _unused(key: ApiKey, used: set[str]) -> list[str]:
    """Return what the key could do without. Reading is part of writing; all of ``admin`` is too much for any use."""
    if ADMIN in key.scopes:
        return [] if ADMIN in used else [ADMIN]
    held = expand(key.scopes)
    really = {scope for scope in used if grants(held, scope)}
    return [scope for scope in key.scopes if not _is_used(scope, held, really)]


def _is_used(scope: str, held: frozenset[str], used: set[str]) -> bool:
    write = scope.removesuffix(":read") + ":write"
    return scope in used or (scope.endswith(":read") and write in held and write in used)


HEADER = (
    "id", "name", "type", "status", "mask", "scopes", "subject", "allowed_networks", "limit_minute", "limit_hour",
    "created_at", "created_by", "expires_at", "last_used_at", "last_used_from", "replaces", "replaced_by",
    "status_reason", "status_changed_at", "findings", "unused_scopes",
)  # fmt: skip


def table(actor: Actor, now: datetime) -> Iterator[Sequence[object]]:
    """This will return the heading and a row for each key in every state, oldest first, a piece at a time."""
    yield HEADER
    rows = ApiKey.objects.for_actor(actor).select_related("key_type", "replaces", "replaced_by").order_by("pk")
    after = uuid.UUID(int=0)
    while part := list(rows.filter(pk__gt=after)[:CHUNK]):
        yield from (_row(looked, now) for looked in inspect(actor, part, now))
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
        instant(key.created_at),
        key.created_by_label,
        instant(key.expires_at),
        instant(use.at) if use else None,
        use.address if use else None,
        key.replaces.public_id if key.replaces else None,
        successor.public_id if successor else None,
        key.status_reason,
        instant(key.status_changed_at),
        " ".join(sorted(looked.findings)),
        " ".join(looked.unused),
    )
