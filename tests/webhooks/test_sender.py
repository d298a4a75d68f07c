"""Many requests on one loop: exact bytes, deadlines, look-ups, shutdown, reuse of connections."""

import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.base.outbound import CaresResolver, HeaderRefused, check_header
from apps.webhooks.engine.sender import OutboundRequest
from tests import receivers
from tests.name_server import NameServer
from tests.receivers import Received, Receiver, after, ok, raw
from tests.senders import BODY, HEADERS, request, run_until_idle, send, send_among

pytestmark = pytest.mark.pure


def test_the_receiver_gets_exactly_the_planned_bytes(make_sender, receiver) -> None:
    send(make_sender(), receiver.url + "/../x?a[]=1&b=%20")
    (received,) = receiver.requests
    assert received.head.split(b"\r\n") == [
        b"POST /hook/../x?a[]=1&b=%20 HTTP/1.1",
        f"Host: 127.0.0.1:{receiver.port}".encode(),
        b"webhook-id: evt_1",
        b"content-type: application/json",
        b"user-agent: IntegrationsPortal/1",
        b"Content-Length: 24",
    ]
    assert received.body == BODY


def test_nothing_is_added_to_a_request_without_headers(make_sender, receiver) -> None:
    sender = make_sender()
    sender.submit(OutboundRequest(1, receiver.url, [], b""))
    assert run_until_idle(sender)[0].error is None
    assert [line.partition(b":")[0] for line in receiver.requests[0].header_lines] == [
        b"Host",
        b"Content-Length",
    ]


_header_text = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "Host",
            "Transfer-Encoding",
            "Content-Length",
            "x\r\nHost",
            "X\0",
            "a\r\n b",
            "chunked",
            "te",
            "X-A",
            "v",
        ]
    ),
)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=_header_text, value=_header_text)
def test_no_custom_header_can_add_another_line(make_sender, receiver, name: str, value: str) -> None:
    receiver.requests.clear()
    sender = make_sender()
    sender.submit(OutboundRequest(1, receiver.url, [*HEADERS, (name, value)], BODY))
    (outcome,) = run_until_idle(sender)
    sender.close()
    try:
        check_header(name, value)
    except HeaderRefused:
        # Refused when it is saved. What still gets here is either sent as one harmless line or not at all.
        assert len(receiver.requests) == 0 or len(receiver.requests[0].header_lines) == 6
    else:
        assert outcome.error is None
        assert f"{name}: {value}".encode() in receiver.requests[0].header_lines
    for received in receiver.requests:
        assert received.body == BODY and len(received.header_lines) == 6


def test_the_look_up_counts_in_the_limit_and_blocks_nobody(make_sender, receiver) -> None:
    with NameServer() as names:
        names.stalled = {"s.example"}
        sender = make_sender(resolver=CaresResolver([names.server]))
        for token in range(50):
            sender.submit(request("https://s.example/", ("stalled", token), 700))
        started = time.monotonic()
        assert send_among(sender, receiver.url).error is None
        assert sender.in_flight == 50
        outcomes = run_until_idle(sender)
        assert time.monotonic() - started < 4  # a look-up alone would end after five
        assert {(each.error, each.hint) for each in outcomes} == {("timed_out", "dns_timed_out")} and len(
            outcomes
        ) == 50


def test_many_in_flight_are_not_held_up_by_slow_ones(make_sender, receiver) -> None:
    may_answer = threading.Event()
    with Receiver(after(may_answer)) as slow_receiver:
        sender = make_sender(max_in_flight=64)
        for number in range(32):
            sender.submit(request(slow_receiver.url, ("slow", number), 20_000))
        for number in range(200):
            while sender.in_flight >= 64:
                assert {(outcome.error, outcome.token[0]) for outcome in sender.poll(0.1)} <= {(None, "fast")}
            sender.submit(request(receiver.url, ("fast", number), 10_000))
        assert len(receiver.requests) > 150
        may_answer.set()
        assert [outcome for outcome in run_until_idle(sender) if outcome.error is not None] == []
        assert len(slow_receiver.requests) == 32 and len(receiver.requests) == 200


def test_more_than_allowed_in_flight_is_the_callers_mistake(make_sender, receiver) -> None:
    sender = make_sender(max_in_flight=1)
    sender.submit(request(receiver.url))
    with pytest.raises(RuntimeError):
        sender.submit(request(receiver.url))
    with pytest.raises(ValueError, match="max_in_flight"):
        make_sender(max_in_flight=5000)


def test_a_shutdown_ends_all_at_once_and_the_sender_can_go_on(make_sender, receiver) -> None:
    receiver.behaviour = receivers.silence
    with NameServer() as names:
        names.stalled = {"s.example"}
        sender = make_sender(resolver=CaresResolver([names.server]))
        for token, url in enumerate([receiver.url, receiver.url, "https://s.example/", "https://10.0.0.1/"]):
            sender.submit(request(url, token, 10_000))
        sender.poll(0.1)
        sender.submit(request("x", "refused"))
        outcomes = {outcome.token: outcome.error for outcome in sender.abort_all()}
        assert outcomes == {0: "shutdown", 1: "shutdown", 2: "shutdown", "refused": "connection_failed"}
        assert sender.in_flight == 0
        receiver.behaviour = receivers.ok
        assert send(sender, receiver.url).error is None


def test_another_thread_can_wake_the_loop(make_sender, receiver) -> None:
    receiver.behaviour = receivers.silence
    sender = make_sender()
    sender.submit(request(receiver.url, timeout_ms=5000))
    threading.Timer(0.2, sender.wake).start()
    started = time.monotonic()
    assert sender.poll(5.0) == [] and 0.15 < time.monotonic() - started < 4


def test_a_connection_that_the_receiver_closed_meanwhile_is_opened_anew(make_sender, receiver) -> None:
    sender = make_sender()
    receiver.behaviour = raw(receivers.answer(), keep=False)
    assert [send(sender, receiver.url).error for _ in range(3)] == [None] * 3
    assert len(receiver.requests) == 3


def test_connections_that_a_receiver_closed_unannounced_cost_no_attempt(make_sender) -> None:
    """Far more than curl tries one after the other before it gives a request up."""
    barrier = threading.Barrier(24)

    def behave(connection: socket.socket, received: Received) -> bool:
        barrier.wait(10)
        return ok(connection, received) and False

    with Receiver(behave) as closing:
        sender = make_sender(max_in_flight=24)
        for number in range(3):
            for _ in range(24):
                sender.submit(request(closing.url, number, 10_000))
            assert [each.error for each in run_until_idle(sender)] == [None] * 24
        assert len(closing.requests) == 3 * 24
