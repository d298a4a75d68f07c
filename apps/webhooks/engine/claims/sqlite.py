"""Claim and finish deliveries on SQLite by the rules of ``postgresql``, in one transaction that excludes other writers.

The transaction is IMMEDIATE. Times come from Python, because the database is a file on this machine. Longer than 300
lines because this module has all SQL of the dialect.
"""

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from apps.base.identifiers import ORDERED_UUIDS
from apps.base.rest.renderers import to_json
from apps.webhooks.engine.claims.due import due_endpoints
from apps.webhooks.engine.claims.rows import ClaimedDelivery, ClaimLimits, EndpointSnapshot, Result, target_of
from apps.webhooks.engine.sql import from_sqlite_time, sqlite_time
from apps.webhooks.models import FINISHED_DELIVERIES

DUE_ENDPOINTS = f"""
WITH RECURSIVE {due_endpoints("%(now)s")}
SELECT e.id, e.organization_id, e.url, e.headers, e.rate_limit_per_second,
    e.status = 'enabled' AND o.status = 'active' AND e.deleted_at IS NULL, e.max_in_flight, e.paced_until,
    e.failures_in_a_row
FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
WHERE e.id IN (SELECT endpoint_id FROM due) ORDER BY random()
"""  # noqa: S608 - only constants are put in
IN_FLIGHT = """
SELECT d.endpoint_id, d.organization_id, d.sending_to, e.failures_in_a_row, count(*)
FROM webhooks_delivery d JOIN webhooks_endpoint e ON e.id = d.endpoint_id WHERE d.status = 'sending'
GROUP BY d.endpoint_id, d.organization_id, d.sending_to
"""
SECRETS = """
SELECT id, secret FROM webhooks_endpointsecret WHERE endpoint_id = %s AND (expires_at IS NULL OR expires_at > %s)
ORDER BY created_at DESC, id DESC
"""
# attempt_count is compared with a literal, because SQLite would otherwise not use the partial index.
DUE = """
SELECT id, event_id, attempt_count, uncounted_attempts, test, next_attempt_at FROM webhooks_delivery
INDEXED BY delivery_due_{index}
WHERE endpoint_id = %s AND status = 'pending' AND attempt_count {tries} AND next_attempt_at <= %s AND (%s OR test)
ORDER BY next_attempt_at LIMIT %s
"""
DUE_FIRST_ATTEMPTS, DUE_RETRIES = DUE.format(index="first", tries="= 0"), DUE.format(index="again", tries="> 0")
HOLD_OR_DROP = """
UPDATE webhooks_delivery
SET status = CASE WHEN e.deleted_at IS NULL THEN 'held' ELSE 'dropped' END, next_attempt_at = NULL,
    finished_at = CASE WHEN e.deleted_at IS NULL THEN NULL ELSE %s END
FROM webhooks_endpoint e WHERE e.id = %s AND webhooks_delivery.endpoint_id = e.id
    AND webhooks_delivery.status = 'pending' AND (NOT webhooks_delivery.test OR e.deleted_at IS NOT NULL)
"""
CLAIM = """
UPDATE webhooks_delivery SET status = 'sending', lease_token = %s, lease_until = %s, next_attempt_at = NULL,
    attempt_count = attempt_count + 1, sending_to = %s WHERE id = %s
"""
BODY = "SELECT body FROM webhooks_event WHERE id = %s"
SET_PACED_UNTIL = "UPDATE webhooks_endpoint SET paced_until = %s WHERE id = %s"
ENDPOINT_STATE = """
SELECT e.deleted_at IS NOT NULL, e.status = 'enabled' AND o.status = 'active'
FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id WHERE e.id = %s
"""
FINISH = """
UPDATE webhooks_delivery SET status = %s, next_attempt_at = %s, next_attempt_reason = %s, last_status_code = %s,
    last_error = %s, uncounted_attempts = uncounted_attempts + %s, finished_at = %s, lease_token = NULL,
    lease_until = NULL, sending_to = NULL
WHERE id = %s
"""
LEASED_ROWS = "SELECT id, lease_token FROM webhooks_delivery WHERE status = 'sending' AND lease_token = %s"
INSERT_ATTEMPT = """
INSERT INTO webhooks_attempt (id, organization_id, delivery_id, endpoint_id, number, started_at, finished_at,
    duration_ms, status_code, error, hint, address, timings_ms, request_headers, response_headers, response_body,
    truncated, url)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
EXPIRED_LEASES = """
SELECT id, organization_id, endpoint_id, attempt_count, lease_until FROM webhooks_delivery
WHERE status = 'sending' AND lease_until < %s
ORDER BY lease_until LIMIT %s
"""
RELEASE = """
UPDATE webhooks_delivery SET status = 'pending', next_attempt_at = %s, next_attempt_reason = 'lost',
    last_error = 'shutdown', last_status_code = NULL, uncounted_attempts = uncounted_attempts + 1, lease_token = NULL,
    lease_until = NULL, sending_to = NULL WHERE id = %s
"""
Candidate = tuple[int, int, Any, EndpointSnapshot, tuple[Any, ...]]


class InFlightCounts:
    """The numbers of deliveries in flight per endpoint, per organization, and per organization, host and port."""

    def __init__(self, limits: ClaimLimits, in_flight_rows: list[tuple[str, str, str | None, int, int]]) -> None:
        self._limits, self._slow = limits, {each.hex for each in limits.slow}
        self.of_endpoint: Counter[str] = Counter()
        self._of_organization: Counter[uuid.UUID] = Counter()
        self._of_target: Counter[tuple[uuid.UUID, str, bool]] = Counter()
        for key, organization, target, failures, count in in_flight_rows:
            self.of_endpoint[key] += count
            self._add(uuid.UUID(organization), target, self.is_slow(key, failures >= limits.failures), count)

    def is_slow(self, endpoint: str, is_struggling: bool) -> bool:
        """Return whether the endpoint is failing or is one of ``limits.slow``."""
        return is_struggling or endpoint in self._slow

    def has_target_capacity(self, organization: uuid.UUID, target: str | None, is_slow: bool) -> bool:
        """Return whether the caps of a host and port allow one more request of the organization."""
        if target is None:
            return True
        slow = self._of_target[organization, target, True]
        is_within = not is_slow or slow < self._limits.target_slow
        return is_within and slow + self._of_target[organization, target, False] < self._limits.target_in_flight

    def try_add(self, endpoint: EndpointSnapshot, is_slow: bool) -> bool:
        """Count one more delivery to the endpoint if the caps allow it, and return whether it was counted."""
        organization_id, target = endpoint.organization_id, target_of(endpoint.url)
        is_full = self._of_organization[organization_id] >= self._limits.organization_in_flight
        if is_full or not self.has_target_capacity(organization_id, target, is_slow):
            return False
        self._add(organization_id, target, is_slow, 1)
        return True

    def _add(self, organization: uuid.UUID, target: str | None, is_slow: bool, count: int) -> None:
        self._of_organization[organization] += count
        if target is not None:
            self._of_target[organization, target, is_slow] += count


def claim(limits: ClaimLimits) -> list[ClaimedDelivery]:
    """Claim a fair share of due deliveries, in one short transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        now = timezone.now()
        at = sqlite_time(now)
        cursor.execute(DUE_ENDPOINTS, {"rows": limits.rows, "now": at})
        endpoints = cursor.fetchall()
        if not endpoints:
            return []
        cursor.execute(IN_FLIGHT)
        in_flight = InFlightCounts(limits, cursor.fetchall())
        candidates = _select_candidates(cursor, _endpoints_with_capacity(limits, endpoints, in_flight, now), at)
        chosen = _apply_caps(limits, candidates, in_flight)
        return _claim_rows(cursor, limits, chosen, now)


def _select_candidates(cursor: Any, endpoints: Iterator[tuple[Any, ...]], at: str) -> list[Candidate]:
    """Select the deliveries that each endpoint has capacity for; hold or drop those to endpoints that are closed."""
    candidates: list[Candidate] = []
    for key, organization, url, headers, rate, is_open, slots, is_struggling in endpoints:
        if not is_open:
            cursor.execute(HOLD_OR_DROP, (at, key))
        rows = _due_rows(cursor, key, is_open, slots, at)
        if not rows:
            continue
        cursor.execute(SECRETS, (key, at))
        secrets = tuple((uuid.UUID(secret_id), sealed) for secret_id, sealed in cursor.fetchall())
        columns = (uuid.UUID(key), uuid.UUID(organization), url, headers, secrets, rate, bool(is_open), is_struggling)
        snapshot = EndpointSnapshot(*columns)
        candidates += [(int(row[2] > 0), position, row[5], snapshot, row) for position, row in enumerate(rows)]
    return candidates


def _endpoints_with_capacity(
    limits: ClaimLimits, endpoints: list[tuple[Any, ...]], in_flight: InFlightCounts, now: datetime
) -> Iterator[tuple[Any, ...]]:
    """Yield the endpoints that can have more in flight, each with the number of slots and whether it is failing."""
    share, left = limits.share(len(endpoints)), limits.rows
    for *columns, most, paced_until, failures in endpoints:
        key, organization, url, rate = columns[0], uuid.UUID(columns[1]), columns[2], columns[4]
        is_struggling = failures >= limits.failures
        is_slow = in_flight.is_slow(key, is_struggling)
        most = min(most, limits.max_per_endpoint, limits.failing_in_flight if is_struggling else most)
        slots = min(
            share, most - in_flight.of_endpoint[key], _rate_limit_capacity(limits, rate, paced_until, now, share)
        )
        if is_slow:
            slots = min(slots, limits.slow_rows)
        if slots > 0 and left and in_flight.has_target_capacity(organization, target_of(url), is_slow):
            left -= 1
            yield (*columns, slots, is_struggling)


def _rate_limit_capacity(
    limits: ClaimLimits, rate: int | None, paced_until: str | datetime | None, now: datetime, share: int
) -> int:
    """Return how many requests the rate limit allows now (GCRA with a short burst)."""
    if rate is None:
        return share
    ahead = max(from_sqlite_time(paced_until) or now, now) - now
    return 1 + floor(rate * (limits.burst_seconds - ahead.total_seconds()))


def _due_rows(cursor: Any, endpoint: str, is_open: bool, slots: int, at: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for statement in (DUE_FIRST_ATTEMPTS, DUE_RETRIES):
        if slots > len(rows):
            cursor.execute(statement, (endpoint, at, is_open, slots - len(rows)))
            rows += cursor.fetchall()
    return rows


def _apply_caps(limits: ClaimLimits, candidates: list[Candidate], in_flight: InFlightCounts) -> list[Candidate]:
    """Apply the caps: first attempts go before retries, then endpoints take turns, oldest delivery first."""
    slow_left = limits.slow_rows
    chosen: list[Candidate] = []
    for each in sorted(candidates, key=lambda each: each[:3]):
        endpoint = each[3]
        is_slow = in_flight.is_slow(endpoint.id.hex, endpoint.is_struggling)
        if len(chosen) < limits.rows and (slow_left or not is_slow) and in_flight.try_add(endpoint, is_slow):
            slow_left -= is_slow
            chosen.append(each)
    return chosen


def _claim_rows(cursor: Any, limits: ClaimLimits, chosen: list[Candidate], now: datetime) -> list[ClaimedDelivery]:
    lease_token = uuid.uuid4()
    lease_until = sqlite_time(now + timedelta(seconds=limits.lease_seconds))
    bodies = {event: cursor.execute(BODY, (event,)).fetchone()[0] for event in {each[4][1] for each in chosen}}
    claimed = []
    for *_order, endpoint, (key, event, tries, uncounted, test, _due_at) in chosen:
        values = (tries + 1, uncounted, uuid.UUID(event), bodies[event], bool(test), now.timestamp())
        claimed.append(ClaimedDelivery(uuid.UUID(key), lease_token, *values, endpoint))
    cursor.executemany(CLAIM, [(lease_token.hex, lease_until, target_of(each[3].url), each[4][0]) for each in chosen])
    _advance_rate_limits(cursor, claimed, now)
    return claimed


def _advance_rate_limits(cursor: Any, claimed: list[ClaimedDelivery], now: datetime) -> None:
    counts: dict[EndpointSnapshot, int] = {}
    for each in claimed:
        if each.endpoint.rate is not None:
            counts[each.endpoint] = counts.get(each.endpoint, 0) + 1
    for endpoint, count in counts.items():
        cursor.execute("SELECT paced_until FROM webhooks_endpoint WHERE id = %s", (endpoint.id.hex,))
        start = max(from_sqlite_time(cursor.fetchone()[0]) or now, now)
        cursor.execute(
            SET_PACED_UNTIL, (sqlite_time(start + timedelta(seconds=count / (endpoint.rate or 1))), endpoint.id.hex)
        )


def finish(results: list[Result]) -> set[uuid.UUID]:
    """Record the results in one transaction and return the ids of the deliveries whose lease token still matched."""
    with transaction.atomic(), connection.cursor() as cursor:
        now = timezone.now()
        at = sqlite_time(now)
        still_leased = _find_leased(cursor, {result.claimed.lease_token.hex for result in results})
        leased = [
            result for result in results if (result.claimed.id.hex, result.claimed.lease_token.hex) in still_leased
        ]
        cursor.executemany(
            FINISH, [_delivery_values(result, _next_status(cursor, result), now, at) for result in leased]
        )
        cursor.executemany(INSERT_ATTEMPT, [_attempt_values(result, at) for result in leased])
    return {result.claimed.id for result in leased}


def _find_leased(cursor: Any, tokens: set[str]) -> set[tuple[str, str]]:
    """Return id and lease token of the deliveries that are still leased; no other writer can run meanwhile."""
    found: set[tuple[str, str]] = set()
    for lease_token in tokens:
        cursor.execute(LEASED_ROWS, (lease_token,))
        found.update(cursor.fetchall())
    return found


def _delivery_values(result: Result, status: str, now: datetime, at: str) -> tuple[Any, ...]:
    next_at = sqlite_time(now + timedelta(seconds=result.wait_seconds or 0)) if status == "pending" else None
    finished_at = at if status in FINISHED_DELIVERIES else None
    values = (result.reason, result.status_code, result.error, result.uncounted, finished_at)
    return (status, next_at, *values, result.claimed.id.hex)


def _next_status(cursor: Any, result: Result) -> str:
    """Return the next status: a retry is held if the endpoint is paused or disabled, and dropped if it is deleted."""
    if result.status != "pending":
        return result.status
    is_deleted, is_open = cursor.execute(ENDPOINT_STATE, (result.claimed.endpoint.id.hex,)).fetchone()
    if is_deleted:
        return "dropped"
    if is_open:
        return "pending"
    cursor.execute("SELECT test FROM webhooks_delivery WHERE id = %s", (result.claimed.id.hex,))
    return "pending" if cursor.fetchone()[0] else "held"


def _attempt_values(result: Result, at: str) -> tuple[Any, ...]:
    claimed = result.claimed
    key, endpoint = ORDERED_UUIDS.at(timezone.now()), claimed.endpoint
    keys = (key.hex, endpoint.organization_id.hex, claimed.id.hex, endpoint.id.hex)
    times = (claimed.number, sqlite_time(datetime.fromtimestamp(claimed.started_at, UTC)), at)
    texts = (to_json(result.timings_ms), to_json(result.request_headers), to_json(result.response_headers))
    outcome = (result.duration_ms, result.status_code, result.error, result.hint, result.address)
    return (*keys, *times, *outcome, *texts, result.response_body, result.truncated, result.url)


def release_expired(rows: int, lease_seconds: float) -> int:
    """Make up to ``rows`` deliveries with an expired lease due again and return their number."""
    with transaction.atomic(), connection.cursor() as cursor:
        now = sqlite_time(timezone.now())
        expired = cursor.execute(EXPIRED_LEASES, (now, rows)).fetchall()
        for key, organization_id, endpoint, number, lease_until in expired:
            started = sqlite_time((from_sqlite_time(lease_until) or timezone.now()) - timedelta(seconds=lease_seconds))
            record = (None, None, "shutdown", "lost", "", "{}", "{}", "[]", "", False, None)
            cursor.execute(
                INSERT_ATTEMPT,
                (ORDERED_UUIDS.at(timezone.now()).hex, organization_id, key, endpoint, number, started, now, *record),
            )
            cursor.execute(RELEASE, (now, key))
    return len(expired)


def next_due_in() -> float | None:
    """Return the seconds until the earliest pending delivery is due (0 or less: now), or None if none is pending."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(next_attempt_at) FROM webhooks_delivery WHERE status = 'pending'")
        earliest = from_sqlite_time(cursor.fetchone()[0])
    return None if earliest is None else (earliest - timezone.now()).total_seconds()
