"""Claiming and finishing on PostgreSQL. Longer than 300 lines because one module has the whole dialect."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from apps.base.rest.renderers import to_json
from apps.webhooks.engine.claims.due import due_endpoints
from apps.webhooks.engine.claims.rows import ClaimedDelivery, EndpointSnapshot, Limits, Result
from apps.webhooks.engine.sql import uuid7_from

# Slow endpoints get only part of a claim, so that the rest is left to the others.
FAILS = "e.failures_in_a_row >= %(failures)s"
MOST = f"CASE WHEN {FAILS} THEN least(e.max_in_flight, %(failing_in_flight)s) ELSE e.max_in_flight END"
# Host and port as in ``target_of``; NULL for the test inbox.
AUTHORITY = "split_part(e.url, '/', 3)"
TARGET = f"""CASE WHEN {AUTHORITY} = '' THEN NULL WHEN {AUTHORITY} ~ ':[0-9]+$' THEN {AUTHORITY}
        WHEN starts_with(e.url, 'https:') THEN {AUTHORITY} || ':443' ELSE {AUTHORITY} || ':80' END"""
IS_SLOW = f"({FAILS} OR e.id = ANY(%(slow)s::uuid[]))"
BUSY = f"""busy AS MATERIALIZED (
    SELECT endpoint_id, organization_id, sending_to, count(*) AS n FROM webhooks_delivery
    WHERE status = 'sending' GROUP BY endpoint_id, organization_id, sending_to
), busy_endpoint AS MATERIALIZED (
    SELECT endpoint_id, sum(n) AS n FROM busy GROUP BY endpoint_id
), busy_target AS MATERIALIZED (
    SELECT busy.organization_id, sending_to, sum(n) AS n, coalesce(sum(n) FILTER (WHERE {IS_SLOW}), 0) AS slow_n
    FROM busy JOIN webhooks_endpoint e ON e.id = busy.endpoint_id WHERE sending_to IS NOT NULL
    GROUP BY busy.organization_id, sending_to
)"""  # noqa: S608 - only constants are put in
# NO KEY UPDATE: inserting a delivery takes KEY SHARE on its endpoint and must not wait for a claim. Endpoints that
# another worker is claiming from are skipped. Random order: with more ready endpoints than one claim takes, each
# gets its turn soon.
LOCK = f"""
WITH RECURSIVE {due_endpoints("statement_timestamp()")}, {BUSY}, ready AS MATERIALIZED (
    SELECT e.id, {IS_SLOW} AS is_slow FROM webhooks_endpoint e
    WHERE e.id IN (SELECT endpoint_id FROM due)
        AND NOT EXISTS (SELECT 1 FROM busy_endpoint b WHERE b.endpoint_id = e.id AND b.n >= {MOST})
        AND NOT EXISTS (
            SELECT 1 FROM busy_target t WHERE t.organization_id = e.organization_id AND t.sending_to = {TARGET}
                AND (t.n >= %(target_in_flight)s OR {IS_SLOW} AND t.slow_n >= %(target_slow)s))
        AND (e.rate_limit_per_second IS NULL OR e.paced_until IS NULL
            OR e.paced_until <= statement_timestamp() + make_interval(secs => %(burst_seconds)s))
)
SELECT e.id, e.organization_id, e.url, e.headers, e.rate_limit_per_second,
    e.status = 'enabled' AND o.status = 'active' AND e.deleted_at IS NULL, {FAILS},
    ARRAY(
        SELECT ARRAY[s.id::text, s.secret] FROM webhooks_endpointsecret s
        WHERE s.endpoint_id = e.id AND (s.expires_at IS NULL OR s.expires_at > statement_timestamp())
        ORDER BY s.created_at DESC, s.id DESC
    )
FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
WHERE e.id = ANY(ARRAY(
    SELECT id FROM ready WHERE NOT is_slow
    UNION ALL (SELECT id FROM ready WHERE is_slow ORDER BY random() LIMIT %(slow_rows)s)))
ORDER BY random() LIMIT %(rows)s
FOR NO KEY UPDATE OF e SKIP LOCKED
"""  # noqa: S608 - only constants are put in

# The cap of an organization is exact: one claim at a time counts what an organization has in flight and takes more.
# Locked in the same order, and no one waits for another lock while holding these.
LOCK_OWNERS = """
SELECT pg_advisory_xact_lock(hashtextextended('webhooks.claim.' || owner, 0)) FROM unnest(%s::text[]) AS owner
"""

# A publisher can have read an endpoint as open that was closed before its commit. The organization is locked so that it
# cannot be resumed meanwhile; if it is being changed right now, the next claim tries again.
SETTLE = """
WITH closed AS MATERIALIZED (
    SELECT e.id, e.deleted_at FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
    WHERE e.id = ANY(%s) AND (e.status <> 'enabled' OR o.status <> 'active' OR e.deleted_at IS NOT NULL)
    FOR SHARE OF o SKIP LOCKED
)
UPDATE webhooks_delivery d
SET status = CASE WHEN closed.deleted_at IS NULL THEN 'held' ELSE 'dropped' END, next_attempt_at = NULL,
    finished_at = CASE WHEN closed.deleted_at IS NOT NULL THEN statement_timestamp() END
FROM closed WHERE d.endpoint_id = closed.id AND d.status = 'pending'
    AND (NOT d.test OR closed.deleted_at IS NOT NULL)
"""


def _first_due(again: str, tries: str) -> str:
    """Return the SELECT of the rows of ``room`` that are due first, first tries or retries.

    Only the indexes made for this have the order NULLS FIRST (migration 0002): no plan can walk through what waits for
    other endpoints.
    """
    return f"""SELECT id, {again} AS again, next_attempt_at FROM webhooks_delivery
         WHERE endpoint_id = room.id AND status = 'pending' AND attempt_count {tries}
            AND next_attempt_at <= statement_timestamp() AND (room.is_open OR test)
         ORDER BY next_attempt_at NULLS FIRST LIMIT room.places"""  # noqa: S608 - only constants are put in


# A second statement, because its snapshot is taken after the locks: it counts what another worker has just claimed.
TAKE = f"""
WITH {BUSY}, busy_organization AS MATERIALIZED (
    SELECT organization_id, sum(n) AS n FROM busy GROUP BY organization_id
), room AS MATERIALIZED (
    SELECT e.id, e.organization_id, e.rate_limit_per_second, e.id = ANY(%(open)s::uuid[]) AS is_open,
        {IS_SLOW} AS is_slow, {TARGET} AS target,
        greatest(0, least(%(share)s, least({MOST}, %(most_of_one)s) - coalesce(busy.n, 0),
            CASE WHEN e.rate_limit_per_second IS NULL THEN %(share)s ELSE 1 + floor(e.rate_limit_per_second
                * extract(epoch FROM statement_timestamp() + make_interval(secs => %(burst_seconds)s)
                    - greatest(e.paced_until, statement_timestamp()))) END))::int AS places
    FROM webhooks_endpoint e LEFT JOIN busy_endpoint busy ON busy.endpoint_id = e.id
    WHERE e.id = ANY(%(endpoints)s::uuid[])
), ready AS MATERIALIZED (
    SELECT d.*, room.organization_id, room.is_slow, room.target,
        row_number() OVER (PARTITION BY room.id ORDER BY d.again, d.next_attempt_at) AS place
    FROM room CROSS JOIN LATERAL (
        ({_first_due("0", "= 0")})
        UNION ALL
        ({_first_due("1", "> 0")})
        ORDER BY again, next_attempt_at LIMIT room.places
    ) d WHERE room.places > 0
), of_speed AS MATERIALIZED (
    SELECT *, row_number() OVER (
        PARTITION BY organization_id, target, is_slow ORDER BY again, place, next_attempt_at) AS slow_rank
    FROM ready
), of_target AS MATERIALIZED (
    SELECT r.*, row_number() OVER (
            PARTITION BY r.organization_id, r.target ORDER BY again, place, next_attempt_at
        ) + coalesce(t.n, 0) AS target_rank
    FROM of_speed r LEFT JOIN busy_target t ON t.organization_id = r.organization_id AND t.sending_to = r.target
    WHERE NOT is_slow OR target IS NULL OR slow_rank + coalesce(t.slow_n, 0) <= %(target_slow)s
), capped AS MATERIALIZED (
    SELECT r.*, row_number() OVER (
        PARTITION BY r.organization_id ORDER BY again, place, next_attempt_at) + coalesce(b.n, 0) AS rank
    FROM of_target r LEFT JOIN busy_organization b USING (organization_id)
    WHERE target IS NULL OR target_rank <= %(target_in_flight)s
), chosen AS MATERIALIZED (
    SELECT id FROM (
        SELECT *, row_number() OVER (PARTITION BY is_slow ORDER BY again, place, next_attempt_at) AS turn
        FROM capped WHERE rank <= %(organization_in_flight)s
    ) AS within WHERE NOT is_slow OR turn <= %(slow_rows)s
    ORDER BY again, place, next_attempt_at LIMIT %(rows)s
), stamped AS (
    UPDATE webhooks_delivery d
    SET status = 'sending', lease_token = %(token)s, attempt_count = attempt_count + 1, next_attempt_at = NULL,
        lease_until = statement_timestamp() + make_interval(secs => %(lease_seconds)s),
        sending_to = (SELECT room.target FROM room WHERE room.id = d.endpoint_id)
    WHERE id = ANY(ARRAY(SELECT id FROM chosen)) AND status = 'pending'
    RETURNING id, endpoint_id, event_id, attempt_count, uncounted_attempts, test
), paced AS (
    UPDATE webhooks_endpoint e
    SET paced_until = greatest(e.paced_until, statement_timestamp())
        + make_interval(secs => s.n / e.rate_limit_per_second::float)
    FROM (SELECT endpoint_id, count(*) AS n FROM stamped GROUP BY endpoint_id) s
    WHERE e.id = s.endpoint_id AND e.rate_limit_per_second IS NOT NULL
)
SELECT id, attempt_count, uncounted_attempts, endpoint_id, event_id,
    (SELECT body FROM webhooks_event e WHERE e.id = event_id), test, extract(epoch FROM statement_timestamp())::float8
FROM stamped
"""  # noqa: S608

# FOR SHARE on what is closed, for the reason given in publishing.py: no row must become held unseen by a transaction
# that releases held rows. The columns come as joined texts: the driver's arrays and JSON records cost more than all the
# rest.
FINISH = f"""
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(
        string_to_array(%(id)s, ',')::uuid[], string_to_array(%(token)s, ',')::uuid[],
        string_to_array(%(endpoint_id)s, ',')::uuid[],
        string_to_array(%(started_at)s, ',')::float8[], string_to_array(%(test)s, ',')::boolean[],
        string_to_array(%(truncated)s, ',')::boolean[], string_to_array(%(uncounted)s, ',')::int[],
        string_to_array(%(wait_seconds)s, ',', '')::float8[], string_to_array(%(duration_ms)s, ',', '')::float8[],
        string_to_array(%(status_code)s, ',', '')::int[],
        string_to_array(%(status)s, %(joint)s), string_to_array(%(reason)s, %(joint)s),
        string_to_array(%(error)s, %(joint)s), string_to_array(%(hint)s, %(joint)s),
        string_to_array(%(address)s, %(joint)s), string_to_array(%(timings_ms)s, %(joint)s),
        string_to_array(%(request_headers)s, %(joint)s), string_to_array(%(response_headers)s, %(joint)s),
        string_to_array(%(response_body)s, %(joint)s), string_to_array(%(url)s, %(joint)s)
    ) AS r(id, token, endpoint_id, started_at, test, truncated, uncounted, wait_seconds, duration_ms,
        status_code, status, reason, error, hint, address, timings_ms, request_headers, response_headers,
        response_body, url)
    WHERE id IS NOT NULL
), closed AS MATERIALIZED (
    SELECT e.id, e.deleted_at, e.status = 'enabled' AND o.status = 'active' AS is_open
    FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
    WHERE e.id IN (
        SELECT e.id FROM r JOIN webhooks_endpoint e ON e.id = r.endpoint_id
            JOIN orgs_organization o ON o.id = e.organization_id
        WHERE r.status = 'pending' AND (e.status <> 'enabled' OR o.status <> 'active' OR e.deleted_at IS NOT NULL))
    FOR SHARE
), next AS MATERIALIZED (
    SELECT r.id, r.token, CASE WHEN r.status <> 'pending' OR c.id IS NULL THEN r.status
        WHEN c.deleted_at IS NOT NULL THEN 'dropped' WHEN c.is_open OR r.test THEN 'pending' ELSE 'held' END AS status,
        r.wait_seconds, r.reason, r.uncounted, r.status_code, r.error
    FROM r LEFT JOIN closed c ON c.id = r.endpoint_id
), finished AS (
    UPDATE webhooks_delivery d
    SET status = next.status, next_attempt_reason = next.reason, last_status_code = next.status_code,
        last_error = next.error, uncounted_attempts = d.uncounted_attempts + next.uncounted,
        next_attempt_at = CASE WHEN next.status = 'pending'
            THEN statement_timestamp() + make_interval(secs => next.wait_seconds) END,
        finished_at = CASE WHEN next.status IN ('succeeded', 'exhausted', 'dropped') THEN statement_timestamp() END,
        lease_token = NULL, lease_until = NULL, sending_to = NULL
    FROM next WHERE d.id = ANY(string_to_array(%(id)s, ',')::uuid[]) AND d.id = next.id
        AND d.lease_token = next.token AND d.status = 'sending'
    RETURNING d.id, d.organization_id, d.attempt_count
), attempted AS (
    INSERT INTO webhooks_attempt
        (id, organization_id, delivery_id, endpoint_id, number, started_at, finished_at, duration_ms, status_code,
         error, hint, address, timings_ms, request_headers, response_headers, response_body, truncated, url)
    SELECT {uuid7_from("(extract(epoch FROM clock_timestamp()) * 1000)::bigint")},
        finished.organization_id, r.id, r.endpoint_id, finished.attempt_count,
        to_timestamp(r.started_at), statement_timestamp(), r.duration_ms, r.status_code, r.error, r.hint, r.address,
        r.timings_ms::jsonb, r.request_headers::jsonb, r.response_headers::jsonb, r.response_body, r.truncated,
        r.url
    FROM r JOIN finished USING (id)
)
SELECT id FROM finished
"""  # noqa: S608

RELEASE_EXPIRED = f"""
WITH expired AS MATERIALIZED (
    SELECT id, organization_id, endpoint_id, attempt_count, lease_until FROM webhooks_delivery
    WHERE status = 'sending' AND lease_until < statement_timestamp()
    ORDER BY lease_until LIMIT %(rows)s FOR UPDATE SKIP LOCKED
), attempted AS (
    INSERT INTO webhooks_attempt
        (id, organization_id, delivery_id, endpoint_id, number, started_at, finished_at, error, hint, address,
         timings_ms, request_headers, response_headers, response_body, truncated)
    SELECT {uuid7_from("(extract(epoch FROM clock_timestamp()) * 1000)::bigint")}, organization_id, id, endpoint_id,
        attempt_count, lease_until - make_interval(secs => %(lease_seconds)s), statement_timestamp(), 'shutdown',
        'lost', '', '{{}}', '{{}}', '[]', '', false
    FROM expired
)
UPDATE webhooks_delivery d
SET status = 'pending', next_attempt_at = statement_timestamp(), next_attempt_reason = 'lost', last_error = 'shutdown',
    last_status_code = NULL, uncounted_attempts = d.uncounted_attempts + 1, lease_token = NULL, lease_until = NULL,
    sending_to = NULL
FROM expired WHERE d.id = expired.id
"""  # noqa: S608

NEXT_DUE = """
SELECT extract(epoch FROM min(next_attempt_at) - statement_timestamp())::float8
FROM webhooks_delivery WHERE status = 'pending'
"""


def claim(limits: Limits) -> list[ClaimedDelivery]:
    """Claim a fair share of due deliveries, in one short transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Compiling a plan would take longer than running it. A claim need not survive a crash of the database: the
        # deliveries are then due at once instead of when the lease expires.
        cursor.execute("SET LOCAL jit = off; SET LOCAL synchronous_commit = off")
        cursor.execute(LOCK, limits.as_values())
        endpoints = {row[0]: _snapshot(row) for row in cursor.fetchall()}
        if not endpoints:
            return []
        closed = [each.id for each in endpoints.values() if not each.is_open]
        if closed:
            cursor.execute(SETTLE, [closed])
        owners = {each.organization_id for each in endpoints.values()}
        cursor.execute(LOCK_OWNERS, [sorted(str(owner) for owner in owners)])
        return _take(cursor, limits, endpoints)


def _snapshot(row: tuple[Any, ...]) -> EndpointSnapshot:
    key, organization, url, headers, rate, is_open, is_failing, secrets = row
    keys = tuple((uuid.UUID(secret_id), sealed) for secret_id, sealed in secrets)
    return EndpointSnapshot(key, organization, url, headers, keys, rate, is_open, is_failing)


def _take(cursor: Any, limits: Limits, endpoints: dict[uuid.UUID, EndpointSnapshot]) -> list[ClaimedDelivery]:
    lease_token = uuid.uuid4()
    values = limits.as_values() | {
        "token": lease_token,
        "endpoints": list(endpoints),
        "open": [each.id for each in endpoints.values() if each.is_open],
        "share": limits.share(len(endpoints)),
        "most_of_one": limits.most_of_one,
    }
    cursor.execute(TAKE, values)
    return [
        ClaimedDelivery(delivery, lease_token, number, uncounted, event, body, test, started_at, endpoints[endpoint])
        for delivery, number, uncounted, endpoint, event, body, test, started_at in cursor.fetchall()
    ]


def finish(results: list[Result]) -> set[uuid.UUID]:
    """Record the results in one statement and return the deliveries that were still ours."""
    with connection.cursor() as cursor:
        cursor.execute(FINISH, _columns(results))
        return {row[0] for row in cursor.fetchall()}


def _columns(results: list[Result]) -> dict[str, str]:
    """Return each column as one text. The separator is random, so no value can contain it."""
    joint = f"|{uuid.uuid4().hex}|"

    def numbers(name: str) -> str:
        return ",".join(["" if (value := getattr(each, name)) is None else str(value) for each in results])

    def texts(values: Iterable[str]) -> str:
        # Plus an empty one: a single empty value would be parsed as no value.
        return joint.join([*values, ""])

    plain = ("status", "reason", "error", "hint", "address", "response_body", "url")
    written = ("timings_ms", "request_headers", "response_headers")
    return {
        "joint": joint,
        "id": ",".join([each.claimed.id.hex for each in results]),
        "token": ",".join([each.claimed.lease_token.hex for each in results]),
        "endpoint_id": ",".join([each.claimed.endpoint.id.hex for each in results]),
        "started_at": ",".join([repr(each.claimed.started_at) for each in results]),
        "test": ",".join([str(each.claimed.test) for each in results]),
        **{name: numbers(name) for name in ("truncated", "uncounted", "wait_seconds", "duration_ms", "status_code")},
        **{name: texts(getattr(each, name) for each in results) for name in plain},
        **{name: texts(to_json(getattr(each, name)) for each in results) for name in written},
    }


def release_expired(rows: int, lease_seconds: float) -> int:
    """Make up to ``rows`` deliveries with an expired lease due again and return their number."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE_EXPIRED, {"rows": rows, "lease_seconds": lease_seconds})
        return int(cursor.rowcount)


def next_due_in() -> float | None:
    """Return the seconds until the earliest pending delivery is due (0 or less: now), None without one."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        seconds: float | None = cursor.fetchone()[0]
        return seconds
