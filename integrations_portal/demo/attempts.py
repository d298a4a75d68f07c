"""Generates delivery attempts in the past and their times."""

import random
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from apps.base.identifiers import uuid_at
from apps.webhooks.engine.messages import ACCEPT, USER_AGENT
from apps.webhooks.engine.retry_schedule import with_jitter
from apps.webhooks.engine.signing import secret_bytes, sign
from apps.webhooks.models import Attempt, Delivery, Event
from integrations_portal.demo.endpoints import DemoEndpoint

# The retry schedule of the past, whatever this start's WEBHOOK_RETRY_SCHEDULE is.
RETRY_WAITS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)


class AttemptResult(NamedTuple):
    """A response or error, and its approximate duration in milliseconds."""

    status_code: int | None
    error: str = ""
    hint: str = ""
    body: str = ""
    milliseconds: int = 40


OK = AttemptResult(200, body="ok", milliseconds=24)
NO_CONTENT = AttemptResult(204, milliseconds=18)
REFUSED = AttemptResult(None, "connection_failed", "no_connection", milliseconds=1)
NO_NAME = AttemptResult(None, "dns_failed", "dns_no_such_name", milliseconds=30)
BAD_GATEWAY = AttemptResult(502, "http_error", body="<html><h1>502 Bad Gateway</h1></html>", milliseconds=210)
FAILED_RESULTS = (
    AttemptResult(503, "http_error", body="Service Unavailable", milliseconds=120),
    AttemptResult(500, "http_error", body='{"error": "deadlock detected"}', milliseconds=380),
    AttemptResult(None, "timed_out", milliseconds=15000),
    AttemptResult(None, "bad_response", "no_response", milliseconds=60),
    AttemptResult(301, "redirected", "redirect_not_followed", milliseconds=35),
    AttemptResult(None, "tls_failed", "certificate_invalid", milliseconds=70),
    AttemptResult(429, "http_error", body="slow down", milliseconds=20),
)


def attempt_times(first: datetime, until: datetime) -> list[datetime]:
    """Return the attempt times of a delivery that always fails, up to a time."""
    found, at = [], first
    for wait in (*RETRY_WAITS, 0):
        if at > until:
            break
        found.append(at)
        # Half the usual jitter, so that planned attempts match what the pages show.
        at += timedelta(seconds=(wait + with_jitter(wait)) / 2)
    return found


def next_attempt_time(last: datetime, count: int) -> datetime:
    """Return the planned time of the attempt after ``count`` attempts."""
    return last + timedelta(seconds=RETRY_WAITS[count - 1])


def write(
    rng: random.Random,
    target: DemoEndpoint,
    delivery: Delivery,
    event: Event,
    number: int,
    at: datetime,
    result: AttemptResult,
) -> Attempt:
    """Return the record of one attempt, signed as it would have been."""
    elapsed_ms = max(1, round(result.milliseconds * rng.uniform(0.7, 1.6))) if result.error != "timed_out" else 15000
    body = (event.body or "").encode()
    signed = sign([secret_bytes(target.secret)], event.public_id, int(at.timestamp()), body)
    return Attempt(
        id=uuid_at(at + timedelta(milliseconds=elapsed_ms)),
        organization_id=delivery.organization_id,
        delivery=delivery,
        endpoint_id=delivery.endpoint_id,
        number=number,
        url=target.endpoint.shown_url,
        started_at=at,
        finished_at=at + timedelta(milliseconds=elapsed_ms),
        duration_ms=elapsed_ms,
        status_code=result.status_code,
        error=result.error,
        hint=result.hint,
        address=_address(target, result),
        timings_ms=_timings(result, elapsed_ms),
        request_headers={"content-type": "application/json", "user-agent": USER_AGENT, **dict(ACCEPT), **signed},
        response_headers=_headers(result),
        response_body=result.body,
    )


def _address(target: DemoEndpoint, result: AttemptResult) -> str:
    if result.error == "dns_failed":
        return ""
    return "127.0.0.1" if target.endpoint.url.startswith("http://127.") else "203.0.113.80"


def _timings(result: AttemptResult, elapsed_ms: int) -> dict[str, Any]:
    was_reached = result.status_code is not None or result.error in ("timed_out", "bad_response")
    return {
        "dns": elapsed_ms if result.error == "dns_failed" else None,
        "connect": 1 if was_reached else None,
        "tls": None,
        "first_byte": max(0, elapsed_ms - 2) if result.status_code else None,
        "total": elapsed_ms,
    }


def _headers(result: AttemptResult) -> list[list[str]]:
    if result.status_code is None:
        return []
    kind = "application/json" if result.body.startswith("{") else "text/plain"
    return [["content-type", kind], ["content-length", str(len(result.body))]]
