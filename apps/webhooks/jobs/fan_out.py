"""Create the remaining deliveries of events that match very many endpoints, in batches.

The deliveries of a batch are created in the transaction that deletes the batch, so each batch is processed exactly once
even if a worker dies, and several workers process different batches. Deliveries to endpoints that were paused or
disabled since the event are held, and those to deleted endpoints are dropped.
"""

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from apps.base.identifiers import uuid_at
from apps.webhooks.engine import wakeup
from apps.webhooks.engine.crash_points import CRASH_AT, crash
from apps.webhooks.engine.sql import from_sqlite_time, sqlite_time, uuid7_sql

# The maximum per run, so that other periodic jobs are not delayed.
MAX_BATCHES = 200

# Closed endpoints are locked for the reason given in publishing.py.
POSTGRESQL = f"""
WITH batch AS MATERIALIZED (
    SELECT b.id, b.organization_id, b.endpoint_ids, b.size, e.id AS event_id, e.type, e.created_at
    FROM webhooks_fanoutbatch b JOIN webhooks_event e ON e.id = b.event_id
    ORDER BY b.id LIMIT 1 FOR UPDATE OF b SKIP LOCKED
), matched AS MATERIALIZED (
    SELECT e.id, e.deleted_at IS NULL AND e.status = 'enabled' AND o.status = 'active' AS is_open
    FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
    WHERE e.id = ANY(ARRAY(SELECT jsonb_array_elements_text(endpoint_ids)::uuid FROM batch))
), closed AS MATERIALIZED (
    SELECT e.id, e.deleted_at IS NOT NULL AS is_deleted, e.status = 'enabled' AND o.status = 'active' AS is_open
    FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
    WHERE e.id IN (SELECT id FROM matched WHERE NOT is_open)
    FOR SHARE
), target AS MATERIALIZED (
    SELECT id, 'pending' AS status FROM matched WHERE is_open
    UNION ALL
    SELECT id, CASE WHEN is_deleted THEN 'dropped' WHEN is_open THEN 'pending' ELSE 'held' END FROM closed
), delivery AS (
    INSERT INTO webhooks_delivery
        (id, organization_id, endpoint_id, event_id, event_type, status, test, created_at, attempt_count,
         uncounted_attempts, next_attempt_at, next_attempt_reason, last_error, finished_at)
    SELECT {uuid7_sql("(extract(epoch FROM batch.created_at) * 1000)::bigint")}, batch.organization_id, target.id,
        batch.event_id, batch.type, target.status, false, batch.created_at, 0, 0,
        CASE WHEN target.status = 'pending' THEN statement_timestamp() END, '', '',
        CASE WHEN target.status = 'dropped' THEN statement_timestamp() END
    FROM target CROSS JOIN batch
)
DELETE FROM webhooks_fanoutbatch WHERE id IN (SELECT id FROM batch) RETURNING size
"""  # noqa: S608 - only constants are put in

SQLITE_BATCH = """
SELECT b.id, b.organization_id, b.endpoint_ids, b.size, e.id, e.type, e.created_at
FROM webhooks_fanoutbatch b JOIN webhooks_event e ON e.id = b.event_id ORDER BY b.id LIMIT 1
"""
SQLITE_STATES = """
SELECT e.id, CASE WHEN e.deleted_at IS NOT NULL THEN 'dropped'
    WHEN e.status = 'enabled' AND o.status = 'active' THEN 'pending' ELSE 'held' END
FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
WHERE e.id IN (SELECT replace(value, '-', '') FROM json_each(%s))
"""
SQLITE_DELIVERY = """
INSERT INTO webhooks_delivery
    (id, organization_id, endpoint_id, event_id, event_type, status, test, created_at, attempt_count,
     uncounted_attempts, next_attempt_at, next_attempt_reason, last_error, finished_at)
VALUES (%s, %s, %s, %s, %s, %s, false, %s, 0, 0, %s, '', '', %s)
"""


# The periodic job webhooks.finish_fan_outs (apps.py).
def finish_fan_outs() -> int:
    """Create the remaining deliveries of large fan-outs and return their number."""
    created = 0
    for _batch in range(MAX_BATCHES):
        with transaction.atomic():
            size = _finish[connection.vendor]()
            if size:
                transaction.on_commit(wakeup.notify_workers)
        if not size:
            break
        created += size
        if CRASH_AT == "after_fan_out_batch":
            crash()
    return created


def _finish_postgresql() -> int:
    with connection.cursor() as cursor:
        cursor.execute(POSTGRESQL)
        row = cursor.fetchone()
    return row[0] if row else 0


def _finish_sqlite() -> int:
    """Use several statements; no other writer can run during this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(SQLITE_BATCH)
        batch = cursor.fetchone()
        if batch is None:
            return 0
        key, organization, endpoint_ids, size, event_id, event_type, created_at = batch
        accepted_at, now = from_sqlite_time(created_at) or timezone.now(), sqlite_time(timezone.now())
        cursor.execute(SQLITE_STATES, [endpoint_ids])
        cursor.executemany(
            SQLITE_DELIVERY,
            [
                (uuid_at(accepted_at).hex, organization, endpoint, event_id, event_type, status,
                 sqlite_time(accepted_at), now if status == "pending" else None,
                 now if status == "dropped" else None)
                for endpoint, status in cursor.fetchall()
            ],
        )  # fmt: skip
        cursor.execute("DELETE FROM webhooks_fanoutbatch WHERE id = %s", [key])
    created: int = size
    return created


_finish: dict[str, Any] = {"postgresql": _finish_postgresql, "sqlite": _finish_sqlite}
