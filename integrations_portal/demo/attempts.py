"""Generates delivery attempts in the past and their times."""

import random
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from apps.base.identifiers import uuid_at
from apps.webhooks.engine.messages import ACCEPT, USER_AGENT
from apps.webhooks.engine.retry_schedule import spread
from apps.webhooks.engine.signing import secret_bytes, sign
from apps.webhooks.models import Attempt, Delivery, Event
from integrations_portal.demo.endpoints import DemoEndpoint

# The retry schedule of the past, whatever this start's WEBHOOK_RETRY_SCHEDULE is.
WAITS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)


class Answer(NamedTuple):
    """A response or error, and its approximate duration in milliseconds."""

    status_code: int | None
    error: str = ""
    hint: str = ""
    body: str = ""
    milliseconds: int = 40


OK = Answer(200, body="ok", milliseconds=24)
NO_CONTENT = Answer(204, milliseconds=18)
REFUSED = Answer(None, "connection_failed", "no_connection", milliseconds=1)
NO_NAME = Answer(None, "dns_failed", "dns_no_such_name", milliseconds=30)
BAD_GATEWAY = Answer(502, "http_error", body="<html><h1>502 Bad Gateway</h1></html>", milliseconds=210)
TROUBLES = (
    Answer(503, "http_error", body="Service Unavailable", milliseconds=120),
    Answer(500, "http_error", body='{"error": "deadlock detected"}', milliseconds=380),
    Answer(None, "timed_out", milliseconds=15000),
    Answer(None, "bad_response", "no_response", milliseconds=60),
    Answer(301, "redirected", "redirect_not_followed", milliseconds=35),
    Answer(None, "tls_failed", "certificate_invalid", milliseconds=70),
    Answer(429, "http_error", body="slow down", milliseconds=20),
)


def times(first: datetime, until: datetime) -> list[datetime]:
    """Return the attempt times of a delivery that always fails, up to a time."""
    found, at = [], first
    for wait in (*WAITS, 0):
        if at > until:
            break
        found.append(at)
        # Half the usual jitter, so that planned attempts match what the pages show.
        at += timedelta(seconds=(wait + spread(wait)) / 2)
    return found


def next_time(last: datetime, count: int) -> datetime:
    """Return the planned time of the attempt after ``count`` attempts."""
    return last + timedelta(seconds=WAITS[count - 1])


def write(
    rng: random.Random, built: DemoEndpoint, delivery: Delivery, event: Event, number: int, at: datetime, answer: Answer
) -> Attempt:
    """Return the record of one attempt, signed as it would have been."""
    took = max(1, round(answer.milliseconds * rng.uniform(0.7, 1.6))) if answer.error != "timed_out" else 15000
    body = (event.body or "").encode()
    signed = sign([secret_bytes(built.secret)], event.public_id, int(at.timestamp()), body)
    return Attempt(
        id=uuid_at(at + timedelta(milliseconds=took)),
        organization_id=delivery.organization_id,
        delivery=delivery,
        endpoint_id=delivery.endpoint_id,
        number=number,
        url=built.endpoint.shown_url,
        started_at=at,
        finished_at=at + timedelta(milliseconds=took),
        duration_ms=took,
        status_code=answer.status_code,
        error=answer.error,
        hint=answer.hint,
        address=_address(built, answer),
        timings_ms=_timings(answer, took),
        request_headers={"content-type": "application/json", "user-agent": USER_AGENT, **dict(ACCEPT), **signed},
        response_headers=_headers(answer),
        response_body=answer.body,
    )


def _address(built: DemoEndpoint, answer: Answer) -> str:
    if answer.error == "dns_failed":
        return ""
    return "127.0.0.1" if built.endpoint.url.startswith("http://127.") else "203.0.113.80"


def _timings(answer: Answer, took: int) -> dict[str, Any]:
    was_reached = answer.status_code is not None or answer.error in ("timed_out", "bad_response")
    return {
        "dns": took if answer.error == "dns_failed" else None,
        "connect": 1 if was_reached else None,
        "tls": None,
        "first_byte": max(0, took - 2) if answer.status_code else None,
        "total": took,
    }


def _headers(answer: Answer) -> list[list[str]]:
    if answer.status_code is None:
        return []
    kind = "application/json" if answer.body.startswith("{") else "text/plain"
    return [["content-type", kind], ["content-length", str(len(answer.body))]]
