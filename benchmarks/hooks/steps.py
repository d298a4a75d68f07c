"""Steps of the benchmarks that need Django, each run in a separate process; the result is one line of JSON.

python -m benchmarks.hooks.steps STEP '{"argument": …}'
"""

import json
import os
import random
import sys
import threading
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, connections, transaction  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps.audit.models import AuditEntry  # noqa: E402
from apps.orgs.models import Membership, Organization, Role, User  # noqa: E402
from apps.webhooks import publishing  # noqa: E402
from apps.webhooks.engine import claims  # noqa: E402
from apps.webhooks.engine.signing import new_secret  # noqa: E402
from apps.webhooks.jobs import fan_out  # noqa: E402
from apps.webhooks.models import Attempt, Delivery, Endpoint, EndpointSecret, Event, Subscription  # noqa: E402
from benchmarks.deliveries import cpu_seconds_of  # noqa: E402
from benchmarks.hooks.rival import deliver  # noqa: E402

DATA = {"order_id": "ORD-7", "status": "placed", "note": "n" * 800}
TABLES = ("webhooks_attempt", "webhooks_fanoutbatch", "webhooks_delivery", "webhooks_event")


def migrate() -> dict[str, Any]:
    """Create the tables."""
    call_command("migrate", verbosity=0)
    return {}


def endpoints(organizations: int, paths: list[list[str]], url: str) -> dict[str, Any]:
    """Create an endpoint for each of ``paths`` ([path, event type]), distributed over the organizations."""
    Endpoint.objects.update(deleted_at=timezone.now())
    slugs = [f"bench{number}" for number in range(organizations)]
    rows = [Organization.objects.get_or_create(slug=slug, defaults={"name": slug})[0] for slug in slugs]
    for number, (path, event_type) in enumerate(paths):
        owner = rows[number % organizations]
        made = Endpoint.objects.create(organization=owner, url=url + path, event_types=[event_type])
        EndpointSecret.objects.create(organization=owner, endpoint=made, secret=new_secret())
        Subscription.objects.create(organization=owner, endpoint=made, pattern=event_type)
    return {"endpoints": len(paths)}


def sign_in(people: int) -> dict[str, Any]:
    """Create owners of the first organization and return the cookies of their sessions."""
    owner, cookies = Organization.objects.get(slug="bench0"), []
    for number in range(people):
        user = User.objects.create_user(f"reader{number}@example.com", None, name=f"Reader {number}")
        Membership.objects.create(organization=owner, user=user, role=Role.OWNER)
        client = Client()
        client.force_login(user)
        cookies.append(client.cookies.output(attrs=[], header="", sep=";").strip())
    endpoint = Endpoint.objects.existing().filter(organization=owner).first()
    return {"cookies": cookies, "endpoint": endpoint.public_id}


def changes(count: int) -> dict[str, Any]:
    """Create entries in the first organization's audit log."""
    owner = Organization.objects.get(slug="bench0")
    rows = (
        AuditEntry(
            organization=owner, actor_kind="user", actor_id="user_0123456789abcdefghijkl", actor_label="Ada Lovelace",
            action="api_key.updated", target_kind="api_key", target_id=f"key_{number:022d}", target_label="Server",
            changes={"name": ["Production", "Production server"]}, address="203.0.113.24", user_agent="Benchmark",
            request_id=f"request-{number:08d}",
        )
        for number in range(count)
    )  # fmt: skip
    AuditEntry.objects.bulk_create(rows, batch_size=500)
    return {}


def empty() -> dict[str, Any]:
    """Delete events, deliveries and attempts, so that each round starts with empty tables."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(TABLES)}")
            cursor.execute("ANALYZE webhooks_delivery")
        else:
            for table in TABLES:
                cursor.execute(f"DELETE FROM {table}")
    Endpoint.objects.update(failures_in_a_row=0, failing_since=None, health="healthy", status="enabled")
    return {}


def publish(event_type: str, organization: Any) -> tuple[str, float, int]:
    """Publish one event and return its webhook-id, the time after the commit, and the number of deliveries."""
    made = publishing.publish(organization_id=organization, event_type=event_type, data=DATA, publisher="own")
    return Event(pk=made.event_id).public_id, time.time(), made.deliveries


def owners() -> list[Any]:
    return list(Organization.objects.filter(slug__startswith="bench").order_by("slug").values_list("pk", flat=True))


def backlog(events: int, event_type: str) -> dict[str, Any]:
    """Publish a backlog of events, and return the number of deliveries."""
    rows, deliveries = owners(), 0
    for start in range(0, events, 200):
        with transaction.atomic():
            for number in range(start, min(start + 200, events)):
                deliveries += publish(event_type, rows[number % len(rows)])[2]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE webhooks_delivery")
    return {"deliveries": deliveries, "events": events}


def enqueue() -> dict[str, Any]:
    """Send one Celery task for each pending delivery, as the usual implementation does after each commit."""
    keys = [str(key) for key in Delivery.objects.filter(status="pending").values_list("pk", flat=True)]
    for key in keys:
        deliver.delay(key)
    return {"tasks": len(keys)}


def paced(types: list[str], per_second: float, seconds: float) -> dict[str, Any]:
    """Publish events of the types in turn at a steady rate, and return when each was committed."""
    rows, sent = owners(), {}
    started = time.time()
    number = 0
    while (at := started + number / per_second) < started + seconds:
        time.sleep(max(0.0, at - time.time()))
        event_type = types[number % len(types)]
        for owner in rows:
            key, committed_at, deliveries = publish(event_type, owner)
            if deliveries:
                sent[key] = committed_at
                break
        number += 1
    return {"sent": sent}


def single(event_type: str, count: int) -> dict[str, Any]:
    """Publish one event after the other, with pauses that are long enough for the engine to become idle."""
    rows, sent = owners(), {}
    for _number in range(count):
        key, committed_at, _deliveries = publish(event_type, rows[0])
        sent[key] = committed_at
        time.sleep(random.uniform(0.08, 0.22))
    time.sleep(1.0)  # the notifier's thread may still have to send the last wakeup
    return {"sent": sent}


def state() -> dict[str, Any]:
    """Return the number of deliveries in each status, and the number of attempts."""
    rows = Delivery.objects.values_list("status").annotate(n=Count("pk"))
    newest = Delivery.objects.exclude(finished_at=None).order_by("-finished_at").values_list("finished_at", flat=True)
    last = newest.first()
    attempts = Attempt.objects.exclude(finished_at=None).count()
    return {"statuses": dict(rows), "attempts": attempts, "last_finished": last.timestamp() if last else 0.0}


def ids() -> dict[str, Any]:
    """Return the webhook-id and the path of each accepted delivery."""
    rows = Delivery.objects.select_related("event", "endpoint").only("event__id", "endpoint__url", "id")
    return {"accepted": [[each.event.public_id, "/" + each.endpoint.url.split("/", 3)[3]] for each in rows.iterator()]}


def accept(events: int, rounds: int, ways: list[str]) -> dict[str, Any]:
    """Store events in each way in turn, and return for each round the rate and the CPU time per event."""
    owner = owners()[0]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way in ways:
            empty()
            count = events if number else 10  # the first round warms up
            spent = [time.perf_counter(), time.process_time(), server_seconds()]
            for _event in range(count):
                ACCEPT[way](owner)
            after = [time.perf_counter(), time.process_time(), server_seconds()]
            seconds, client, server = (end - begin for begin, end in zip(spent, after, strict=True))
            made = (Event.objects.count(), Delivery.objects.filter(status="pending").count())
            if made != (count, count * 10):
                raise SystemExit(f"{way}: {count} events made {made} rows")
            if number:
                cost = {"client_us": client / count * 1e6, "server_us": server / count * 1e6}
                found[way].append({"per_second": count / seconds, **cost})
    statements = {way: statements_of(way, owner) for way in ways}
    return {"rounds": found, "statements": statements}


def server_seconds() -> float:
    """Return the CPU seconds of this connection's server process, or 0 for SQLite."""
    if connection.vendor != "postgresql":
        return 0.0
    connection.ensure_connection()
    return cpu_seconds_of(connection.connection.info.backend_pid)


def statements_of(way: str, owner: Any) -> int:
    """Return the number of SQL statements that store one event."""
    with CaptureQueriesContext(connection) as captured:
        ACCEPT[way](owner)
    return len(captured)


def in_one_statement(owner: Any) -> None:
    """Store an event as the portal does."""
    publish("bench.accept", owner)


def _matching(owner: Any) -> Any:
    rows = Endpoint.objects.filter(
        organization_id=owner, deleted_at=None, subscriptions__pattern__in=publishing.patterns_for("bench.accept")
    )
    return rows.distinct()


def _event(owner: Any) -> Event:
    now = timezone.now()
    body = publishing.make_body("bench.accept", now, DATA)
    return Event.objects.create(organization_id=owner, type="bench.accept", body=body, publisher="own", created_at=now)


def _delivery(event: Event, endpoint: Endpoint) -> Delivery:
    return Delivery(
        organization_id=event.organization_id, endpoint=endpoint, event=event, event_type=event.type,
        created_at=event.created_at, next_attempt_at=event.created_at,
    )  # fmt: skip


def by_bulk_create(owner: Any) -> None:
    """Store an event with the ORM and ``bulk_create``."""
    with transaction.atomic():
        event = _event(owner)
        Delivery.objects.bulk_create([_delivery(event, each) for each in _matching(owner)])


def by_loop(owner: Any) -> None:
    """Store an event with the ORM, one row at a time."""
    with transaction.atomic():
        event = _event(owner)
        for each in _matching(owner):
            _delivery(event, each).save(force_insert=True)


ACCEPT = {"one statement": in_one_statement, "bulk_create": by_bulk_create, "ORM loop": by_loop}


def many_endpoints(count: int) -> dict[str, Any]:
    """Create very many endpoints of one organization."""
    owner = Organization.objects.get(slug="bench0")
    Endpoint.objects.update(deleted_at=timezone.now())
    rows = [Endpoint(organization=owner, url=f"http://127.0.0.1:9999/{number}") for number in range(count)]
    made = Endpoint.objects.bulk_create(rows, batch_size=50)
    links = [Subscription(organization=owner, endpoint=each, pattern="bench.many") for each in made]
    Subscription.objects.bulk_create(links, batch_size=200)
    return {}


def fan_out_step(events: int) -> dict[str, Any]:
    """Publish events for all endpoints, then create the remaining deliveries, and return how long both take."""
    empty()
    owner, accepted = owners()[0], []
    for _event_number in range(events):
        started = time.perf_counter()
        deliveries = publish("bench.many", owner)[2]
        accepted.append((time.perf_counter() - started) * 1000)
    started = time.perf_counter()
    fan_out.finish_fan_outs()
    finish_ms = (time.perf_counter() - started) * 1000 / events
    distinct = Delivery.objects.values("event", "endpoint").distinct().count()
    return {"accept_ms": sorted(accepted)[events // 2], "finish_ms": finish_ms, "endpoints": deliveries,
            "deliveries": Delivery.objects.count(), "distinct": distinct}  # fmt: skip


def claim_all(threads: int) -> dict[str, Any]:
    """Claim and finish all due deliveries in concurrent threads."""
    taken: list[Any] = []

    def work() -> None:
        empty_handed = 0
        while empty_handed < 20:
            claimed = claims.claim(100)
            empty_handed = 0 if claimed else empty_handed + 1
            taken.extend(each.id for each in claimed)
            claims.finish([claims.Result(each, "succeeded") for each in claimed])
            time.sleep(0 if claimed else 0.05)
        connections.close_all()

    started = time.perf_counter()
    running = [threading.Thread(target=work) for _ in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    seconds = time.perf_counter() - started
    return {"claimed": len(taken), "distinct": len(set(taken)), "seconds": round(seconds, 1)}


STEPS = {"fan_out": fan_out_step} | {
    each.__name__: each
    for each in (migrate, endpoints, empty, backlog, enqueue, paced, single, state, ids, accept, many_endpoints,
                 claim_all, sign_in, changes)
}  # fmt: skip

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](**json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}"))))
