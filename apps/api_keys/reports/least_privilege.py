"""Which of its scopes a key could do without."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from apps.api_keys.models import ApiKey
from apps.api_keys.verification import ROUTE as VERIFY
from apps.audit.calls.usage_report import routes_and_scopes
from apps.base.actor import Actor
from apps.base.permissions import PORTAL_SCOPES, expand, grants

LOOKED_BACK = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Hint:
    """Scopes that a key holds and did not use, and those that would have been enough."""

    unused: list[str]
    enough: list[str]
    whole_life: bool  # the key is younger than the time looked back


def hint(actor: Actor, key: ApiKey, now: datetime) -> Hint | None:
    """Return what the key could do without; None for an ended key, one without calls, and a fitting one."""
    if key.status_at(now).has_ended:
        return None
    seen = routes_and_scopes(cast(UUID, actor.organization_id), now - LOOKED_BACK, key.pk).get(key.pk)
    return compare(key, seen, now) if seen else None


def hints(actor: Actor, keys: Collection[ApiKey], now: datetime) -> dict[UUID, Hint]:
    """Return the same for many keys at once: one query."""
    seen = routes_and_scopes(cast(UUID, actor.organization_id), now - LOOKED_BACK)
    live = [key for key in keys if key.pk in seen and not key.status_at(now).has_ended]
    found = {key.pk: compare(key, seen[key.pk], now) for key in live}
    return {pk: one for pk, one in found.items() if one is not None}


def compare(key: ApiKey, seen: set[tuple[str, str]], now: datetime) -> Hint | None:
    """Compare what a key holds with where it used what."""
    held = expand(key.scopes)
    used = {scope for _route, scope in seen if scope and grants(held, scope)}
    unused = [scope for scope in key.scopes if not _is_used(scope, held, used)]
    if (VERIFY, "") in seen:
        # The host product asked for this key without saying what for: what is not the portal's may have been used.
        unused = [scope for scope in unused if scope in PORTAL_SCOPES]
    if not unused:
        return None
    kept = [scope for scope in key.scopes if scope not in unused]
    return Hint(unused, [*kept, *sorted(used - expand(kept))], key.created_at > now - LOOKED_BACK)


def _is_used(scope: str, held: Collection[str], used: set[str]) -> bool:
    """Reading is part of writing: a read scope beside its write scope is in use where that one is."""
    write = scope.removesuffix(":read") + ":write"
    return scope in used or (scope.endswith(":read") and write in held and write in used)
