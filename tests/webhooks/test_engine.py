"""The engine end to end, against real receivers on loopback."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook

from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.engine.loop import Engine
from apps.webhooks.models import Attempt, Delivery, Endpoint
from tests import receivers
from tests.engines import LOOPBACK, developer, engine, make_endpoint, publish, statuses
from tests.receivers import Receiver, closed_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    settings.WEBHOOK_TIMEOUT = 2


@pytest.fixture
def running() -> Iterator[Callable[..., Engine]]:
    """Starts engines on threads and stops them at the end."""
    started: list[tuple[Engine, threading.Thread]] = []

    def start(**options: Any) -> Engine:
        made = engine(**options)
        thread = threading.Thread(target=made.run_forever)
        thread.start()
        started.append((made, thread))
        return made

    yield start
    for made, thread in started:
        made.stop()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_delivery_arrives_signed_and_is_recorded(acme: Organization, receiver: Receiver) -> None:
    endpoint, secret = actions.create_endpoint(
        actor=developer(acme), url=receiver.url, event_types=["*"], headers={"X-Team": "blue"}
    )
    accepted = publish(acme, data={"order_id": "1", "status": "é€", "n": 1.1})
    assert engine().run_until_idle()["succeeded"] == 1
    (request,) = receiver.requests
    assert Webhook(secret).verify(request.body, request.headers) == json.loads(request.body)
    delivery = Delivery.objects.get()
    assert request.body.decode() == delivery.event.body
    assert request.headers["webhook-id"] == delivery.event.public_id
    assert request.headers["x-team"] == "blue" and request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("IntegrationsPortal/")
    assert (request.headers["accept"], request.headers["accept-encoding"]) == ("*/*", "identity")
    attempt = Attempt.objects.get()
    assert (delivery.status, delivery.pk, attempt.status_code) == ("succeeded", attempt.delivery_id, 200)
    assert (attempt.address, attempt.response_body) == ("127.0.0.1", "ok")
    assert attempt.request_headers["X-Team"] == "••••" and "blue" not in json.dumps(attempt.request_headers)
    assert attempt.request_headers["webhook-signature"] == request.headers["webhook-signature"]
    assert accepted.event_id == delivery.event_id
    endpoint.refresh_from_db()
    assert endpoint.last_success_at is not None


def test_an_accept_header_of_the_organization_takes_the_place_of_ours(acme: Organization, receiver: Receiver) -> None:
    actions.create_endpoint(
        actor=developer(acme), url=receiver.url, event_types=["*"], headers={"Accept": "application/json"}
    )
    publish(acme)
    engine().run_until_idle()
    lines = [line.lower() for line in receiver.requests[0].header_lines]
    assert [line for line in lines if line.startswith(b"accept:")] == [b"accept: application/json"]


def test_a_rotation_signs_with_both_secrets_newest_first(acme: Organization, receiver: Receiver) -> None:
    endpoint, old = actions.create_endpoint(actor=developer(acme), url=receiver.url, event_types=["*"])
    _endpoint, new = actions.rotate_secret(actor=developer(acme), endpoint_id=endpoint.public_id, overlap_seconds=60)
    publish(acme)
    engine().run_until_idle()
    (request,) = receiver.requests
    for secret in (old, new):
        Webhook(secret).verify(request.body, request.headers)
    newest = {**request.headers, "webhook-signature": request.headers["webhook-signature"].split(" ")[0]}
    Webhook(new).verify(request.body, newest)


def test_a_failure_is_tried_again_within_the_schedule(acme: Organization, receiver: Receiver) -> None:
    receiver.behaviour = receivers.status(503, ("Retry-After", "100"))
    make_endpoint(acme, receiver.url)
    publish(acme)
    assert engine().run_until_idle()["failed"] == 1
    delivery, attempt = Delivery.objects.get(), Attempt.objects.get()
    wait = (delivery.next_attempt_at - attempt.started_at).total_seconds()
    assert 99 < wait < 103 and delivery.next_attempt_reason == "retry_after"
    assert (delivery.status, delivery.last_status_code, attempt.error) == ("pending", 503, "http_error")


def test_the_last_attempt_exhausts(acme: Organization, settings: Any) -> None:
    settings.WEBHOOK_RETRY_SCHEDULE = (0, 0)
    make_endpoint(acme, f"http://127.0.0.1:{closed_port()}/")
    publish(acme)
    for _round in range(5):
        engine().run_until_idle()
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempt_count) == ("exhausted", 3)
    assert set(Attempt.objects.values_list("error", flat=True)) == {"connection_failed"}


def test_a_refused_address_counts_and_shows_nothing(acme: Organization, settings: Any) -> None:
    make_endpoint(acme, "http://127.0.0.1:9999/x")
    publish(acme)
    settings.WEBHOOK_ALLOW_CIDRS = ()
    Engine("strict").run_until_idle()
    attempt = Attempt.objects.get()
    assert (attempt.error, attempt.address, attempt.duration_ms) == ("connection_failed", "", None)
    assert set(attempt.timings_ms.values()) == {None}
    assert Endpoint.objects.get().failures_in_a_row == 1


def test_a_gone_receiver_is_disabled_at_once(acme: Organization, receiver: Receiver) -> None:
    receiver.behaviour = receivers.status(410)
    endpoint = make_endpoint(acme, receiver.url)
    publish(acme)
    engine().run_until_idle()
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.disabled_reason) == ("disabled", "gone")
    assert statuses(acme) == ["held"]
    assert publish(acme).deliveries == 1
    assert statuses(acme) == ["held", "held"]


def test_a_test_send_is_one_attempt_and_not_in_health(acme: Organization, receiver: Receiver) -> None:
    receiver.behaviour = receivers.status(410)
    endpoint = make_endpoint(acme, receiver.url)
    actions.pause_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id)
    delivery = actions.send_test(actor=developer(acme), endpoint_id=endpoint.public_id)
    engine().run_until_idle()
    delivery.refresh_from_db()
    endpoint.refresh_from_db()
    assert (delivery.status, delivery.attempt_count) == ("exhausted", 1)
    assert (endpoint.status, endpoint.failures_in_a_row) == ("paused", 0)


def test_a_notification_wakes_a_running_engine(
    acme: Organization, receiver: Receiver, running: Callable[..., Engine]
) -> None:
    made = running()
    made._poll_seconds = 60.0
    make_endpoint(acme, receiver.url)
    time.sleep(0.3)
    publish(acme)
    wait_until(lambda: len(receiver.requests) == 1, 2.0)
    wait_until(lambda: statuses(acme) == ["succeeded"])


def test_a_hanging_endpoint_does_not_delay_another(
    acme: Organization, receiver: Receiver, running: Callable[..., Engine]
) -> None:
    with Receiver(receivers.silence) as hanging:
        make_endpoint(acme, hanging.url, "*")
        make_endpoint(acme, receiver.url, "*")
        for _event in range(30):
            publish(acme)
        running()
        wait_until(lambda: len(receiver.requests) == 30, 1.9)


def test_a_graceful_stop_waits_then_gives_back(
    acme: Organization, receiver: Receiver, running: Callable[..., Engine]
) -> None:
    receiver.behaviour = receivers.slow(0.5)
    with Receiver(receivers.silence) as hanging:
        make_endpoint(acme, receiver.url, "order.created")
        make_endpoint(acme, hanging.url, "order.created")
        publish(acme)
        made = running(grace_seconds=1.0)
        wait_until(lambda: len(receiver.requests) == 1 and len(hanging.requests) == 1)
        made.stop()
        wait_until(lambda: statuses(acme) == ["pending", "succeeded"], 3.0)
    attempt = Attempt.objects.get(error="shutdown")
    delivery = attempt.delivery
    assert (delivery.attempt_count, delivery.uncounted_attempts, delivery.next_attempt_reason) == (1, 1, "shutdown")
    assert set(Endpoint.objects.values_list("failures_in_a_row", flat=True)) == {0}


def test_two_engines_deliver_each_event_once(
    acme: Organization, receiver: Receiver, running: Callable[..., Engine]
) -> None:
    make_endpoint(acme, receiver.url, max_in_flight=64)
    running()
    running()
    accepted = {publish(acme).event_id for _event in range(200)}
    wait_until(lambda: statuses(acme) == ["succeeded"] * 200, 30.0)
    assert len(receiver.requests) == len(accepted) == len({each.headers["webhook-id"] for each in receiver.requests})


def test_a_database_that_fails_for_a_while_is_survived(
    acme: Organization, receiver: Receiver, running: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    from apps.webhooks.engine import claims

    real, failures = claims.finish, [3]

    def finish(results: list[Any]) -> Any:
        if failures[0]:
            failures[0] -= 1
            raise OperationalError("the server closed the connection unexpectedly")
        return real(results)

    monkeypatch.setattr(claims, "finish", finish)
    make_endpoint(acme, receiver.url)
    publish(acme)
    running()
    wait_until(lambda: statuses(acme) == ["succeeded"])
    assert len(receiver.requests) == 1 and failures == [0]
