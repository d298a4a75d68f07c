"""Claim and finish deliveries on PostgreSQL. Longer than 300 lines because this module has all SQL of the dialect."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from apps.base.rest.renderers import to_json
from apps.webhooks.engine.claims.due import due_endpoints
from apps.webhooks.engine.claims.rows import ClaimedDelivery, ClaimLimits, EndpointSnapshot, Result
from apps.webhooks.engine.sql import uuid7_sql

IS_FAILING = "e.failures_in_a_row >= %(failures)s"
MAX_IN_FLIGHT = f"CASE WHEN {IS_FAILING} THEN least(e.max_in_flight, %(failing_in_flight)s) ELSE e.max_in_flight END"
# Host and port as in ``target_of``; NULL for the test inbox.
AUTHORITY = "split_part(e.url, '/', 3)"
TARGET = f"""CASE WHEN {AUTHORITY} = '' THEN NULL WHEN {AUTHORITY} ~ ':[0-9]+$' THEN {AUTHORITY}
        WHEN starts_with(e.url, 'https:') THEN {AUTHORITY} || ':443' ELSE {AUTHORITY} || ':80' END"""
# Slow endpoints together get only a part of a claim, so that they cannot delay the others.
IS_SLOW = f"({IS_FAILING} OR e.id = ANY(%(slow)s::uuid[]))"
IN_FLIGHT = f"""in_flight AS MATERIALIZED (
    SELECT endpoint_id, organization_id, sending_to, count(*) AS n FROM webhooks_delivery
    WHERE status = 'sending' GROUP BY endpoint_id, organization_id, sending_to
), in_flight_by_endpoint AS MATERIALIZED (
    SELECT endpoint_id, sum(n) AS n FROM in_flight GROUP BY endpoint_id
), in_flight_by_target AS MATERIALIZED (
    SELECT in_flight.organization_id, sending_to, sum(n) AS n, coalesce(sum(n) FILTER (WHERE {IS_SLOW}), 0) AS slow_n
    FROM in_flight JOIN webhooks_endpoint e ON e.id = in_flight.endpoint_id WHERE sending_to IS NOT NULL
    GROUP BY in_flight.organization_id, sending_to
)"""  # noqa: S608 - only constants are put in
# NO KEY UPDATE, because inserting a delivery takes KEY SHARE on its endpoint and must not wait for a claim. Endpoints
# that another worker is claiming from are skipped. The order is random, so that no endpoint starves if more are ready
# than one claim takes.
LOCK_ENDPOINTS = f"""
WITH RECURSIVE {due_endpoints("statement_timestamp()")}, {IN_FLIGHT}, ready AS MATERIALIZED (
    SELECT e.id, {IS_SLOW} AS is_slow FROM webhooks_endpoint e
    WHERE e.id IN (SELECT endpoint_id FROM due)
        AND NOT EXISTS (SELECT 1 FROM in_flight_by_endpoint b WHERE b.endpoint_id = e.id AND b.n >= {MAX_IN_FLIGHT})
        AND NOT EXISTS (
            SELECT 1 FROM in_flight_by_target t WHERE t.organization_id = e.organization_id AND t.sending_to = {TARGET}
                AND (t.n >= %(target_in_flight)s OR {IS_SLOW} AND t.slow_n >= %(target_slow)s))
        AND (e.rate_limit_per_second IS NULL OR e.paced_until IS NULL
            OR e.paced_until <= statement_timestamp() + make_interval(secs => %(burst_seconds)s))
)
SELECT e.id, e.organization_id, e.url, e.headers, e.rate_limit_per_second,
    e.status = 'enabled' AND o.status = 'active' AND e.deleted_at IS NULL, {IS_FAILING},
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

# The cap of an organization is exact, because only one claim at a time counts and adds its deliveries in flight. The
# locks are taken in sorted order, and no other lock is waited for afterwards, so they cannot deadlock.
LOCK_ORGANIZATIONS = """
SELECT pg_advisory_xact_lock(hashtextextended('webhooks.claim.' || owner, 0)) FROM unnest(%s::text[]) AS owner
"""

# A publisher may have read an endpoint as open that was closed before the publisher's commit. The organization is
# locked, so that it cannot be resumed meanwhile; if another transaction has locked it, the next claim tries again.
HOLD_OR_DROP = """
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


def _first_due(is_retry: str, attempt_condition: str) -> str:
    """Return the SELECT of the deliveries that are due first for a row of ``capacity``: first attempts or retries.

    Only the two indexes for this query have the order NULLS FIRST (migration 0006), so that no plan can scan through
    deliveries to other endpoints.
    """
    return f"""SELECT id, {is_retry} AS is_retry, next_attempt_at FROM webhooks_delivery
         WHERE endpoint_id = capacity.id AND status = 'pending' AND attempt_count {attempt_condition}
            AND next_attempt_at <= statement_timestamp() AND (capacity.is_open OR test)
         ORDER BY next_attempt_at NULLS FIRST LIMIT capacity.slots"""  # noqa: S608 - only constants are put in


# A second statement, because its snapshot is taken after the locks and so includes what other workers just claimed.
CLAIM = f"""
WITH {IN_FLIGHT}, in_flight_by_organization AS MATERIALIZED (
    SELECT organization_id, sum(n) AS n FROM in_flight GROUP BY organization_id
), capacity AS MATERIALIZED (
    SELECT e.id, e.organization_id, e.rate_limit_per_second, e.id = ANY(%(open)s::uuid[]) AS is_open,
        {IS_SLOW} AS is_slow, {TARGET} AS target,
        greatest(0, least(%(share)s, least({MAX_IN_FLIGHT}, %(max_per_endpoint)s) - coalesce(f.n, 0),
            CASE WHEN e.rate_limit_per_second IS NULL THEN %(share)s ELSE 1 + floor(e.rate_limit_per_second
                * extract(epoch FROM statement_timestamp() + make_interval(secs => %(burst_seconds)s)
                    - greatest(e.paced_until, statement_timestamp()))) END))::int AS slots
    FROM webhooks_endpoint e LEFT JOIN in_flight_by_endpoint f ON f.endpoint_id = e.id
    WHERE e.id = ANY(%(endpoints)s::uuid[])
), ready AS MATERIALIZED (
    SELECT d.*, capacity.organization_id, capacity.is_slow, capacity.target,
        row_number() OVER (PARTITION BY capacity.id ORDER BY d.is_retry, d.next_attempt_at) AS endpoint_rank
    FROM capacity CROSS JOIN LATERAL (
        ({_first_due("0", "= 0")})
        UNION ALL
        ({_first_due("1", "> 0")})
        ORDER BY is_retry, next_attempt_at LIMIT capacity.slots
    ) d WHERE capacity.slots > 0
), ranked_by_speed AS MATERIALIZED (
    SELECT *, row_number() OVER (
        PARTITION BY organization_id, target, is_slow ORDER BY is_retry, endpoint_rank, next_attempt_at) AS slow_rank
    FROM ready
), within_target_cap AS MATERIALIZED (
    SELECT r.*, row_number() OVER (
            PARTITION BY r.organization_id, r.target ORDER BY is_retry, endpoint_rank, next_attempt_at
        ) + coalesce(t.n, 0) AS target_rank
    FROM ranked_by_speed r
        LEFT JOIN in_flight_by_target t ON t.organization_id = r.organization_id AND t.sending_to = r.target
    WHERE NOT is_slow OR target IS NULL OR slow_rank + coalesce(t.slow_n, 0) <= %(target_slow)s
), ranked_by_organization AS MATERIALIZED (
    SELECT r.*, row_number() OVER (
        PARTITION BY r.organization_id ORDER BY is_retry, endpoint_rank, next_attempt_at) + coalesce(b.n, 0) AS rank
    FROM within_target_cap r LEFT JOIN in_flight_by_organization b USING (organization_id)
    WHERE target IS NULL OR target_rank <= %(target_in_flight)s
), chosen AS MATERIALIZED (
    SELECT id FROM (
        SELECT *, row_number() OVER (
            PARTITION BY is_slow ORDER BY is_retry, endpoint_rank, next_attempt_at) AS speed_rank
        FROM ranked_by_organization WHERE rank <= %(organization_in_flight)s
    ) AS ranked WHERE NOT is_slow OR speed_rank <= %(slow_rows)s
    ORDER BY is_retry, endpoint_rank, next_attempt_at LIMIT %(rows)s
), claimed_delivery AS (
    UPDATE webhooks_delivery d
    SET status = 'sending', lease_token = %(token)s, attempt_count = attempt_count + 1, next_attempt_at = NULL,
        lease_until = statement_timestamp() + make_interval(secs => %(lease_seconds)s),
        sending_to = (SELECT capacity.target FROM capacity WHERE capacity.id = d.endpoint_id)
    WHERE id = ANY(ARRAY(SELECT id FROM chosen)) AND status = 'pending'
    RETURNING id, endpoint_id, event_id, attempt_count, uncounted_attempts, test
), rate_limited AS (
    UPDATE webhooks_endpoint e
    SET paced_until = greatest(e.paced_until, statement_timestamp())
        + make_interval(secs => s.n / e.rate_limit_per_second::float)
    FROM (SELECT endpoint_id, count(*) AS n FROM claimed_delivery GROUP BY endpoint_id) s
    WHERE e.id = s.endpoint_id AND e.rate_limit_per_second IS NOT NULL
)
SELECT id, attempt_count, uncounted_attempts, endpoint_id, event_id,
    (SELECT body FROM webhooks_event e WHERE e.id = event_id), test, extract(epoch FROM statement_timestamp())::float8
FROM claimed_delivery
"""  # noqa: S608

# Closed endpoints are locked FOR SHARE, as in publishing.py: otherwise a delivery could become held without the
# transaction that releases held deliveries seeing it. Each column is passed as one joined text, because passing arrays
# or JSON records takes longer than everything else.
FINISH = f"""
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(
        string_to_array(%(id)s, ',')::uuid[], string_to_array(%(token)s, ',')::uuid[],
        string_to_array(%(endpoint_id)s, ',')::uuid[],
        string_to_array(%(started_at)s, ',')::float8[], string_to_array(%(test)s, ',')::boolean[],
        string_to_array(%(truncated)s, ',')::boolean[], string_to_array(%(uncounted)s, ',')::int[],
        string_to_array(%(wait_seconds)s, ',', '')::float8[], string_to_array(%(duration_ms)s, ',', '')::float8[],
        string_to_array(%(status_code)s, ',', '')::int[],
        string_to_array(%(status)s, %(separator)s), string_to_array(%(reason)s, %(separator)s),
        string_to_array(%(error)s, %(separator)s), string_to_array(%(hint)s, %(separator)s),
        string_to_array(%(address)s, %(separator)s), string_to_array(%(timings_ms)s, %(separator)s),
        string_to_array(%(request_headers)s, %(separator)s), string_to_array(%(response_headers)s, %(separator)s),
        string_to_array(%(response_body)s, %(separator)s), string_to_array(%(url)s, %(separator)s)
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
    SELECT {uuid7_sql("(extract(epoch FROM clock_timestamp()) * 1000)::bigint")},
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
    SELECT {uuid7_sql("(extract(epoch FROM clock_timestamp()) * 1000)::bigint")}, organization_id, id, endpoint_id,
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


def claim(limits: ClaimLimits) -> list[ClaimedDelivery]:
    """Claim a fair share of due deliveries, in one short transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        # JIT compilation would take longer than the statement. A claim may be lost in a crash of the database: its
        # deliveries are then due at once instead of when the lease expires.
        cursor.execute("SET LOCAL jit = off; SET LOCAL synchronous_commit = off")
        cursor.execute(LOCK_ENDPOINTS, limits.as_values())
        endpoints = {row[0]: _snapshot(row) for row in cursor.fetchall()}
        if not endpoints:
            return []
        closed = [each.id for each in endpoints.values() if not each.is_open]
        if closed:
            cursor.execute(HOLD_OR_DROP, [closed])
        organizations = {each.organization_id for each in endpoints.values()}
        cursor.execute(LOCK_ORGANIZATIONS, [sorted(str(owner) for owner in organizations)])
        return _claim_deliveries(cursor, limits, endpoints)


def _snapshot(row: tuple[Any, ...]) -> EndpointSnapshot:
    key, organization, url, headers, rate, is_open, is_struggling, secrets = row
    keys = tuple((uuid.UUID(secret_id), sealed) for secret_id, sealed in secrets)
    return EndpointSnapshot(key, organization, url, headers, keys, rate, is_open, is_struggling)


def _claim_deliveries(
    cursor: Any, limits: ClaimLimits, endpoints: dict[uuid.UUID, EndpointSnapshot]
) -> list[ClaimedDelivery]:
    lease_token = uuid.uuid4()
    values = limits.as_values() | {
        "token": lease_token,
        "endpoints": list(endpoints),
        "open": [each.id for each in endpoints.values() if each.is_open],
        "share": limits.share(len(endpoints)),
        "max_per_endpoint": limits.max_per_endpoint,
    }
    cursor.execute(CLAIM, values)
    return [
        ClaimedDelivery(delivery, lease_token, number, uncounted, event, body, test, started_at, endpoints[endpoint])
        for delivery, number, uncounted, endpoint, event, body, test, started_at in cursor.fetchall()
    ]


def finish(results: list[Result]) -> set[uuid.UUID]:
    """Record the results in one statement and return the ids of the deliveries whose lease token still matched."""
    with connection.cursor() as cursor:
        cursor.execute(FINISH, _columns(results))
        return {row[0] for row in cursor.fetchall()}


def _columns(results: list[Result]) -> dict[str, str]:
    """Return each column as one text, joined by a random separator that no value contains."""
    separator = f"|{uuid.uuid4().hex}|"

    def numbers(name: str) -> str:
        return ",".join(["" if (value := getattr(each, name)) is None else str(value) for each in results])

    def texts(values: Iterable[str]) -> str:
        # An empty value is added, because PostgreSQL would parse a single empty value as no value.
        return separator.join([*values, ""])

    text_columns = ("status", "reason", "error", "hint", "address", "response_body", "url")
    json_columns = ("timings_ms", "request_headers", "response_headers")
    return {
        "separator": separator,
        "id": ",".join([each.claimed.id.hex for each in results]),
        "token": ",".join([each.claimed.lease_token.hex for each in results]),
        "endpoint_id": ",".join([each.claimed.endpoint.id.hex for each in results]),
        "started_at": ",".join([repr(each.claimed.started_at) for each in results]),
        "test": ",".join([str(each.claimed.test) for each in results]),
        **{name: numbers(name) for name in ("truncated", "uncounted", "wait_seconds", "duration_ms", "status_code")},
        **{name: texts(getattr(each, name) for each in results) for name in text_columns},
        **{name: texts(to_json(getattr(each, name)) for each in results) for name in json_columns},
    }


def release_expired(rows: int, lease_seconds: float) -> int:
    """Make up to ``rows`` deliveries with an expired lease due again and return their number."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE_EXPIRED, {"rows": rows, "lease_seconds": lease_seconds})
        return int(cursor.rowcount)


def next_due_in() -> float | None:
    """Return the seconds until the earliest pending delivery is due (0 or less: now), or None if none is pending."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        seconds: float | None = cursor.fetchone()[0]
        return seconds
