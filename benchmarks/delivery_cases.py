"""Fixtures and requests of benchmarks/delivery_pages.py, which imports this module after Django's set-up."""

import argparse
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.base.actor import system
from apps.base.identifiers import uuid_at
from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.models import Attempt, Delivery, Endpoint, Event
from apps.webhooks.stats import hourly_rollup
from benchmarks.usage_cases import create_fixtures, measure, shut_down

__all__ = ["run", "shut_down"]

SMALL_ENDPOINTS, DAYS, RARE = 20, 60, 12
TYPES, RARE_TYPE = ("order.created", "order.updated", "order.cancelled"), "invoice.paid"
# The share of all deliveries that each endpoint has, and the status of nearly all of them.
ENDPOINT_PROFILES = {
    "well": (0.5, "succeeded"),
    "bad": (0.2, "exhausted"),
    "backlog": (0.2, "pending"),
    "held": (0.08, "held"),
}
FINISHED_STATUSES = ("succeeded", "exhausted")
CHUNK = 5000


def deliveries(endpoint: Endpoint, event: Event, count: int, usual: str, rng: random.Random) -> Iterator[Delivery]:
    """Yield an endpoint's deliveries, oldest first; only a few of the oldest do not have the usual status."""
    first = datetime.now(UTC) - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / count
    others = ["succeeded", "exhausted", "retrying", "errors", "pending"]
    for number in range(count):
        created_at = first + number * step
        status = others[number % len(others)] if number < RARE * len(others) else usual
        event_type = RARE_TYPE if number < 60 and number % 6 == 0 else rng.choice(TYPES)
        yield build_delivery(endpoint, event, created_at, status, event_type)


def build_delivery(endpoint: Endpoint, event: Event, created_at: datetime, status: str, event_type: str) -> Delivery:
    """Return a delivery; with status ``errors`` it succeeded after an error, with ``retrying`` it waits after one."""
    tries = {"errors": 2, "retrying": 3, "exhausted": 10, "succeeded": 1}.get(status, 0)
    has_error = status in ("retrying", "exhausted")
    real = {"errors": "succeeded", "retrying": "pending"}.get(status, status)
    return Delivery(
        id=uuid_at(created_at), organization_id=endpoint.organization_id, endpoint=endpoint, event=event,
        event_type=event_type, status=real, created_at=created_at, attempt_count=tries,
        next_attempt_at=created_at + timedelta(days=2 * DAYS) if real == "pending" else None,
        last_status_code=503 if has_error else 200 if real == "succeeded" else None,
        last_error="http_error" if has_error else "", finished_at=created_at if real in FINISHED_STATUSES else None,
    )  # fmt: skip


def fill(owner: Organization, options: argparse.Namespace) -> dict[str, Endpoint]:
    """Store endpoints with deliveries and attempts, and return the endpoints by name."""
    rng, found = random.Random(2026), {}
    profiles = {**ENDPOINT_PROFILES, **{f"small {number}": (0.001, "succeeded") for number in range(SMALL_ENDPOINTS)}}
    event = Event.objects.create(
        organization=owner,
        type=TYPES[0],
        body='{"type":"order.created"}',
        publisher="own",
        created_at=datetime.now(UTC),
    )
    for name, (part, usual) in profiles.items():
        url = f"https://{name.replace(' ', '')}.example.com/in"
        endpoint, _secret = actions.create_endpoint(actor=system(owner.pk), url=url, event_types=["order.*"])
        found[name] = endpoint
        rows = deliveries(endpoint, event, int(options.deliveries * part), usual, rng)
        while chunk := list(islice(rows, CHUNK)):
            with transaction.atomic():
                Delivery.objects.bulk_create(chunk)
                Attempt.objects.bulk_create(build_attempt(each) for each in chunk if each.attempt_count)
    return found


def build_attempt(delivery: Delivery) -> Attempt:
    """Return the last attempt of a delivery."""
    created_at = delivery.created_at
    return Attempt(
        id=uuid_at(created_at), organization_id=delivery.organization_id, delivery=delivery,
        endpoint_id=delivery.endpoint_id, number=delivery.attempt_count, started_at=created_at, finished_at=created_at,
        duration_ms=84.0, status_code=delivery.last_status_code, error=delivery.last_error,
    )  # fmt: skip


def cases(api: Any, browser: Any, endpoints: dict[str, Endpoint]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the requests to measure, each with its name."""
    base_url = "/o/acme/settings/integration/"
    yield "page, all endpoints", lambda: browser.get(f"{base_url}webhooks/")
    filters = [
        "", "status=succeeded", "status=failed", "status=waiting", "status=held", "errors=1", "since=24h",
        "event_type=order.created", f"event_type={RARE_TYPE}", f"event_type={RARE_TYPE}&status=succeeded",
    ]  # fmt: skip
    for name in ENDPOINT_PROFILES:
        url = f"{base_url}webhooks/{endpoints[name].public_id}/"
        for query in filters:
            yield f"page, {name}, {query or 'all'}", lambda url=url, query=query: browser.get(f"{url}?{query}")
        one = Delivery.objects.filter(endpoint=endpoints[name]).order_by("-pk").first()
        page = f"{base_url}deliveries/{one.public_id}/"
        yield f"page, one delivery, {name}", lambda page=page: browser.get(page)
        for query in ("", "&status=exhausted", "&status=succeeded", "&status=pending", f"&event_type={RARE_TYPE}"):
            wanted = f"/v1/deliveries?endpoint={endpoints[name].public_id}{query}"
            yield f"API, {name}, {query[1:] or 'all'}", lambda wanted=wanted: api.get(wanted)
    for query in ("", "?status=exhausted", "?status=held", f"?event_type={RARE_TYPE}"):
        yield f"API, all endpoints, {query[1:] or 'all'}", lambda query=query: api.get(f"/v1/deliveries{query}")


def run(options: argparse.Namespace) -> bool:
    """Create the fixtures, measure, print, and return whether all requests were fast enough."""
    call_command("migrate", verbosity=0)
    options.keys = 1
    api, keys, browser = create_fixtures(options)
    started = time.monotonic()
    endpoints = fill(Organization.objects.get(pk=keys[0].organization_id), options)
    while hourly_rollup.roll_up():
        pass
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")
    count, took = Delivery.objects.count(), time.monotonic() - started
    print(f"{connection.vendor}: {count:,} deliveries of {len(endpoints)} endpoints, filled in {took:.0f} s")
    print(f"{'':56}{'queries':>10}{'median':>10}{'p95':>10}")
    slow = 0
    for name, send in cases(api, browser, endpoints):
        if options.only not in name:
            continue
        median, high = measure(send, options.runs)
        with CaptureQueriesContext(connection) as captured:
            send()
        slow += high > options.most
        mark = "  above" if high > options.most else ""
        print(f"{name:56}{len(captured):10}{median:10.1f}{high:10.1f}{mark}", flush=True)
    return not slow
