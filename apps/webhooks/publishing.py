"""Publish events: store an event together with its deliveries, in one statement.

If an event matches more than MAX_DELIVERIES_PER_BATCH endpoints, the first deliveries are created at once. The other
endpoints are stored in batches, which workers turn into deliveries (jobs/fan_out.py).

An event matches subscriptions of its organization with its type, ``prefix.*`` or ``*``. Deliveries to an endpoint that
is paused or disabled, or of a suspended organization, are ``held``.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.base.errors import Conflict
from apps.base.identifiers import uuid_at
from apps.base.rest.renderers import to_json
from apps.base.timestamps import format_timestamp_ms
from apps.webhooks.engine import wakeup
from apps.webhooks.engine.crash_points import CRASH_AT, crash
from apps.webhooks.engine.sql import prepared_cursor, sqlite_time, uuid7_sql
from apps.webhooks.models import Event
from apps.webhooks.types.catalogue import patterns_for

# The number of deliveries that are created during the request, and from each later batch.
MAX_DELIVERIES_PER_BATCH = 500


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """A stored event; ``repeated`` if its client id was used before."""

    event_id: uuid.UUID
    type: str
    created_at: datetime
    deliveries: int
    repeated: bool = False


def publish(
    *,
    organization_id: uuid.UUID,
    event_type: str,
    data: Any,
    publisher: str = "portal",
    client_id: str | None = None,
    test: bool = False,
    created_at: datetime | None = None,
) -> PublishedEvent:
    """Store the event and one delivery for each matching endpoint, in the caller's transaction or a new one.

    If the organization and publisher used the ``client_id`` before, return the first event, or raise Conflict on ``id``
    if its type or data differ. Workers are notified after the commit. Events with ``test`` match no endpoint, as the
    caller creates the only delivery.
    """
    accepted_at = created_at or timezone.now()
    row: dict[str, Any] = {
        "id": uuid_at(accepted_at),
        "organization": organization_id,
        "type": event_type,
        "body": make_body(event_type, accepted_at, data),
        "test": test,
        "publisher": publisher,
        "client_id": client_id,
        "content_digest": None if client_id is None else content_digest(event_type, data),
        "created_at": accepted_at,
        "milliseconds": int(accepted_at.timestamp() * 1000),
        "patterns": [] if test else patterns_for(event_type),
        "batch_size": MAX_DELIVERIES_PER_BATCH,
    }
    with _transaction():
        stored, deliveries = _store_by_vendor[connection.vendor](row)
        if CRASH_AT == "after_accept_before_commit":
            crash()
        if not stored:
            first = _find_by_client_id(row)
            if first is None:
                # Retention has deleted the first event since the insert, so the id can be used again.
                return publish(
                    organization_id=organization_id, event_type=event_type, data=data, publisher=publisher,
                    client_id=client_id, test=test, created_at=created_at,
                )  # fmt: skip
            return _repeated_event(first, event_type, data)
        if deliveries:
            transaction.on_commit(_notify_workers)
    return PublishedEvent(row["id"], event_type, accepted_at, deliveries)


def publish_batch(events: Iterable[Mapping[str, Any]]) -> list[PublishedEvent]:
    """Publish all events, or none if one cannot be stored; each mapping has the arguments of ``publish``."""
    with transaction.atomic():
        return [_publish_one(index, event) for index, event in enumerate(events)]


def _publish_one(index: int, event: Mapping[str, Any]) -> PublishedEvent:
    try:
        return publish(**event)
    except Conflict as refused:
        name = f"events.{index}.id"
        raise Conflict(f"{name}: {refused.message}", fields={name: [refused.message]}) from None


def make_body(event_type: str, created_at: datetime, data: Any) -> str:
    """Return the exact body that endpoints receive."""
    return to_json({"type": event_type, "timestamp": format_timestamp_ms(created_at), "data": data})


def _transaction() -> AbstractContextManager[Any]:
    """Return a transaction, or a null context on PostgreSQL, where the single statement is atomic and faster alone."""
    is_single_statement = connection.vendor == "postgresql" and not connection.in_atomic_block
    return nullcontext() if is_single_statement and CRASH_AT != "after_accept_before_commit" else transaction.atomic()


def _notify_workers() -> None:
    wakeup.notify_workers()
    if CRASH_AT == "after_commit_before_answer":
        crash()


def _find_by_client_id(row: dict[str, Any]) -> Event | None:
    """Return the event that was stored with the same client id."""
    owner = {"organization_id": row["organization"], "publisher": row["publisher"]}
    return Event.objects.filter(**owner, client_id=row["client_id"]).first()


def _repeated_event(first: Event, event_type: str, data: Any) -> PublishedEvent:
    """Return the first event, or raise Conflict if its type or data differ."""
    if not has_same_content(first, event_type, data):
        message = _("An event with this id was accepted before, with another type or other data.")
        raise Conflict(message, fields={"id": [message]})
    return PublishedEvent(first.pk, first.type, first.created_at.astimezone(UTC), first.match_count, repeated=True)


# An endpoint is open if it is enabled and its organization is active. Rows of closed endpoints are locked: enabling an
# endpoint or resuming an organization first updates that row, so it waits for this transaction and then also releases
# the deliveries that were held here. If this statement had to wait, it reads the row again. Open endpoints are not
# locked: if one is closed meanwhile, the next claim holds its deliveries.
POSTGRESQL = f"""
WITH matched AS MATERIALIZED (
    SELECT e.id, e.status = 'enabled' AND o.status = 'active' AS is_open
    FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
    WHERE e.deleted_at IS NULL AND e.id IN (
        SELECT endpoint_id FROM webhooks_subscription
        WHERE organization_id = %(organization)s AND pattern = ANY(%(patterns)s::text[])
    )
), closed AS MATERIALIZED (
    SELECT e.id, e.status = 'enabled' AND o.status = 'active' AS is_open, e.deleted_at
    FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
    WHERE e.id IN (SELECT id FROM matched WHERE NOT is_open)
    FOR SHARE
), target AS MATERIALIZED (
    SELECT id, is_open FROM matched WHERE is_open
    UNION ALL SELECT id, is_open FROM closed WHERE deleted_at IS NULL
), numbered AS MATERIALIZED (
    SELECT id, is_open, (row_number() OVER (ORDER BY id) - 1) / %(batch_size)s AS batch FROM target
), event AS (
    INSERT INTO webhooks_event
        (id, organization_id, type, body, test, publisher, client_id, content_digest, match_count, created_at)
    SELECT %(id)s, %(organization)s, %(type)s, %(body)s, %(test)s, %(publisher)s, %(client_id)s, %(content_digest)s,
        (SELECT count(*) FROM target), %(created_at)s
    ON CONFLICT (organization_id, publisher, client_id) DO NOTHING
    RETURNING id, match_count
), delivery AS (
    INSERT INTO webhooks_delivery
        (id, organization_id, endpoint_id, event_id, event_type, status, test, created_at, attempt_count,
         uncounted_attempts, next_attempt_at, next_attempt_reason, last_error)
    SELECT {uuid7_sql("%(milliseconds)s::bigint")}, %(organization)s, numbered.id, event.id, %(type)s,
        CASE WHEN numbered.is_open THEN 'pending' ELSE 'held' END, false, %(created_at)s, 0, 0,
        CASE WHEN numbered.is_open THEN statement_timestamp() END, '', ''
    FROM numbered CROSS JOIN event WHERE batch = 0
), fan_out_batch AS (
    INSERT INTO webhooks_fanoutbatch (id, organization_id, event_id, endpoint_ids, size)
    SELECT {uuid7_sql("%(milliseconds)s::bigint")}, %(organization)s, event.id, jsonb_agg(numbered.id), count(*)
    FROM numbered CROSS JOIN event WHERE batch > 0 GROUP BY batch, event.id
)
SELECT count(*), coalesce(max(match_count), 0) FROM event
"""  # noqa: S608 - only constants are put in

SQLITE_EVENT = """
INSERT INTO webhooks_event
    (id, organization_id, type, body, test, publisher, client_id, content_digest, match_count, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (organization_id, publisher, client_id) DO NOTHING
"""
SQLITE_TARGETS = """
SELECT e.id, e.status = 'enabled' AND o.status = 'active'
FROM webhooks_endpoint e JOIN orgs_organization o ON o.id = e.organization_id
WHERE e.deleted_at IS NULL AND e.id IN (
    SELECT endpoint_id FROM webhooks_subscription WHERE organization_id = %s AND pattern IN ({marks})
) ORDER BY e.id
"""
SQLITE_DELIVERY = """
INSERT INTO webhooks_delivery
    (id, organization_id, endpoint_id, event_id, event_type, status, test, created_at, attempt_count,
     uncounted_attempts, next_attempt_at, next_attempt_reason, last_error)
VALUES (%s, %s, %s, %s, %s, %s, false, %s, 0, 0, %s, '', '')
"""
SQLITE_BATCH = """
INSERT INTO webhooks_fanoutbatch (id, organization_id, event_id, endpoint_ids, size) VALUES (%s, %s, %s, %s, %s)
"""


def _store_postgresql(row: dict[str, Any]) -> tuple[bool, int]:
    with prepared_cursor() as cursor:
        cursor.execute(POSTGRESQL, row)
        stored, deliveries = cursor.fetchone()
    return bool(stored), deliveries


def _store_sqlite(row: dict[str, Any]) -> tuple[bool, int]:
    """Use several statements, as SQLite has no writing CTE; no other writer can run during this transaction."""
    organization, event_id, created_at = row["organization"].hex, row["id"].hex, sqlite_time(row["created_at"])
    now = sqlite_time(timezone.now())
    with connection.cursor() as cursor:
        targets = _sqlite_targets(cursor, organization, row["patterns"])
        values = [row[name] for name in ("type", "body", "test", "publisher", "client_id", "content_digest")]
        values += [len(targets), created_at]
        cursor.execute(SQLITE_EVENT, (event_id, organization, *values))
        if not cursor.rowcount:
            return False, 0
        deliveries = [
            (uuid_at(row["created_at"]).hex, organization, endpoint, event_id, row["type"],
             "pending" if is_open else "held", created_at, now if is_open else None)
            for endpoint, is_open in targets[:MAX_DELIVERIES_PER_BATCH]
        ]  # fmt: skip
        cursor.executemany(SQLITE_DELIVERY, deliveries)
        for start in range(MAX_DELIVERIES_PER_BATCH, len(targets), MAX_DELIVERIES_PER_BATCH):
            endpoint_ids = [
                str(uuid.UUID(endpoint)) for endpoint, _is_open in targets[start : start + MAX_DELIVERIES_PER_BATCH]
            ]
            key = uuid_at(row["created_at"]).hex
            cursor.execute(SQLITE_BATCH, (key, organization, event_id, to_json(endpoint_ids), len(endpoint_ids)))
    return True, len(targets)


def _sqlite_targets(cursor: Any, organization: str, patterns: list[str]) -> list[tuple[str, int]]:
    cursor.execute(SQLITE_TARGETS.format(marks=", ".join(["%s"] * len(patterns))), (organization, *patterns))
    targets: list[tuple[str, int]] = cursor.fetchall()
    return targets


_store_by_vendor = {"postgresql": _store_postgresql, "sqlite": _store_sqlite}


def content_digest(event_type: str, data: Any) -> str:
    """Return a digest of type and data, the same for equivalent JSON."""
    text = json.dumps([event_type, _normalize_numbers(data)], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def has_same_content(first: Event, event_type: str, data: Any) -> bool:
    """Return whether a stored event has the same type and data; compare the body if the event has no digest."""
    if first.content_digest is not None:
        return first.content_digest == content_digest(event_type, data)
    if first.body is None:
        return first.type == event_type
    return content_digest(first.type, json.loads(first.body)["data"]) == content_digest(event_type, data)


def _normalize_numbers(value: Any) -> Any:
    """Normalize whole numbers: 1, 1.0 and 1e0 are one value, and -0.0 is 0."""
    if isinstance(value, float):
        # From the shortest decimal text: 1e23 means 10**23, which differs from the exact value of the double.
        return int(Decimal(repr(value))) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: _normalize_numbers(item) for name, item in value.items()}
    return [_normalize_numbers(item) for item in value] if isinstance(value, (list, tuple)) else value
