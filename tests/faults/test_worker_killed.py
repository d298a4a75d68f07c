"""Workers that die or are told to stop, as real processes: nothing is lost, repeats carry the same id."""

import signal
import time
from typing import Any

import pytest

from apps.orgs.models import Organization
from apps.webhooks.models import Attempt, Delivery, Endpoint
from tests import receivers
from tests.engines import LOOPBACK, make_endpoint, publish, statuses
from tests.faults.processes import wait_until, was_killed, worker
from tests.receivers import Receiver
from tests.servers import sigint_ignored

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

BEFORE_SENDING = ("after_claim", "before_send")
WHILE_OR_AFTER_SENDING = ("in_flight", "after_response", "before_record")


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK


@pytest.mark.parametrize("point", (*BEFORE_SENDING, *WHILE_OR_AFTER_SENDING))
def test_a_killed_worker_loses_nothing(acme: Organization, point: str) -> None:
    behaviour = receivers.slow(0.3) if point == "in_flight" else receivers.ok
    with Receiver(behaviour) as receiver:
        make_endpoint(acme, receiver.url)
        publish(acme)
        with worker(PORTAL_CRASH_AT=point) as killed:
            assert was_killed(killed)
        assert statuses(acme) == ["sending"]
        with worker() as second:
            wait_until(lambda: statuses(acme) == ["succeeded"])
            second.send_signal(signal.SIGTERM)
            assert second.wait(15) == 0
        sent = 2 if point in WHILE_OR_AFTER_SENDING else 1
        wait_until(lambda: len(receiver.requests) == sent)
        assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1
    delivery = Delivery.objects.get()
    lost = list(Attempt.objects.filter(error="shutdown").values_list("hint", flat=True))
    assert (lost, delivery.uncounted_attempts) == (["lost"], 1)
    assert Endpoint.objects.get().failures_in_a_row == 0


def test_a_worker_killed_after_the_record_repeats_nothing(acme: Organization) -> None:
    with Receiver() as receiver:
        make_endpoint(acme, receiver.url)
        publish(acme)
        with worker(PORTAL_CRASH_AT="after_record") as killed:
            assert was_killed(killed)
        assert statuses(acme) == ["succeeded"] and Attempt.objects.get().error == ""
        with worker("--once") as second:
            assert second.wait(30) == 0
        assert len(receiver.requests) == 1


def test_the_signal_that_a_script_has_ignored_ends_a_worker(acme: Organization) -> None:
    with Receiver() as receiver:
        make_endpoint(acme, receiver.url)
        publish(acme)
        with sigint_ignored(), worker() as started:
            wait_until(lambda: statuses(acme) == ["succeeded"])
            started.send_signal(signal.SIGINT)
            assert started.wait(15) == 0


def test_a_short_grace_gives_back_what_is_in_flight(acme: Organization) -> None:
    with Receiver(receivers.slow(5)) as receiver:
        make_endpoint(acme, receiver.url)
        publish(acme)
        with worker("--grace", "0.2", WEBHOOK_TIMEOUT="10") as stopped:
            wait_until(lambda: len(receiver.requests) == 1)
            began = time.monotonic()
            stopped.send_signal(signal.SIGTERM)
            assert stopped.wait(15) == 0 and time.monotonic() - began < 4
        assert statuses(acme) == ["pending"]
        assert Delivery.objects.get().uncounted_attempts == 1


def test_sigterm_lets_deliveries_in_flight_finish(acme: Organization) -> None:
    with Receiver(receivers.slow(0.7)) as receiver:
        make_endpoint(acme, receiver.url)
        publish(acme)
        with worker() as process:
            wait_until(lambda: len(receiver.requests) == 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        assert statuses(acme) == ["succeeded"] and len(receiver.requests) == 1


def test_once_delivers_what_is_due_and_returns(acme: Organization) -> None:
    with Receiver() as receiver:
        make_endpoint(acme, receiver.url)
        for _event in range(20):
            publish(acme)
        with worker("--once") as process:
            assert process.wait(30) == 0
        assert statuses(acme) == ["succeeded"] * 20 and len(receiver.requests) == 20
