"""The gate: checks a key's secret, state, rate limits and restrictions.

Cheapest step first: format and checksum (no I/O) → row (process cache or one SQL query) → HMAC (against a dummy for
an unknown id) → state and expiry → rate limits (one round trip) → organization → network. With Redis, a cached row
is valid only while the versions it was read under are current, which the limiter's script checks in the same round
trip; every change commits first and then sets a new version. So a revocation takes effect with the next request in
every process. Without Redis nothing is cached: one SQL query per request.

Exception: where a process dies between the commit and the new version, or cannot reach Redis at that time, cached
rows stay valid for at most 5 seconds.
"""

import ipaddress
import secrets
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from redis import Redis

from apps.audit.calls.usage_counters import was_address_used
from apps.base import redis as portal_redis
from apps.base.actor import Actor, ActorKind
from apps.base.crypto.secrets import current_pepper, digest, matches, parse_key
from apps.base.errors import Forbidden, PortalError, RateLimited, Unauthorized
from apps.base.web.client_address import rate_limit_address
from apps.credentials.gate import rate_limits
from apps.credentials.gate.key_rows import KeyRow
from apps.credentials.gate.rate_limits import Window, WindowState
from apps.credentials.key_kinds import KEY_KINDS, KeyKind

CACHE_SECONDS = 5.0
CACHE_SIZE = 20_000
PREFIXED_ID_LENGTH = 16  # prefix and id
VERSION_SECONDS = 7 * 24 * 3600
CATALOGUE_VERSION = "v:catalogue"
SUSPENDED, CLOSED = "suspended", "closed"


@dataclass(slots=True)
class KeyCheckResult:
    """The result of a check: the key where the secret matched, the refusal if any, and the state of its rate limits."""

    key: KeyRow | None = None
    refusal: PortalError | None = None
    states: tuple[WindowState, ...] = ()


@dataclass(frozen=True, slots=True)
class _CachedRow:
    row: KeyRow
    versions: tuple[tuple[str, str], ...]
    read_at: float
    # The limiter's packed command for one request, the same as long as the row is cached.
    packed: bytes


class RowCache:
    """The rows cached by this process, each with the versions it was read under."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, _CachedRow] = {}

    def get(self, prefixed_id: str) -> _CachedRow | None:
        """Return the row unless it is older than ``CACHE_SECONDS``."""
        found = self._rows.get(prefixed_id)
        return found if found is not None and time.monotonic() - found.read_at < CACHE_SECONDS else None

    def put(self, prefixed_id: str, cached: _CachedRow) -> None:
        """Store the row; a full cache is emptied, which costs one SQL query per key."""
        with self._lock:
            if len(self._rows) >= CACHE_SIZE:
                self._rows.clear()
            self._rows[prefixed_id] = cached

    def drop(self, prefixed_id: str) -> None:
        """Remove a row."""
        self._rows.pop(prefixed_id, None)


cache = RowCache()


def check(plaintext: str, address: str, cost: int = 1, organization_id: uuid.UUID | None = None) -> KeyCheckResult:
    """Check a key sent from an address, counting ``cost`` requests where it is valid.

    ``organization_id``: only keys of this organization are known; a key of another is invalid and nothing is counted.
    """
    cached = cache.get(plaintext[:PREFIXED_ID_LENGTH]) if settings.REDIS_URL else None
    # A matching digest makes the checks of format and checksum unnecessary.
    if cached is not None and _is_usable(cached.row, plaintext, organization_id):
        packed = cached.packed if cost == 1 and not cached.row.limit_per_address else b""
        decision = rate_limits.consume(_windows(cached.row, address), cached.versions, cost, packed)
        if not decision.stale:
            return _result_of(cached.row, decision, address)
    parsed = parse_key(plaintext)
    kind = KEY_KINDS.get(parsed.prefix) if parsed else None
    if parsed is None or kind is None:
        return KeyCheckResult(refusal=invalid_key_error())
    return _check_fresh(plaintext, parsed.prefix + parsed.key_id, kind, address, cost, organization_id)


def _is_usable(row: KeyRow, plaintext: str, organization_id: uuid.UUID | None) -> bool:
    is_within = organization_id is None or row.organization_id == organization_id
    return is_within and matches(plaintext, row.digest, row.pepper_id) and row.refusal(time.time()) is None


def _check_fresh(
    plaintext: str, prefixed_id: str, kind: KeyKind, address: str, cost: int, organization_id: uuid.UUID | None
) -> KeyCheckResult:
    """Check against the database. An unknown id and a wrong secret take the same steps: one read, one HMAC."""
    cache.drop(prefixed_id)
    versions = read_versions_of_key(prefixed_id)
    row = kind.rows.find(prefixed_id[len(kind.prefix) :], plaintext)
    if row is None or (organization_id is not None and row.organization_id != organization_id):
        return KeyCheckResult(refusal=invalid_key_error())
    if row.pepper_id != current_pepper():
        kind.store_digest(row.pk, row.digest, digest_with_current_pepper(plaintext))
    refusal = _status_error(row)
    if refusal is not None:
        return KeyCheckResult(key=row, refusal=refusal)
    if versions is not None:
        _cache_row(prefixed_id, row, versions, kind)
    return _result_of(row, rate_limits.consume(_windows(row, address), cost=cost), address)


def _windows(row: KeyRow, address: str) -> tuple[Window, ...]:
    """Return the key's windows and, where it has a limit per address, that of the address."""
    if not row.limit_per_address:
        return row.windows
    bucket = f"{row.pk.hex}:{rate_limit_address(address)}"
    return (*row.windows, Window("address", bucket, row.limit_per_address, 60))


def _cache_row(prefixed_id: str, row: KeyRow, versions: tuple[tuple[str, str], ...], kind: KeyKind) -> None:
    organization = read_versions([f"v:o:{row.organization_id.hex}"])
    if organization is None:
        return
    # The organization's version was read after its row, so read the row again in case it changed in between.
    reread = kind.rows.get(prefixed_id[len(kind.prefix) :])
    if reread is not None and reread.digest == row.digest:
        versions = versions + organization
        packed = rate_limits.pack(reread.windows, versions)
        cache.put(prefixed_id, _CachedRow(reread, versions, time.monotonic(), packed))


def _result_of(row: KeyRow, decision: rate_limits.Decision, address: str) -> KeyCheckResult:
    if not decision.allowed:
        wait = decision.retry_after
        return KeyCheckResult(
            row, RateLimited(f"Rate limit exceeded. Try again in {wait} seconds.", wait), decision.states
        )
    return KeyCheckResult(row, _access_error(row, address), decision.states)


def invalid_key_error() -> Unauthorized:
    """Return the error for malformed, unknown and wrong keys alike."""
    return Unauthorized("Invalid API key provided.", "invalid_api_key")


def _status_error(row: KeyRow) -> Unauthorized | None:
    refusal = row.refusal(time.time())
    return None if refusal is None else Unauthorized(refusal.text, refusal.code)


def _access_error(row: KeyRow, address: str) -> Forbidden | None:
    if row.organization_status in (SUSPENDED, CLOSED):
        message = f"This organization is {row.organization_status}. Contact the vendor's team."
        return Forbidden(message, "organization_suspended")
    if row.parsed_networks and not _is_in_networks(address, row.parsed_networks):
        return Forbidden("This key may not be used from this address.", "ip_not_allowed")
    if row.is_type_disabled:
        return Forbidden("Keys of this type are switched off for this organization. Contact the vendor's team.")
    if row.restriction is not None and not was_address_used(row.pk, address):
        return Forbidden(row.restriction.address_error, row.restriction.code)
    return None


def _is_in_networks(address: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return any((mapped or ip) in network for network in networks)


def actor_of(row: KeyRow, address: str, user_agent: str, request_id: str) -> Actor:
    """Return the key as the actor of a request."""
    return Actor(
        kind=ActorKind(row.kind),
        id=row.public_id,
        label=row.name,
        organization_id=row.organization_id,
        permissions=row.permissions,
        grantable=row.permissions,
        disabled_scopes=row.disabled_scopes,
        read_only_reason=None if row.restriction is None else (row.restriction.write_error, row.restriction.code),
        grant_limits=row.grant_limits,
        address=address,
        user_agent=user_agent,
        request_id=request_id,
        pk=row.pk,
    )


# Versions: random values in Redis, replaced whenever data changes that a row was read from.


def read_versions_of_key(prefixed_id: str) -> tuple[tuple[str, str], ...] | None:
    """Return the current versions of a key and of the catalog of types and scopes, or None without Redis."""
    return read_versions([f"v:k:{prefixed_id}", CATALOGUE_VERSION])


def read_versions(names: Sequence[str]) -> tuple[tuple[str, str], ...] | None:
    """Return (name, version) pairs, creating missing versions, or None without Redis."""
    keys = [rate_limits.PREFIX + name for name in names]

    def read(client: Redis) -> list[Any]:
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.set(key, secrets.token_hex(8), nx=True, ex=VERSION_SECONDS)
        pipe.mget(keys)
        values: list[Any] = pipe.execute()[-1]
        return values

    values = portal_redis.call_redis(read)
    if values is None or any(value is None for value in values):
        return None
    return tuple((name, value.decode()) for name, value in zip(names, values, strict=True))


def renew_version(name: str) -> None:
    """Set a new version after the commit, which invalidates every process's cached rows."""
    key = rate_limits.PREFIX + name
    transaction.on_commit(
        lambda: portal_redis.call_redis(lambda client: client.set(key, secrets.token_hex(8), ex=VERSION_SECONDS))
    )


def invalidate_key(prefix: str, key_id: str) -> None:
    """Invalidate the key in every process's cache."""
    renew_version(f"v:k:{prefix}{key_id}")


def invalidate_organization(organization_id: uuid.UUID) -> None:
    """Invalidate the organization's keys in every process's cache."""
    renew_version(f"v:o:{organization_id.hex}")


def invalidate_catalogue() -> None:
    """Invalidate every key in every process's cache, after a change of a type or scope."""
    renew_version(CATALOGUE_VERSION)


def digest_with_current_pepper(plaintext: str) -> tuple[str, str]:
    """Return (digest, pepper id) under the current pepper."""
    pepper_id = current_pepper()
    return digest(plaintext, pepper_id), pepper_id
