"""Schemas and examples of the API objects of webhooks."""

from typing import Any

from apps.base.rest.shapes import (
    FLAG,
    OBJECT,
    Schema,
    Shape,
    listed,
    moment,
    more,
    nullable,
    public_id,
    record,
    shown_once,
    text,
    texts,
    whole,
    word,
)
from apps.webhooks.models import DeliveryStatus, EndpointHealth, EndpointStatus, EventOrigin
from apps.webhooks.models.replays import ReplayStatus
from apps.webhooks.stats.counters import ERRORS
from apps.webhooks.types import catalogue
from apps.webhooks.types.builtin_types import HOST_EVENTS

TAIL = "01JD2V8Q4ZK7M3X9T5B6CW"
EVENT_ID, ENDPOINT_ID, DELIVERY_ID = f"evt_{TAIL}", f"ep_{TAIL}", f"dlv_{TAIL}"
URL = "https://hooks.acme.example/in"
# The sample of the event type itself, so that the example is accepted.
DATA: dict[str, Any] = HOST_EVENTS["order.created"].sample
STATUSES = word([str(each) for each in DeliveryStatus.values])
EVENT_NAME: Schema = text(f"^{catalogue.EVENT_NAME.pattern}$")

ENDPOINT = Shape(
    "WebhookEndpoint",
    record(
        id=public_id("ep"),
        url=text(),
        description=text(),
        event_types=listed(text()),
        headers=texts(),
        status=word([str(each) for each in EndpointStatus.values]),
        health=word([str(each) for each in EndpointHealth.values]),
        disabled_reason=nullable(text()),
        rate_limit_per_second=nullable(whole(1)),
        max_in_flight=whole(1),
        created_at=moment(),
        held_count=whole(),
        failing_since=nullable(moment()),
        warnings=listed(record(code=word(["duplicate_url"]), endpoint=public_id("ep"))),
    ),
    {
        "id": ENDPOINT_ID,
        "url": URL,
        "description": "Order desk",
        "event_types": ["order.*"],
        "headers": {"X-Team": "••••"},
        "status": "enabled",
        "health": "healthy",
        "disabled_reason": None,
        "rate_limit_per_second": None,
        "max_in_flight": 16,
        "created_at": "2026-11-22T10:00:00Z",
        "held_count": 0,
        "failing_since": None,
        "warnings": [],
    },
)
NEW_ENDPOINT = shown_once(
    ENDPOINT,
    "NewWebhookEndpoint",
    "secret",
    "whsec_SHOWN_ONCE_IN_THIS_ANSWER",
    "The signing secret: here and never again.",
)

EVENT_TYPE = Shape(
    "EventType",
    record(
        name=text(),
        description=text(),
        schema={"type": ["object", "boolean"]},
        sample=OBJECT,
        origin=word([str(each) for each in EventOrigin.values]),
        deprecated=FLAG,
        replaced_by=nullable(text()),
    ),
    {
        "name": "order.created",
        "description": "Sent when an order is first stored.",
        "schema": HOST_EVENTS["order.created"].schema,
        "sample": DATA,
        "origin": "host",
        "deprecated": False,
        "replaced_by": None,
    },
)

EVENT = Shape(
    "Event",
    record(id=public_id("evt"), type=text(), created_at=moment(milliseconds=True), deliveries=whole()),
    {"id": EVENT_ID, "type": "order.created", "created_at": "2026-11-24T08:12:30.118Z", "deliveries": 2},
)
WHOLE_EVENT = more(EVENT, "EventWithData", {"data": DATA}, data=nullable(OBJECT))
ACCEPTED = more(EVENT, "AcceptedEvent", {"repeated": False}, repeated=FLAG)
ACCEPTED_EVENTS = Shape(
    "AcceptedEvents",
    record(events=listed(ACCEPTED.schema), deliveries=whole()),
    {"events": [ACCEPTED.example], "deliveries": 2},
)

DELIVERY = Shape(
    "Delivery",
    record(
        id=public_id("dlv"),
        event=record(id=public_id("evt"), type=text()),
        endpoint=record(id=public_id("ep"), url=text()),
        status=STATUSES,
        test=FLAG,
        replay_of=nullable(public_id("dlv")),
        created_at=moment(milliseconds=True),
        attempt_count=whole(),
        next_attempt_at=nullable(moment(milliseconds=True)),
        next_attempt_reason=nullable(text()),
        last_status_code=nullable(whole()),
    ),
    {
        "id": DELIVERY_ID,
        "event": {"id": EVENT_ID, "type": "order.created"},
        "endpoint": {"id": ENDPOINT_ID, "url": URL},
        "status": "succeeded",
        "test": False,
        "replay_of": None,
        "created_at": "2026-11-24T08:12:30.118Z",
        "attempt_count": 1,
        "next_attempt_at": None,
        "next_attempt_reason": None,
        "last_status_code": 204,
    },
)
MILLISECONDS = nullable(whole())
ATTEMPT = Shape(
    "Attempt",
    record(
        id=public_id("att"),
        number=whole(1),
        url=nullable(text()),
        started_at=moment(milliseconds=True),
        duration_ms=MILLISECONDS,
        status_code=nullable(whole()),
        error=nullable(word(ERRORS)),
        hint=nullable(text()),
        address=nullable(text()),
        timings_ms=record(
            dns=MILLISECONDS, connect=MILLISECONDS, tls=MILLISECONDS, first_byte=MILLISECONDS, total=MILLISECONDS
        ),
        request=record(headers=texts()),
        response=record(headers=texts(), body=text(), truncated=FLAG),
    ),
    {
        "id": f"att_{TAIL}",
        "number": 1,
        "url": URL,
        "started_at": "2026-11-24T08:12:30.140Z",
        "duration_ms": 84,
        "status_code": 204,
        "error": None,
        "hint": None,
        "address": "203.0.113.80",
        "timings_ms": {"dns": 4, "connect": 12, "tls": 31, "first_byte": 83, "total": 84},
        "request": {"headers": {"webhook-id": EVENT_ID, "content-type": "application/json"}},
        "response": {"headers": {"content-length": "0"}, "body": "", "truncated": False},
    },
)
WHOLE_DELIVERY = more(
    DELIVERY,
    "DeliveryWithAttempts",
    {
        "attempts": [ATTEMPT.example],
        "payload": {"type": "order.created", "timestamp": "2026-11-24T08:12:30.118Z", "data": DATA},
    },
    attempts=listed(ATTEMPT.schema),
    payload=nullable(OBJECT),
)

REPLAY = Shape(
    "Replay",
    record(
        id=public_id("rpl"),
        status=word([str(each) for each in ReplayStatus.values]),
        count=whole(),
        sent=whole(),
        succeeded=whole(),
        failed=whole(),
        endpoint=record(id=public_id("ep"), url=text()),
        filters=record(
            since=nullable(moment()),
            until=nullable(moment()),
            status=listed(STATUSES),
            event_types=nullable(listed(text())),
        ),
        rate_per_second=nullable(whole(1)),
        created_at=moment(),
        finished_at=nullable(moment()),
    ),
    {
        "id": f"rpl_{TAIL}",
        "status": "running",
        "count": 37,
        "sent": 24,
        "succeeded": 22,
        "failed": 2,
        "endpoint": {"id": ENDPOINT_ID, "url": URL},
        "filters": {"since": "2026-11-22T06:14:00Z", "until": None, "status": ["exhausted"], "event_types": None},
        "rate_per_second": 10,
        "created_at": "2026-11-24T08:12:30Z",
        "finished_at": None,
    },
)
COUNT = Shape("ReplayCount", record(count=whole()), {"count": 37})
