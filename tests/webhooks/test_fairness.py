"""Receivers that hang or fail do not starve those that answer."""

import threading
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from apps.orgs.models import Organization
from apps.webhooks.engine import claims
from apps.webhooks.engine.concurrency_slots import MAX_ENDPOINT_SHARE, SLOW_SECONDS, ConcurrencySlots
from apps.webhooks.engine.loop import MAX_IN_FLIGHT, Engine
from apps.webhooks.engine.sender import Sender
from apps.webhooks.models import Delivery, Endpoint
from tests import receivers
from tests.engines import LOOPBACK, add_deliveries, make_endpoint, publish
from tests.receivers import Receiver
from tests.senders import LOCAL

HANGING = 25
TYPES = ("order.created", "order.updated", "order.cancelled", "invoice.paid", "user.created")


def fail(endpoints: list[Endpoint], failures: int = 3) -> None:
    Endpoint.objects.filter(pk__in=[each.pk for each in endpoints]).update(failures_in_a_row=failures)


def many(organization: Organization, name: str, count: int, each: int = 16, **values: Any) -> list[Endpoint]:
    made = [make_endpoint(organization, f"https://{name}{number}.example.com", **values) for number in range(count)]
    for endpoint in made:
        add_deliveries(endpoint, each, age_seconds=60)
    return made


@pytest.mark.django_db
def test_the_first_claim_of_many_backlogs_leaves_places_free(acme: Organization, rival: Organization) -> None:
    for owner, name in ((acme, "a"), (rival, "b")):
        many(owner, name, 12)
    claimed = claims.claim(320, MAX_ENDPOINT_SHARE)
    assert 200 < len(claimed) < 320
    late = make_endpoint(rival, "https://late.example.com")
    add_deliveries(late, 1)
    again = claims.claim(320 - len(claimed), MAX_ENDPOINT_SHARE)
    assert [each.endpoint.id for each in again if each.endpoint.id == late.pk] == [late.pk]
    assert len(claimed) + len(again) < 320


@pytest.mark.django_db
def test_what_fails_has_four_in_flight_and_a_part_of_the_claim(acme: Organization) -> None:
    failing = many(acme, "failing", 10)
    fail(failing)
    healthy = many(acme, "healthy", 2, 6)
    claimed = claims.claim(100, slow_limit=12)
    counts = Counter(each.endpoint.id for each in claimed)
    assert sum(counts[each.pk] for each in failing) == 12
    assert [counts[each.pk] for each in healthy] == [6, 6]
    assert {each.endpoint.is_struggling for each in claimed if each.endpoint.id in {one.pk for one in failing}} == {
        True
    }
    claims.claim(100)
    flying = Counter(Delivery.objects.filter(status="sending").values_list("endpoint_id", flat=True))
    assert {flying[each.pk] for each in failing} == {4}


@pytest.mark.django_db
def test_what_is_named_slow_gets_no_more_than_is_left_for_it(acme: Organization) -> None:
    slow, quick = many(acme, "slow", 3), many(acme, "quick", 3, 2)
    keys = {each.pk for each in slow}
    assert {each.endpoint.id for each in claims.claim(60, 1.0, keys, 0)} == {each.pk for each in quick}
    assert {each.endpoint.id in keys for each in claims.claim(60, 1.0, keys, 5)} == {True}
    assert Delivery.objects.filter(status="sending", endpoint__in=slow).count() == 5


@pytest.mark.django_db
def test_one_success_gives_a_failing_endpoint_its_share_back(acme: Organization) -> None:
    (endpoint,) = many(acme, "e", 1)
    fail([endpoint], 9)
    assert len(claims.claim(100)) == 4
    fail([endpoint], 0)
    assert len(claims.claim(100)) == 12


@pytest.mark.pure
def test_places_keep_room_for_newcomers_and_tell_who_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    slots = ConcurrencySlots(100)

    def ask(endpoint: int, count: int, is_struggling: bool = False) -> list[Any]:
        snapshot = SimpleNamespace(id=endpoint, is_struggling=is_struggling)
        made = [type("Claimed", (), {"endpoint": snapshot})() for _number in range(count)]
        slots.add(made, clock[0])
        started = []
        for _at, each in slots.pop_startable():
            slots.start(each)
            started.append(each)
        return started

    for endpoint in range(10):
        ask(endpoint, 20)
    assert ask(99, 1), "a newcomer finds a slot however many hang"
    assert slots.slow_endpoints() == set()
    clock[0] += SLOW_SECONDS + 0.1
    assert slots.slow_endpoints() == {*range(10), 99} and slots.slow_slots_left(slots.slow_endpoints()) == 0
    list(slots.pop_waiting())
    fresh = ConcurrencySlots(100)
    slots = fresh
    started = ask(1, 3, is_struggling=True)
    assert fresh.slow_slots_left(set()) == 37
    for each in started:
        fresh.release(each)
        fresh.release(each)
    assert (len(fresh), fresh.slow_slots_left(set())) == (0, 40)


@pytest.mark.django_db(transaction=True)
def test_many_hanging_endpoints_do_not_delay_those_that_answer(
    acme: Organization, rival: Organization, receiver: Receiver, settings: Any
) -> None:
    """25 endpoints hang with a backlog that would fill every slot of the one worker."""
    settings.WEBHOOK_ALLOW_CIDRS, settings.WEBHOOK_TIMEOUT = LOOPBACK, 20
    with Receiver(receivers.silence) as hanging:
        for number in range(HANGING):
            made = make_endpoint((acme, rival)[number % 2], f"{hanging.url}{number}", "appointment.booked")
            add_deliveries(made, 20, age_seconds=60)
        for number, event_type in enumerate(TYPES):
            make_endpoint(rival, f"{receiver.url}{number}", event_type)
        made = Engine("test", sender=Sender(max_in_flight=MAX_IN_FLIGHT, policy=LOCAL), grace_seconds=0.1)
        thread = threading.Thread(target=made.run_forever)
        thread.start()
        try:
            waits = publish_steadily(rival, receiver, 120)
        finally:
            made.stop()
            thread.join(20)
        assert len(hanging.requests) > 5 * HANGING
    assert sorted(waits)[int(len(waits) * 0.99)] < 2.0


def publish_steadily(organization: Organization, receiver: Receiver, count: int) -> list[float]:
    """Publish 50 a second and return how long each took to arrive."""
    sent, came, deadline = [], 0, time.monotonic() + 15
    waits: list[float] = []
    while len(waits) < count and time.monotonic() < deadline:
        if len(sent) < count:
            publish(organization, TYPES[len(sent) % len(TYPES)])
            sent.append(time.monotonic())
        time.sleep(0.02)
        came = len(receiver.requests)
        waits += [time.monotonic() - sent[number] for number in range(len(waits), min(came, len(sent)))]
    assert len(waits) == count, f"{came} of {count} arrived"
    return waits
