"""Find the scopes that a key has but does not use."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from apps.api_keys.models import ApiKey
from apps.api_keys.verification import ROUTE as VERIFY
from apps.audit.calls.usage_report import routes_and_scopes
from apps.base.actor import Actor
from apps.base.permissions import PORTAL_SCOPES, expand, granted

LOOKBACK = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class UnusedScopes:
    """The scopes that a key did not use, and those that would have been enough."""

    unused: list[str]
    sufficient: list[str]
    is_since_creation: bool  # the key is younger than LOOKBACK


def unused_scopes(actor: Actor, key: ApiKey, now: datetime) -> UnusedScopes | None:
    """Return the unused scopes, or None if there are none, without requests, or for an expired or revoked key."""
    if key.status_at(now).is_final:
        return None
    seen = routes_and_scopes(cast(UUID, actor.organization_id), now - LOOKBACK, key.pk).get(key.pk)
    return compare(key, seen, now) if seen else None


def compare(key: ApiKey, seen: set[tuple[str, str]], now: datetime) -> UnusedScopes | None:
    """Compare a key's scopes with the (route, scope) pairs that it used."""
    held = expand(key.scopes)
    used = granted(held, {scope for _route, scope in seen if scope})
    unused = [scope for scope in key.scopes if not _is_used(scope, held, used)]
    if (VERIFY, "") in seen:
        # The host product verified this key without naming scopes, so it can have used any scope but the portal's.
        unused = [scope for scope in unused if scope in PORTAL_SCOPES]
    if not unused:
        return None
    sufficient = [scope for scope in key.scopes if scope not in unused]
    return UnusedScopes(unused, [*sufficient, *sorted(used - expand(sufficient))], key.created_at > now - LOOKBACK)


def _is_used(scope: str, held: Collection[str], used: frozenset[str]) -> bool:
    """Return whether a scope was used; a read scope also counts as used if the key used the write scope."""
    write = scope.removesuffix(":read") + ":write"
    return scope in used or (scope.endswith(":read") and write in held and write in used)
