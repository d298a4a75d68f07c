"""Fixtures and requests of benchmarks/usage_pages.py, which imports this module after Django's set-up."""

import argparse
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import Client

from apps.api_keys import actions
from apps.audit.calls import group_commit
from apps.audit.calls.store import CallCount, HourlyUsageKey, count_by_day
from apps.audit.models import LastUse, UsageDay, UsageHour
from apps.base.actor import system
from apps.orgs.models import Membership, Organization, Role, User

ROUTES = (("GET", "/v1/users"), ("GET", "/v1/users/{id}"), ("POST", "/v1/events"), ("GET", "/v1/deliveries"),
          ("POST", "/v1/users"))  # fmt: skip
ADDRESSES = ("203.0.113.24", "203.0.113.25")
CHUNK = 2000


def rows(rng: random.Random, keys: list[Any], options: argparse.Namespace, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the counts by hour of all keys and routes, mostly with status 2xx, from one or two addresses."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=24 * options.days - 1)
    each = options.calls / (options.keys * options.days * 24 * len(ROUTES) * 2.1)
    for number in range(24 * options.days):
        hour = first + timedelta(hours=number)
        for key in keys:
            for method, route in ROUTES:
                for status_class in ("2xx",) if rng.random() < 0.6 else ("2xx", "4xx"):
                    for address in ADDRESSES[: rng.choice((1, 2))]:
                        yield {
                            "organization_id": key.organization_id, "credential_id": key.pk, "hour": hour,
                            "method": method, "route": route, "status_class": status_class, "address": address,
                            "user_agent": "acme-shop/4.12", "scopes": "users:read", "last_at": hour,
                            "calls": max(1, round(each * rng.uniform(0.5, 1.5))),
                        }  # fmt: skip


def fill(keys: list[Any], options: argparse.Namespace, now: datetime) -> tuple[int, int]:
    """Store the counts by hour and by day, and return the numbers of rows and requests."""
    rng = random.Random(2026)
    counted = {}
    for row in rows(rng, keys, options, now):
        key = HourlyUsageKey(**{name: row[name] for name in HourlyUsageKey._fields})
        counted[key] = CallCount(row["calls"], row["last_at"])
    for model, counts in ((UsageHour, counted), (UsageDay, count_by_day(counted))):
        with transaction.atomic():
            made = (model(**key._asdict(), **count._asdict()) for key, count in counts.items())
            model.objects.bulk_create(made, CHUNK)
    return len(counted), sum(count.calls for count in counted.values())


def create_fixtures(options: argparse.Namespace) -> tuple[Any, list[Any], Any]:
    """Create an organization with keys; return a client with a key, the keys, and a client of the owner."""
    acme = Organization.objects.create(name="Acme", slug="acme")
    owner = User.objects.create_user("owner@acme.example", secrets.token_urlsafe(16), name="Ada")
    Membership.objects.create(organization=acme, user=owner, role=Role.OWNER)
    made = [
        actions.create_key(actor=system(acme.pk), key_type="internal", scopes=("admin",), name=f"Key {number}")
        for number in range(options.keys)
    ]
    LastUse.objects.bulk_create(LastUse(key.pk, datetime.now(UTC), ADDRESSES[0]) for key, _text in made)
    browser = Client()
    browser.force_login(owner)
    return Client(headers={"Authorization": f"Bearer {made[-1][1]}"}), [key for key, _text in made], browser


def cases(api: Any, browser: Any, keys: list[Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the requests to measure, each with its name."""
    base_url, one = "/o/acme/settings/integration/", keys[0].public_id
    since = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query in ("", "?interval=day", f"?since={since}"):
        yield f"GET /v1/usage{query}", lambda query=query: api.get("/v1/usage" + query)
        yield f"GET /v1/api-keys/…/usage{query}", lambda query=query: api.get(f"/v1/api-keys/{one}/usage{query}")
    for span in ("24h", "7d", "30d"):
        yield f"page, organization, {span}", lambda span=span: browser.get(f"{base_url}usage/?span={span}")
        yield f"page, key, {span}", lambda span=span: browser.get(f"{base_url}api-keys/{one}/usage/?span={span}")


def measure(send: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Return the median and the 95th percentile in ms, after two requests as a warm-up."""
    taken = []
    for number in range(runs + 2):
        started = time.perf_counter()
        answer = send()
        if answer.status_code != 200:
            raise SystemExit(f"answered {answer.status_code}: {answer.content[:300]!r}")
        if number >= 2:
            taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


def run(options: argparse.Namespace) -> bool:
    """Create the fixtures, measure, print, and return whether all requests were fast enough."""
    call_command("migrate", verbosity=0)
    api, keys, browser = create_fixtures(options)
    count, calls = fill(keys, options, datetime.now(UTC))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(f"{connection.vendor}: {calls:,} calls of {len(keys)} keys in {options.days} days, {count:,} rows by hour")
    print(f"{'':48}{'median':>10}{'p95':>10}")
    slow = 0
    for name, send in cases(api, browser, keys):
        median, high = measure(send, options.runs)
        slow += high > options.most
        print(f"{name:48}{median:10.1f}{high:10.1f}{'  above' if high > options.most else ''}", flush=True)
    return not slow


def shut_down() -> None:
    """Store waiting log rows and close the database connections."""
    group_commit.stop()
    connections.close_all()
