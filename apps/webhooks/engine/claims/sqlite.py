"""Claiming and finishing on SQLite: the same rules in one IMMEDIATE transaction, which excludes all other writers.

Times come from Python: the database is a file on this machine, with the same clock. Longer than 300 lines because one
module has the whole dialect.
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
from apps.webhooks.engine.claims.rows import ClaimedDelivery, EndpointSnapshot, Limits, Result, target_of
from apps.webhooks.engine.sql import as_text, from_text

ENDPOINTS = f"""
WITH RECURSIVE {due_endpoints("%(now)s")}
SELECT e.id, e.organization_id, e.url, e.headers, e.rate_limit_per_second,
    e.status = 'enabled' AND o.status = 'active' AND e.deleted_at IS NULL, e.max_in_flight, e.paced_until,
    e.failures_in_a_row
FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
WHERE e.id IN (SELECT endpoint_id FROM due) ORDER BY random()
"""  # noqa: S608 - only constants are put in
BUSY = """
SELECT d.endpoint_id, d.organization_id, d.sending_to, e.failures_in_a_row, count(*)
FROM webhooks_delivery d JOIN webhooks_endpoint e ON e.id = d.endpoint_id WHERE d.status = 'sending'
GROUP BY d.endpoint_id, d.organization_id, d.sending_to
"""
SECRETS = """
SELECT id, secret FROM webhooks_endpointsecret WHERE endpoint_id = %s AND (expires_at IS NULL OR expires_at > %s)
ORDER BY created_at DESC, id DESC
"""
# attempt_count is compared with a literal, or SQLite would not use the partial index.
DUE = """
SELECT id, event_id, attempt_count, uncounted_attempts, test, next_attempt_at FROM webhooks_delivery
INDEXED BY delivery_due_{index}
WHERE endpoint_id = %s AND status = 'pending' AND attempt_count {tries} AND next_attempt_at <= %s AND (%s OR test)
ORDER BY next_attempt_at LIMIT %s
"""
DUE_FIRST, DUE_AGAIN = DUE.format(index="first", tries="= 0"), DUE.format(index="again", tries="> 0")
SETTLE = """
UPDATE webhooks_delivery
SET status = CASE WHEN e.deleted_at IS NULL THEN 'held' ELSE 'dropped' END, next_attempt_at = NULL,
    finished_at = CASE WHEN e.deleted_at IS NULL THEN NULL ELSE %s END
FROM webhooks_endpoint e WHERE e.id = %s AND webhooks_delivery.endpoint_id = e.id
    AND webhooks_delivery.status = 'pending' AND (NOT webhooks_delivery.test OR e.deleted_at IS NOT NULL)
"""
STAMP = """
UPDATE webhooks_delivery SET status = 'sending', lease_token = %s, lease_until = %s, next_attempt_at = NULL,
    attempt_count = attempt_count + 1, sending_to = %s WHERE id = %s
"""
BODY = "SELECT body FROM webhooks_event WHERE id = %s"
PACE = "UPDATE webhooks_endpoint SET paced_until = %s WHERE id = %s"
STATE = """
SELECT e.deleted_at IS NOT NULL, e.status = 'enabled' AND o.status = 'active'
FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id WHERE e.id = %s
"""
FINISH = """
UPDATE webhooks_delivery SET status = %s, next_attempt_at = %s, next_attempt_reason = %s, last_status_code = %s,
    last_error = %s, uncounted_attempts = uncounted_attempts + %s, finished_at = %s, lease_token = NULL,
    lease_until = NULL, sending_to = NULL
WHERE id = %s
"""
OURS = "SELECT id, lease_token FROM webhooks_delivery WHERE status = 'sending' AND lease_token = %s"
ATTEMPTED = """
INSERT INTO webhooks_attempt (id, organization_id, delivery_id, endpoint_id, number, started_at, finished_at,
    duration_ms, status_code, error, hint, address, timings_ms, request_headers, response_headers, response_body,
    truncated, url)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
EXPIRED = """
SELECT id, organization_id, endpoint_id, attempt_count, lease_until FROM webhooks_delivery
WHERE status = 'sending' AND lease_until < %s
ORDER BY lease_until LIMIT %s
"""
AGAIN = """
UPDATE webhooks_delivery SET status = 'pending', next_attempt_at = %s, next_attempt_reason = 'lost',
    last_error = 'shutdown', last_status_code = NULL, uncounted_attempts = uncounted_attempts + 1, lease_token = NULL,
    lease_until = NULL, sending_to = NULL WHERE id = %s
"""
OVER = frozenset({"succeeded", "exhausted", "dropped"})
Picked = tuple[int, int, Any, EndpointSnapshot, tuple[Any, ...]]


class InFlightCounts:
    """Counts of deliveries in flight: by endpoint, by organization, and by organization with host and port."""

    def __init__(self, limits: Limits, busy: list[tuple[str, str, str | None, int, int]]) -> None:
        self._limits, self._slow = limits, {each.hex for each in limits.slow}
        self.of_endpoint: Counter[str] = Counter()
        self._of_organization: Counter[uuid.UUID] = Counter()
        self._of_target: Counter[tuple[uuid.UUID, str, bool]] = Counter()
        for key, organization, target, failures, count in busy:
            self.of_endpoint[key] += count
            self._add(uuid.UUID(organization), target, self.is_slow(key, failures >= limits.failures), count)

    def is_slow(self, endpoint: str, is_failing: bool) -> bool:
        """Return whether the endpoint fails or is one of the slow ones."""
        return is_failing or endpoint in self._slow

    def has_target_capacity(self, organization: uuid.UUID, target: str | None, is_slow: bool) -> bool:
        """Return whether the caps of a host and port allow the organization one more request."""
        if target is None:
            return True
        slow = self._of_target[organization, target, True]
        is_within = not is_slow or slow < self._limits.target_slow
        return is_within and slow + self._of_target[organization, target, False] < self._limits.target_in_flight

    def take(self, endpoint: EndpointSnapshot, is_slow: bool) -> bool:
        """Count one more delivery to the endpoint if the caps allow it, and return whether they do."""
        owner, target = endpoint.organization_id, target_of(endpoint.url)
        is_full = self._of_organization[owner] >= self._limits.organization_in_flight
        if is_full or not self.has_target_capacity(owner, target, is_slow):
            return False
        self._add(owner, target, is_slow, 1)
        return True

    def _add(self, organization: uuid.UUID, target: str | None, is_slow: bool, count: int) -> None:
        self._of_organization[organization] += count
        if target is not None:
            self._of_target[organization, target, is_slow] += count


def claim(limits: Limits) -> list[ClaimedDelivery]:
    """Claim a fair share of due deliveries, in one short transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        now = timezone.now()
        at = as_text(now)
        cursor.execute(ENDPOINTS, {"rows": limits.rows, "now": at})
        endpoints = cursor.fetchall()
        if not endpoints:
            return []
        cursor.execute(BUSY)
        in_flight = InFlightCounts(limits, cursor.fetchall())
        picked = _pick(cursor, _in_turn(limits, endpoints, in_flight, now), at)
        chosen = _cap(limits, picked, in_flight)
        return _stamp(cursor, limits, chosen, now)


def _pick(cursor: Any, endpoints: Iterator[tuple[Any, ...]], at: str) -> list[Picked]:
    """Select what each endpoint can get; hold or drop what waits for one that is not open."""
    picked: list[Picked] = []
    for key, organization, url, headers, rate, is_open, slots, is_failing in endpoints:
        if not is_open:
            cursor.execute(SETTLE, (at, key))
        rows = _due(cursor, key, is_open, slots, at)
        if not rows:
            continue
        cursor.execute(SECRETS, (key, at))
        secrets = tuple((uuid.UUID(secret_id), sealed) for secret_id, sealed in cursor.fetchall())
        about = (uuid.UUID(key), uuid.UUID(organization), url, headers, secrets, rate, bool(is_open), is_failing)
        snapshot = EndpointSnapshot(*about)
        picked += [(int(row[2] > 0), place, row[5], snapshot, row) for place, row in enumerate(rows)]
    return picked


def _in_turn(
    limits: Limits, endpoints: list[tuple[Any, ...]], in_flight: InFlightCounts, now: datetime
) -> Iterator[tuple[Any, ...]]:
    """Yield the endpoints that can have more in flight, with how many more and whether they fail."""
    share, left = limits.share(len(endpoints)), limits.rows
    for *about, most, paced_until, failures in endpoints:
        key, organization, url, rate = about[0], uuid.UUID(about[1]), about[2], about[4]
        is_failing = failures >= limits.failures
        is_slow = in_flight.is_slow(key, is_failing)
        most = min(most, limits.most_of_one, limits.failing_in_flight if is_failing else most)
        slots = min(share, most - in_flight.of_endpoint[key], _paced_room(limits, rate, paced_until, now, share))
        if is_slow:
            slots = min(slots, limits.slow_rows)
        if slots > 0 and left and in_flight.has_target_capacity(organization, target_of(url), is_slow):
            left -= 1
            yield (*about, slots, is_failing)


def _paced_room(limits: Limits, rate: int | None, paced_until: str | datetime | None, now: datetime, share: int) -> int:
    """Return how many sends the rate allows now (GCRA with a short burst)."""
    if rate is None:
        return share
    ahead = max(from_text(paced_until) or now, now) - now
    return 1 + floor(rate * (limits.burst_seconds - ahead.total_seconds()))


def _due(cursor: Any, endpoint: str, is_open: bool, slots: int, at: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for statement in (DUE_FIRST, DUE_AGAIN):
        if slots > len(rows):
            cursor.execute(statement, (endpoint, at, is_open, slots - len(rows)))
            rows += cursor.fetchall()
    return rows


def _cap(limits: Limits, picked: list[Picked], in_flight: InFlightCounts) -> list[Picked]:
    """Apply the caps: first attempts first, endpoints in turn, then the oldest."""
    slow_left = limits.slow_rows
    chosen: list[Picked] = []
    for each in sorted(picked, key=lambda each: each[:3]):
        endpoint = each[3]
        is_slow = in_flight.is_slow(endpoint.id.hex, endpoint.is_failing)
        if len(chosen) < limits.rows and (slow_left or not is_slow) and in_flight.take(endpoint, is_slow):
            slow_left -= is_slow
            chosen.append(each)
    return chosen


def _stamp(cursor: Any, limits: Limits, chosen: list[Picked], now: datetime) -> list[ClaimedDelivery]:
    lease_token = uuid.uuid4()
    lease_until = as_text(now + timedelta(seconds=limits.lease_seconds))
    bodies = {event: cursor.execute(BODY, (event,)).fetchone()[0] for event in {each[4][1] for each in chosen}}
    claimed = []
    for *_order, endpoint, (key, event, tries, uncounted, test, _due_at) in chosen:
        values = (tries + 1, uncounted, uuid.UUID(event), bodies[event], bool(test), now.timestamp())
        claimed.append(ClaimedDelivery(uuid.UUID(key), lease_token, *values, endpoint))
    cursor.executemany(STAMP, [(lease_token.hex, lease_until, target_of(each[3].url), each[4][0]) for each in chosen])
    _move_pace(cursor, claimed, now)
    return claimed


def _move_pace(cursor: Any, claimed: list[ClaimedDelivery], now: datetime) -> None:
    counts: dict[EndpointSnapshot, int] = {}
    for each in claimed:
        if each.endpoint.rate is not None:
            counts[each.endpoint] = counts.get(each.endpoint, 0) + 1
    for endpoint, count in counts.items():
        cursor.execute("SELECT paced_until FROM webhooks_endpoint WHERE id = %s", (endpoint.id.hex,))
        start = max(from_text(cursor.fetchone()[0]) or now, now)
        cursor.execute(PACE, (as_text(start + timedelta(seconds=count / (endpoint.rate or 1))), endpoint.id.hex))


def finish(results: list[Result]) -> set[uuid.UUID]:
    """Record the results in one transaction and return the deliveries that were still ours."""
    with transaction.atomic(), connection.cursor() as cursor:
        now = timezone.now()
        at = as_text(now)
        ours = _still_ours(cursor, {result.claimed.lease_token.hex for result in results})
        leased = [result for result in results if (result.claimed.id.hex, result.claimed.lease_token.hex) in ours]
        cursor.executemany(FINISH, [_finished(result, _next_status(cursor, result), now, at) for result in leased])
        cursor.executemany(ATTEMPTED, [_attempted(result, at) for result in leased])
    return {result.claimed.id for result in leased}


def _still_ours(cursor: Any, tokens: set[str]) -> set[tuple[str, str]]:
    """Query once per claim: no one else can write while this transaction is open."""
    found: set[tuple[str, str]] = set()
    for lease_token in tokens:
        cursor.execute(OURS, (lease_token,))
        found.update(cursor.fetchall())
    return found


def _finished(result: Result, status: str, now: datetime, at: str) -> tuple[Any, ...]:
    next_at = as_text(now + timedelta(seconds=result.wait_seconds or 0)) if status == "pending" else None
    finished_at = at if status in OVER else None
    values = (result.reason, result.status_code, result.error, result.uncounted, finished_at)
    return (status, next_at, *values, result.claimed.id.hex)


def _next_status(cursor: Any, result: Result) -> str:
    """Return the delivery's next status: a retry to a paused or disabled endpoint is held, to a deleted one dropped."""
    if result.status != "pending":
        return result.status
    is_deleted, is_open = cursor.execute(STATE, (result.claimed.endpoint.id.hex,)).fetchone()
    if is_deleted:
        return "dropped"
    if is_open:
        return "pending"
    cursor.execute("SELECT test FROM webhooks_delivery WHERE id = %s", (result.claimed.id.hex,))
    return "pending" if cursor.fetchone()[0] else "held"


def _attempted(result: Result, at: str) -> tuple[Any, ...]:
    claimed = result.claimed
    keys = (
        ORDERED_UUIDS.at(timezone.now()).hex,
        claimed.endpoint.organization_id.hex,
        claimed.id.hex,
        claimed.endpoint.id.hex,
    )
    times = (claimed.number, as_text(datetime.fromtimestamp(claimed.started_at, UTC)), at)
    texts = (to_json(result.timings_ms), to_json(result.request_headers), to_json(result.response_headers))
    outcome = (result.duration_ms, result.status_code, result.error, result.hint, result.address)
    return (*keys, *times, *outcome, *texts, result.response_body, result.truncated, result.url)


def release_expired(rows: int, lease_seconds: float) -> int:
    """Make up to ``rows`` deliveries with an expired lease due again and return their number."""
    with transaction.atomic(), connection.cursor() as cursor:
        now = as_text(timezone.now())
        expired = cursor.execute(EXPIRED, (now, rows)).fetchall()
        for key, owner, endpoint, number, lease_until in expired:
            started = as_text((from_text(lease_until) or timezone.now()) - timedelta(seconds=lease_seconds))
            record = (None, None, "shutdown", "lost", "", "{}", "{}", "[]", "", False, None)
            cursor.execute(
                ATTEMPTED, (ORDERED_UUIDS.at(timezone.now()).hex, owner, key, endpoint, number, started, now, *record)
            )
            cursor.execute(AGAIN, (now, key))
    return len(expired)


def next_due_in() -> float | None:
    """Return the seconds until the earliest pending delivery is due (0 or less: now), None without one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(next_attempt_at) FROM webhooks_delivery WHERE status = 'pending'")
        earliest = from_text(cursor.fetchone()[0])
    return None if earliest is None else (earliest - timezone.now()).total_seconds()
