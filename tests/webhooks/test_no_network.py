"""Whose fault it is, on real sockets: hosts that refuse, names that are gone, and nothing at all coming back."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.base.outbound import CaresResolver
from apps.orgs.models import Organization
from apps.webhooks.engine.loop import Engine
from apps.webhooks.engine.recording import MAX_NO_NETWORK_WAIT_SECONDS, MIN_NO_NETWORK_WAIT_SECONDS
from apps.webhooks.engine.sender import Sender
from apps.webhooks.models import Delivery, Endpoint, EngineTotal
from apps.webhooks.stats import counters
from tests.engines import LOOPBACK, make_endpoint, publish
from tests.name_server import SERVER_FAILURE, NameServer
from tests.receivers import closed_port, full_backlog
from tests.senders import LOCAL, request
from tests.senders import run_until_idle as wait_for

pytestmark = pytest.mark.django_db(transaction=True)
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


@pytest.fixture
def names(settings) -> Iterator[NameServer]:
    settings.WEBHOOK_TIMEOUT = 1
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    with NameServer() as server:
        yield server


def run_until_idle(names: NameServer) -> dict[str, int]:
    resolver = CaresResolver([names.server])
    return Engine(
        "test", sender=Sender(max_in_flight=64, policy=LOCAL, resolver=resolver), poll_seconds=0.02
    ).run_until_idle()


def due_again() -> None:
    Delivery.objects.update(next_attempt_at=Now())
    Endpoint.objects.update(last_success_at=Now() - timedelta(minutes=5))


def known_endpoints(organization: Organization, *urls: str) -> None:
    """Endpoints that took deliveries today."""
    for url in urls:
        make_endpoint(organization, url)
    Endpoint.objects.update(last_success_at=Now() - timedelta(minutes=5))
    publish(organization)


def reasons() -> set[str]:
    return set(Delivery.objects.values_list("next_attempt_reason", flat=True))


def test_hosts_that_refuse_the_connection_are_reached(acme: Organization, names: NameServer) -> None:
    known_endpoints(acme, *(f"http://{host}:{closed_port()}/" for host in HOSTS))
    for _number in range(2):
        done = run_until_idle(names)
        assert (done["failed"], done["uncounted"], reasons()) == (3, 0, {"retry"})
        due_again()
    assert set(Endpoint.objects.values_list("failures_in_a_row", flat=True)) == {2}


def test_names_that_do_not_exist_are_an_answer(acme: Organization, names: NameServer) -> None:
    names.records["empty.example"] = []
    known_endpoints(acme, *(f"https://{name}.example/" for name in ("one", "two", "three", "empty")))
    done = run_until_idle(names)
    assert (done["failed"], done["uncounted"], reasons()) == (4, 0, {"retry"})


def test_one_host_that_refuses_proves_the_network(acme: Organization, names: NameServer) -> None:
    names.codes = dict.fromkeys(("one.example", "two.example", "three.example"), SERVER_FAILURE)
    known_endpoints(acme, *(f"https://{name}/" for name in names.codes), f"http://127.0.0.1:{closed_port()}/")
    assert run_until_idle(names)["uncounted"] == 0


def test_without_any_answer_the_waits_grow_and_operators_are_told(
    acme: Organization, names: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The first two attempts to end may still count: three silent hosts are the proof."""
    caplog.set_level(logging.WARNING)
    with ExitStack() as stack:
        hosts = (*HOSTS, "127.0.0.4", "127.0.0.5")
        known_endpoints(acme, *(f"http://{host}:{stack.enter_context(full_backlog(host))}/" for host in hosts))
        for uncounted, expected in ((1, 2 * MIN_NO_NETWORK_WAIT_SECONDS), (20, MAX_NO_NETWORK_WAIT_SECONDS)):
            Delivery.objects.update(attempt_count=uncounted, uncounted_attempts=uncounted, next_attempt_at=Now())
            assert run_until_idle(names)["uncounted"] >= 3
            for delivery in Delivery.objects.filter(next_attempt_reason="no_network").annotate(now=Now()):
                wait = (delivery.next_attempt_at - delivery.now).total_seconds()
                assert expected * 0.8 - 5 < wait < expected * 1.2
    logged = [record for record in caplog.records if "no network" in record.getMessage()]
    assert len(logged) == 2, "one line for each of the two workers"
    counters.flush()
    assert EngineTotal.objects.get(name="uncounted:no_network").value >= 6


def test_a_refusal_is_not_remembered_on_a_handle_that_is_used_again() -> None:
    sender = Sender(max_in_flight=1, policy=LOCAL)
    answered = []
    with full_backlog() as port:
        for url in (f"http://127.0.0.1:{closed_port()}/", f"http://127.0.0.1:{port}/"):
            sender.submit(request(url, timeout_ms=300))
            answered += [each.has_network_response for each in wait_for(sender)]
    sender.close()
    assert answered == [True, False]
