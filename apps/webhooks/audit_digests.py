"""Provide attempts and events for the audit log's digests.

An attempt does not change after it is recorded, and an event only when retention removes its payload. Deliveries are
not in the digests, because their state changes for days and follows from events and attempts.
"""

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import Any

from apps.audit.seal.chain import encode_json
from apps.audit.seal.digests import DigestSource
from apps.base.identifiers import encode
from apps.webhooks.engine import claims
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus, Event

ATTEMPT_COLUMNS = (
    *("id", "started_at", "finished_at", "delivery_id", "endpoint_id", "number", "duration_ms", "status_code"),
    *("error", "hint", "address", "timings_ms", "request_headers", "response_headers", "response_body", "truncated"),
    "url",
)  # fmt: skip
# ``client_id``: the event's id that the publisher chose.
EVENT_COLUMNS = ("id", "created_at", "type", "test", "publisher", "client_id", "body")
Rows = list[tuple[uuid.UUID, str]]


def attempts(organization_id: uuid.UUID, first: uuid.UUID, before: uuid.UUID, limit: int) -> Rows:
    """Return finished attempts as ids and JSON arrays of all columns except the organization."""
    found = Attempt.objects.filter(organization_id=organization_id, pk__gte=first, pk__lt=before)
    rows = found.order_by("pk").values_list(*ATTEMPT_COLUMNS)[:limit]
    return [(row[0], _encode_attempt(row)) for row in rows]


def _encode_attempt(row: tuple[Any, ...]) -> str:
    key, started, finished, delivery, endpoint, *rest, url = row
    # Rows from before the column ``url`` are encoded without it, so that the digests of their hours stay valid.
    rest += [] if url is None else [url]
    ended = finished and finished.isoformat()
    return encode_json([encode("att", key), started.isoformat(), ended, delivery.hex, endpoint.hex, *rest])


def next_attempt(first: uuid.UUID) -> uuid.UUID | None:
    """Return the id of the first attempt whose id is not less than ``first``."""
    return Attempt.objects.filter(pk__gte=first).order_by("pk").values_list("pk", flat=True).first()


def attempts_are_settled(time: datetime) -> bool:
    """Return whether all attempts that were in flight at a time are recorded."""
    lease = timedelta(seconds=claims.lease_seconds())
    sending = Delivery.objects.filter(status=DeliveryStatus.SENDING, lease_until__lt=time + lease)
    return not sending.exists()


def events(organization_id: uuid.UUID, first: uuid.UUID, before: uuid.UUID, limit: int) -> Rows:
    """Return accepted events as ids and JSON arrays, with the SHA-256 of the payload."""
    found = Event.objects.filter(organization_id=organization_id, pk__gte=first, pk__lt=before)
    return [(row[0], _encode_event(row)) for row in found.order_by("pk").values_list(*EVENT_COLUMNS)[:limit]]


def _encode_event(row: tuple[Any, ...]) -> str:
    key, at, *rest, body = row
    digest = None if body is None else hashlib.sha256(body.encode()).hexdigest()
    return encode_json([encode("evt", key), at.isoformat(), *rest, digest])


def next_event(first: uuid.UUID) -> uuid.UUID | None:
    """Return the id of the first event whose id is not less than ``first``."""
    return Event.objects.filter(pk__gte=first).order_by("pk").values_list("pk", flat=True).first()


def events_are_settled(time: datetime) -> bool:
    """Return True, because events are stored in a short transaction when they are accepted."""
    return True


ATTEMPTS = DigestSource(
    "audit.attempts_digest", attempts, next_attempt, attempts_are_settled, ("attempts", "deliveries")
)
EVENTS = DigestSource("audit.events_digest", events, next_event, events_are_settled, ("deliveries", "events"))
