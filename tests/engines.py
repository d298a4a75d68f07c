"""Make endpoints, events and many deliveries, and run threads or a delivery engine on loopback."""

import fcntl
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from django.db import connections
from django.utils import timezone

from apps.base.actor import Actor, system
from apps.orgs.models import Organization
from apps.webhooks import actions, publishing
from apps.webhooks.engine.claims import ClaimedDelivery, Result
from apps.webhooks.engine.loop import Engine
from apps.webhooks.engine.sender import Sender
from apps.webhooks.models import Delivery, Endpoint
from tests.senders import LOCAL

CROWD = 16  # threads, each with a connection of its own
LOOPBACK = ((ip_network("127.0.0.0/8"), None),)
DATA = {"order_id": "ORD-1", "status": "placed"}
HOOK = "https://hooks.example.com/in"


def make_endpoint(organization: Organization, url: str = HOOK, *patterns: str, **values: Any) -> Endpoint:
    endpoint, _secret = actions.create_endpoint(
        actor=system(organization.pk), url=url, event_types=patterns or ("order.*",), **values
    )
    return endpoint


def publish(organization: Organization, event_type: str = "order.created", **values: Any) -> publishing.PublishedEvent:
    values.setdefault("data", DATA)
    return publishing.publish(organization_id=organization.pk, event_type=event_type, publisher="own", **values)


def statuses(organization: Organization) -> list[str]:
    return sorted(Delivery.objects.filter(organization=organization).values_list("status", flat=True))


def add_deliveries(endpoint: Endpoint, count: int, *, tries: int = 0, age_seconds: float = 1, **values: Any) -> None:
    """Create due deliveries of one event in bulk."""
    event = publish(endpoint.organization, "invoice.created", data={})
    moment = timezone.now() - timedelta(seconds=age_seconds)
    base = {
        "organization_id": endpoint.organization_id, "endpoint": endpoint, "event_id": event.event_id,
        "event_type": "invoice.created", "created_at": moment, "next_attempt_at": moment, "attempt_count": tries,
    }  # fmt: skip
    Delivery.objects.bulk_create([Delivery(**{**base, **values}) for _ in range(count)], batch_size=100)


def result_of(claimed: ClaimedDelivery, status: str = "succeeded", **values: Any) -> Result:
    return Result(claimed, status, **values)


def engine(**options: Any) -> Engine:
    return Engine("test", sender=Sender(max_in_flight=64, policy=LOCAL), poll_seconds=0.02, **options)


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run ``work(number)`` in so many threads at once and return what they returned; raise what one raised."""
    with only_crowd(count):
        return _in_threads(count, work)


@contextmanager
def only_crowd(count: int) -> Iterator[None]:
    """Let runs beside this one (xdist's workers) have no crowd meanwhile: a database takes so many connections."""
    if count < CROWD:
        yield
        return
    with open(os.path.join(tempfile.gettempdir(), f"portal-tests-crowd-{os.getuid()}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    barrier, results, errors = threading.Barrier(count), [], []

    def run(number: int) -> None:
        try:
            barrier.wait(10)
            results.append(work(number))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
    return results


def flat(lists: Iterable[Iterable[Any]]) -> list[Any]:
    return [item for each in lists for item in each]


def developer(organization: Organization) -> Actor:
    return system(organization.pk)
