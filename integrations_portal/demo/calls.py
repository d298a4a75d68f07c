"""Generates thirty days of API requests through the call log's store, so that rows, counters and last uses agree."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from apps.audit.calls.store import REJECTED_STATUSES, Call, store
from apps.base.actor import ActorKind
from apps.base.identifiers import uuid_at
from apps.credentials.key_status import RESTRICTIONS
from integrations_portal.demo.activity_times import BUSINESS, DAYS, NIGHTLY, STEADY, random_times
from integrations_portal.demo.keys import IssuedKey

CHUNK = 1000
Route = tuple[str, str, int, str, int]  # method, route, status where all is well, scope, weight
ORDERS: tuple[Route, ...] = (("GET", "/v1/me", 200, "", 2), ("GET", "/v1/usage", 200, "usage:read", 1))
USERS: tuple[Route, ...] = (
    ("GET", "/v1/users", 200, "users:read", 8),
    ("GET", "/v1/users/{id}", 200, "users:read", 10),
    ("POST", "/v1/users", 201, "users:write", 3),
    ("PUT", "/v1/users/{id}", 200, "users:write", 4),
    ("DELETE", "/v1/users/{id}", 204, "users:write", 1),
)
EVENTS: tuple[Route, ...] = (
    ("POST", "/v1/events", 202, "events:write", 20),
    ("GET", "/v1/deliveries", 200, "webhooks:read", 3),
)
# Errors: status, code, and their percentage of requests.
ERRORS = ((400, "invalid_request", 1.2), (404, "not_found", 0.8), (403, "insufficient_scope", 0.3),
           (429, "rate_limited", 0.3), (503, "unavailable", 0.1))  # fmt: skip


class KeyUsage(NamedTuple):
    """How a key is used: requests per working day, daily distribution, routes, addresses and user agent."""

    per_day: float
    hourly_weights: tuple[int, ...]
    routes: tuple[Route, ...]
    addresses: tuple[str, ...]
    agent: str


KEY_USAGE = {
    "Production server": KeyUsage(240, BUSINESS, EVENTS + USERS, ("203.0.113.24", "203.0.113.25"), "acme-shop/4.12"),
    "Data warehouse sync": KeyUsage(96, STEADY, ORDERS, ("203.0.113.80",), "python-requests/2.34"),
    "Booking widget": KeyUsage(
        90, BUSINESS, ORDERS[:1], ("198.51.100.7", "198.51.100.8", "198.51.100.9"), "booking/2.0"
    ),
    "Nightly scripts": KeyUsage(24, NIGHTLY, USERS[:2], ("203.0.113.30",), "curl/8.14.1"),
    "Directory provisioning": KeyUsage(30, BUSINESS, USERS, ("192.0.2.44",), "scim-bridge/1.8"),
    "ERP connector": KeyUsage(60, BUSINESS, EVENTS[:1], ("203.0.113.61",), "erp-link/11"),
    "Old CRM connector": KeyUsage(20, BUSINESS, USERS[:2], ("198.51.100.99",), "crm-connector/3.1"),
    "Payroll export": KeyUsage(6, NIGHTLY, USERS[:1], ("203.0.113.30",), "payroll/1.0"),
    "Staging tests": KeyUsage(40, BUSINESS, USERS, ("198.51.100.35",), "pytest"),
    "Support chat bot": KeyUsage(18, BUSINESS, USERS[:2], ("198.51.100.61",), "chat-bot/1.4"),
    "Shop": KeyUsage(50, BUSINESS, EVENTS, ("203.0.113.140",), "rival-shop/1.3"),
    "Reports": KeyUsage(12, NIGHTLY, ORDERS, ("203.0.113.141",), "reports/0.9"),
}


def create(rng: random.Random, keys: list[IssuedKey], now: datetime) -> int:
    """Store the requests of all used keys and return their number."""
    calls = [call for issued in keys if issued.plan.name in KEY_USAGE for call in _calls_of(rng, issued, now)]
    calls.sort(key=lambda call: call.id)
    for start in range(0, len(calls), CHUNK):
        store(calls[start : start + CHUNK], {})
    return len(calls)


def _calls_of(rng: random.Random, issued: IssuedKey, now: datetime) -> Iterator[Call]:
    usage = KEY_USAGE[issued.plan.name]
    since = max(issued.key.created_at, now - timedelta(days=DAYS))
    ended = issued.ended
    # A client goes on sending requests for a while after its key expired, as is common.
    last = min(now, ended + timedelta(days=8)) if issued.plan.name == "Old CRM connector" else ended
    found = random_times(rng, now, usage.per_day, since, last, usage.hourly_weights)
    if ended == now and usage.hourly_weights is not NIGHTLY:
        found.append(now - timedelta(seconds=rng.uniform(30, 400)))
    if issued.plan.name == "Data warehouse sync":
        found += _burst(now)
    public_id = issued.key.public_id  # computed once: it takes as long as the rest of a row
    for moment in found:
        yield _call(rng, issued, public_id, usage, moment)


def _burst(now: datetime) -> list[datetime]:
    """Return the times of requests that exceed the key's rate limit within a minute."""
    start = (now - timedelta(days=3)).replace(hour=2, minute=0, second=0, microsecond=0)
    return [start + timedelta(milliseconds=index * 400) for index in range(130)]


def _call(rng: random.Random, issued: IssuedKey, public_id: str, usage: KeyUsage, moment: datetime) -> Call:
    method, route, status, scope, _weight = rng.choices(usage.routes, weights=[each[-1] for each in usage.routes])[0]
    status, code = _outcome(rng, status)
    if moment > issued.ended:
        status, code = 401, "expired_api_key"
    elif issued.plan.name == "Data warehouse sync" and moment.hour == 2 and moment.minute == 0 and moment.second >= 40:
        status, code = 429, "rate_limited"
    key = issued.key
    return Call(
        id=uuid_at(moment),
        at=moment,
        organization_id=key.organization_id,
        actor_kind=ActorKind.API_KEY,
        actor_id=public_id,
        actor_label=key.name,
        credential_id=key.pk,
        method=method,
        route=route,
        status=status,
        code=code,
        duration_ms=round(rng.lognormvariate(2.2, 0.6), 1),
        address=rng.choice(usage.addresses),
        # A successor is used by a newer client version.
        user_agent=f"{usage.agent}.1" if issued.plan.replaces else usage.agent,
        request_id=f"{rng.getrandbits(128):032x}",
        scopes="" if status in REJECTED_STATUSES else scope,
        flagged=any(moment > at for column in RESTRICTIONS if (at := getattr(key, column))),
    )


def _outcome(rng: random.Random, status: int) -> tuple[int, str]:
    roll = rng.uniform(0, 100)
    for error_status, code, share in ERRORS:
        roll -= share
        if roll < 0:
            return error_status, code
    return status, ""
