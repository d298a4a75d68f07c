"""Under load, with workers that are killed or frozen: all that was accepted arrives, repeats carry the same id.

Promises 1, 4 and 6, short forms; the long forms are benchmarks/losses.py.
"""

import random
import signal
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import transaction

from apps.base.identifiers import encode
from apps.orgs.models import Organization
from apps.webhooks.models import Delivery
from tests.engines import LOOPBACK, make_endpoint, publish
from tests.faults.processes import wait_until, worker
from tests.receivers import Receiver, slow

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

SECONDS, PER_SECOND, KILL_EVERY_SECONDS = 6.0, 50, 1.0
LARGEST_IN_FLIGHT = 32


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK


def ids(receiver: Receiver) -> Counter[str]:
    return Counter(each.headers["webhook-id"] for each in receiver.requests)


def all_delivered() -> bool:
    return not Delivery.objects.exclude(status="succeeded").exists()


def test_killing_workers_under_load_loses_nothing(acme: Organization) -> None:
    accepted, kills = [], 0
    with Receiver(slow(0.02)) as receiver, ExitStack() as running:
        for _endpoint in range(2):
            make_endpoint(acme, receiver.url)
        workers = [running.enter_context(worker()) for _ in range(2)]
        started, kill_at = time.monotonic(), KILL_EVERY_SECONDS
        while (now := time.monotonic() - started) < SECONDS:
            accepted.append(encode("evt", publish(acme).event_id))
            if now > kill_at:
                number = random.randrange(2)
                workers[number].kill()
                workers[number] = running.enter_context(worker())
                kills, kill_at = kills + 1, kill_at + KILL_EVERY_SECONDS
            time.sleep(1 / PER_SECOND)
        wait_until(all_delivered, 40)
        received = ids(receiver)
    assert kills >= 4 and len(accepted) > 100
    assert set(received) == set(accepted)
    repeats = sum(received.values()) - 2 * len(accepted)
    assert 0 <= repeats <= kills * LARGEST_IN_FLIGHT


def test_a_frozen_and_killed_worker_loses_nothing(acme: Organization) -> None:
    with Receiver(slow(0.6)) as receiver:
        make_endpoint(acme, receiver.url)
        with worker() as frozen:
            first = {encode("evt", publish(acme).event_id) for _ in range(10)}
            wait_until(lambda: len(receiver.requests) >= 1)
            # On SQLite a process frozen while it writes keeps all writers waiting, so it is frozen while we write.
            with transaction.atomic():
                frozen.send_signal(signal.SIGSTOP)
                time.sleep(0.1)
            second = {encode("evt", publish(acme).event_id) for _ in range(10)}
            time.sleep(0.5)
            frozen.kill()
        killed_at = time.monotonic()
        with worker():
            wait_until(all_delivered)
        # The lease is two seconds here, and the sweep for ended ones runs every five.
        assert time.monotonic() - killed_at < 2 + 5 + 5
        assert set(ids(receiver)) == first | second


def test_without_a_fault_nothing_is_repeated(acme: Organization) -> None:
    with Receiver() as receiver, worker(), worker():
        make_endpoint(acme, receiver.url)
        accepted = [encode("evt", publish(acme).event_id) for _ in range(400)]
        wait_until(all_delivered)
        assert ids(receiver) == Counter(accepted)
