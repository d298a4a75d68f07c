"""Accepting an event together with its deliveries, in one statement.

Of an event with very many endpoints the first deliveries are made at once and the rest is written down in batches,
which workers turn into deliveries (fan_out.py).

What is matched: subscriptions of the organization whose pattern is the type, ``prefix.*`` or ``*``. A delivery to an
endpoint that is paused or disabled, or of a suspended organization, waits as ``held``.
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
from apps.webhooks.engine.crash_points import is_armed, reach
from apps.webhooks.engine.sql import as_text, prepared_cursor, uuid7_from
from apps.webhooks.models import Event
from apps.webhooks.types.catalogue import patterns_for

# The most deliveries that are made while the publisher waits, and of one batch afterwards.
MAX_DELIVERIES_PER_BATCH = 500


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that is stored, or was before: ``repeated`` tells that its client id had been used already."""

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
) -> Accepted:
    """Store the event and one delivery for each matching endpoint, in the caller's transaction or its own.

    The same ``client_id`` of the same organization and publisher returns the first event, or raises Conflict on ``id``
    where that says something else. Workers hear of it after the commit. ``test`` events match nobody: a test send makes
    its own delivery.
    """
    moment = created_at or timezone.now()
    row: dict[str, Any] = {
        "id": uuid_at(moment),
        "organization": organization_id,
        "type": event_type,
        "body": make_body(event_type, moment, data),
        "test": test,
        "publisher": publisher,
        "client_id": client_id,
        "content_digest": None if client_id is None else content_digest(event_type, data),
        "created_at": moment,
        "milliseconds": int(moment.timestamp() * 1000),
        "patterns": [] if test else patterns_for(event_type),
        "at_once": MAX_DELIVERIES_PER_BATCH,
    }
    with _all_or_nothing():
        stored, deliveries = _store[connection.vendor](row)
        reach("after_accept_before_commit")
        if not stored:
            first = _first(row)
            if first is None:
                # Removed by its age since then: the id is free again.
                return publish(
                    organization_id=organization_id, event_type=event_type, data=data, publisher=publisher,
                    client_id=client_id, test=test, created_at=created_at,
                )  # fmt: skip
            return _repeated(first, event_type, data)
        if deliveries:
            transaction.on_commit(_tell_workers)
    return Accepted(row["id"], event_type, moment, deliveries)


def publish_batch(events: Iterable[Mapping[str, Any]]) -> list[Accepted]:
    """Publish all of them or, when one cannot be stored, none; each mapping holds publish's arguments."""
    with transaction.atomic():
        return [_publish_one(index, event) for index, event in enumerate(events)]


def _publish_one(index: int, event: Mapping[str, Any]) -> Accepted:
    try:
        return publish(**event)
    except Conflict as refused:
        name = f"events.{index}.id"
        raise Conflict(f"{name}: {refused.message}", fields={name: [refused.message]}) from None


def make_body(event_type: str, created_at: datetime, data: Any) -> str:
    """Return what receivers get, to the byte."""
    return to_json({"type": event_type, "timestamp": format_timestamp_ms(created_at), "data": data})


def _all_or_nothing() -> AbstractContextManager[Any]:
    """Return a transaction where one is needed: PostgreSQL's one statement is whole by itself, and cheaper alone."""
    is_whole = connection.vendor == "postgresql" and not connection.in_atomic_block
    return nullcontext() if is_whole and not is_armed("after_accept_before_commit") else transaction.atomic()


def _tell_workers() -> None:
    wakeup.notify_workers()
    reach("after_commit_before_answer")


def _first(row: dict[str, Any]) -> Event | None:
    """Return the event that was stored under the id before."""
    owner = {"organization_id": row["organization"], "publisher": row["publisher"]}
    return Event.objects.filter(**owner, client_id=row["client_id"]).first()


def _repeated(first: Event, event_type: str, data: Any) -> Accepted:
    """Answer with the first event, or raise Conflict where the id stands for something else."""
    if not is_same(first, event_type, data):
        message = _("An event with this id was accepted before, with another type or other data.")
        raise Conflict(message, fields={"id": [message]})
    return Accepted(first.pk, first.type, first.created_at.astimezone(UTC), first.match_count, repeated=True)


# The lock on what is closed: whoever enables an endpoint or resumes an organization first changes that row, and so
# waits until this transaction's held deliveries can be seen by the statement that releases them. After such a wait
# the row is read anew. What is open is not locked; should it close meanwhile, the claim holds the delivery.
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
), placed AS MATERIALIZED (
    SELECT id, is_open, (row_number() OVER (ORDER BY id) - 1) / %(at_once)s AS batch FROM target
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
    SELECT {uuid7_from("%(milliseconds)s::bigint")}, %(organization)s, placed.id, event.id, %(type)s,
        CASE WHEN placed.is_open THEN 'pending' ELSE 'held' END, false, %(created_at)s, 0, 0,
        CASE WHEN placed.is_open THEN statement_timestamp() END, '', ''
    FROM placed CROSS JOIN event WHERE batch = 0
), later AS (
    INSERT INTO webhooks_fanoutbatch (id, organization_id, event_id, endpoint_ids, size)
    SELECT {uuid7_from("%(milliseconds)s::bigint")}, %(organization)s, event.id, jsonb_agg(placed.id), count(*)
    FROM placed CROSS JOIN event WHERE batch > 0 GROUP BY batch, event.id
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
SQLITE_LATER = """
INSERT INTO webhooks_fanoutbatch (id, organization_id, event_id, endpoint_ids, size) VALUES (%s, %s, %s, %s, %s)
"""


def _store_postgresql(row: dict[str, Any]) -> tuple[bool, int]:
    with prepared_cursor() as cursor:
        cursor.execute(POSTGRESQL, row)
        stored, deliveries = cursor.fetchone()
    return bool(stored), deliveries


def _store_sqlite(row: dict[str, Any]) -> tuple[bool, int]:
    """Two statements, for SQLite has no writing CTE; nobody else writes while this transaction is open."""
    organization, event_id, moment = row["organization"].hex, row["id"].hex, as_text(row["created_at"])
    now = as_text(timezone.now())
    with connection.cursor() as cursor:
        targets = _sqlite_targets(cursor, organization, row["patterns"])
        values = [row[name] for name in ("type", "body", "test", "publisher", "client_id", "content_digest")]
        values += [len(targets), moment]
        cursor.execute(SQLITE_EVENT, (event_id, organization, *values))
        if not cursor.rowcount:
            return False, 0
        deliveries = [
            (uuid_at(row["created_at"]).hex, organization, endpoint, event_id, row["type"],
             "pending" if is_open else "held", moment, now if is_open else None)
            for endpoint, is_open in targets[:MAX_DELIVERIES_PER_BATCH]
        ]  # fmt: skip
        cursor.executemany(SQLITE_DELIVERY, deliveries)
        for start in range(MAX_DELIVERIES_PER_BATCH, len(targets), MAX_DELIVERIES_PER_BATCH):
            later = [
                str(uuid.UUID(endpoint)) for endpoint, _is_open in targets[start : start + MAX_DELIVERIES_PER_BATCH]
            ]
            key = uuid_at(row["created_at"]).hex
            cursor.execute(SQLITE_LATER, (key, organization, event_id, to_json(later), len(later)))
    return True, len(targets)


def _sqlite_targets(cursor: Any, organization: str, patterns: list[str]) -> list[tuple[str, int]]:
    cursor.execute(SQLITE_TARGETS.format(marks=", ".join(["%s"] * len(patterns))), (organization, *patterns))
    targets: list[tuple[str, int]] = cursor.fetchall()
    return targets


_store = {"postgresql": _store_postgresql, "sqlite": _store_sqlite}


def content_digest(event_type: str, data: Any) -> str:
    """Return a digest of what an event says, the same for every way to write the same JSON."""
    text = json.dumps([event_type, _plain(data)], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_same(first: Event, event_type: str, data: Any) -> bool:
    """Tell whether an event that is there says the same; of one from before digests were kept, by its body."""
    if first.content_digest is not None:
        return first.content_digest == content_digest(event_type, data)
    if first.body is None:
        return first.type == event_type
    return content_digest(first.type, json.loads(first.body)["data"]) == content_digest(event_type, data)


def _plain(value: Any) -> Any:
    """Write whole numbers in one way: 1, 1.0 and 1e0 are one value, and -0.0 is 0."""
    if isinstance(value, float):
        # By its shortest text: 1e23 is the number that people write so, and not the double's own, which ends otherwise.
        return int(Decimal(repr(value))) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
