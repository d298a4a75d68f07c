"""Redis flushed again and again, then stopped, under load: nothing is lost and nobody is refused (promise 3)."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.orgs.models import Organization
from apps.webhooks.models import Delivery, Event
from tests.engines import LOOPBACK, make_endpoint
from tests.faults.processes import wait_until, web, worker
from tests.receivers import Receiver
from tests.servers import RedisServer, redis_server

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

SECONDS, PER_SECOND = 7.0, 50
STOP_AFTER, STOPPED_SECONDS = 3.0, 2.0
SLOWEST_OF_A_HUNDRED = 0.5


def disturb(redis: RedisServer) -> None:
    """Flush five times, then stop it for a while."""
    for _ in range(5):
        time.sleep(STOP_AFTER / 5)
        redis.command("FLUSHALL")
    redis.stop()
    time.sleep(STOPPED_SECONDS)
    redis.start()


def test_redis_is_only_a_hint(acme: Organization, make_key: Callable[..., Any], settings: Any, tmp_path: Path) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    # A type without limits: what is refused here is refused because of Redis.
    key = make_key(acme, "events:write", type="internal").text
    with Receiver() as receiver, redis_server(tmp_path) as redis:
        make_endpoint(acme, receiver.url)
        urls = {"REDIS_URL": redis.url, "CELERY_BROKER_URL": redis.url}
        with web(**urls) as portal, worker(**urls):
            portal.publish(key, "warm")
            trouble = threading.Thread(target=disturb, args=(redis,))
            trouble.start()
            answers, sent = [], 0
            started = time.monotonic()
            while time.monotonic() - started < SECONDS:
                time.sleep(max(0.0, started + sent / PER_SECOND - time.monotonic()))
                answers.append(portal.publish(key, f"event-{sent}"))
                sent += 1
            trouble.join()
            wait_until(lambda: not Delivery.objects.exclude(status="succeeded").exists())
        received = Counter(each.headers["webhook-id"] for each in receiver.requests)
    assert Counter(status for status, _seconds in answers) == {202: sent}
    events = Event.objects.filter(type="order.created")
    assert set(received) == {each.public_id for each in events} and len(received) == sent + 1
    slowest = sorted(seconds for _status, seconds in answers)[int(len(answers) * 0.99)]
    assert slowest < SLOWEST_OF_A_HUNDRED
