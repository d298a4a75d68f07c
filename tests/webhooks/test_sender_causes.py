"""Causes below HTTP that an attempt names, from real TLS servers and stalls, and its phases."""

import socket
import ssl
import time
from collections.abc import Callable

import pytest
from cryptography import x509

from apps.base.outbound import CaresResolver
from apps.webhooks.engine.sender import OutboundRequest
from apps.webhooks.view_models.failure_labels import what_to_try
from tests import receivers
from tests.authority import Authority
from tests.name_server import SERVER_FAILURE, NameServer
from tests.receivers import Received, Receiver, endless, raw
from tests.senders import HEADERS, run_until_idle, send, send_among

pytestmark = pytest.mark.pure


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "Unknown")


def asks_for_certificate(authority: Authority) -> ssl.SSLContext:
    context = authority.context(authority.leaf(), authority.intermediate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    return context


def knows_no_tls_12(authority: Authority) -> ssl.SSLContext:
    context = authority.context(authority.leaf(), authority.intermediate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    return context


TLS: dict[str, Callable[[Authority, Authority], ssl.SSLContext]] = {
    "certificate_expired": lambda own, _other: own.context(own.leaf(end=-1), own.intermediate),
    "certificate_not_yet_valid": lambda own, _other: own.context(own.leaf(start=2), own.intermediate),
    "certificate_wrong_host": lambda own, _other: own.context(
        own.leaf(x509.DNSName("other.example")), own.intermediate
    ),
    "certificate_self_signed": lambda own, _other: own.context(own.self_signed()),
    "certificate_chain_incomplete": lambda own, _other: own.context(own.leaf()),
    "certificate_unknown_issuer": lambda _own, other: other.context(other.leaf(), other.intermediate),
    "client_certificate_required": lambda own, _other: asks_for_certificate(own),
    "tls_version_not_supported": lambda own, _other: knows_no_tls_12(own),
}


@pytest.mark.filterwarnings("ignore:ssl.OP_NO:DeprecationWarning")
@pytest.mark.parametrize("hint", TLS)
def test_each_fault_of_tls_has_its_own_hint(make_sender, authority, stranger, hint: str) -> None:
    with Receiver(tls=TLS[hint](authority, stranger)) as receiver:
        outcome = send(make_sender(ca_file=str(authority.ca_file)), receiver.url, 3000)
        if outcome.hint == "closed_after_handshake":  # the reset overtook the alert
            assert hint == "client_certificate_required"
            assert "client certificate" in what_to_try("bad_response", None, outcome.hint)
        else:
            assert (outcome.error, outcome.hint) == ("tls_failed", hint)
        assert (
            outcome.status_code is None
            and outcome.timings_ms["connect"] is not None
            and outcome.timings_ms["first_byte"] is None
        )
        assert (outcome.timings_ms["tls"] is None) == (hint != "client_certificate_required")
        assert receiver.requests == []


def test_a_whole_chain_with_an_unknown_root_is_an_unknown_issuer(make_sender, authority, stranger) -> None:
    with Receiver(tls=stranger.context(stranger.leaf(), stranger.intermediate, stranger.root)) as receiver:
        assert send(make_sender(ca_file=str(authority.ca_file)), receiver.url).hint == "certificate_unknown_issuer"
    with Receiver(tls=authority.context(authority.leaf(), authority.intermediate)) as receiver:
        assert send(make_sender(ca_file=str(authority.ca_file)), receiver.url).error is None


def test_plain_http_on_a_tls_port_is_named(make_sender, receiver) -> None:
    receiver.greeting = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    outcome = send(make_sender(), receiver.url.replace("http:", "https:"))
    assert (outcome.error, outcome.hint) == ("tls_failed", "not_tls")


def in_pieces(*pieces: bytes, pause: float = 0.05) -> receivers.Behaviour:
    def behave(connection: socket.socket, request: Received) -> bool:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        return True

    return behave


@pytest.mark.parametrize(
    ("behaviour", "hint", "has_first_byte"),
    [
        (receivers.silence, "response_timed_out", False),
        (endless(b"HTTP/1.1 20", b"", 0.05), "response_timed_out", False),
        (receivers.header_drip, "headers_timed_out", True),
        (receivers.continue_drip, "response_timed_out", True),
        (receivers.body_drip, "body_timed_out", True),
        (receivers.endless_chunk_drip, "body_timed_out", True),
    ],
)
def test_a_time_limit_tells_how_far_it_came(make_sender, receiver, behaviour, hint, has_first_byte) -> None:
    receiver.behaviour = behaviour
    outcome = send(make_sender(), receiver.url, 400)
    assert (outcome.error, outcome.hint) == ("timed_out", hint)
    assert (outcome.timings_ms["first_byte"] is not None) == has_first_byte


def test_a_stalled_handshake_and_an_unread_request_are_told_apart(make_sender, authority) -> None:
    with Receiver(tls=authority.context(authority.leaf(), authority.intermediate)) as receiver:
        receiver.stalls_tls = True
        outcome = send(make_sender(), receiver.url, 400)
        assert (outcome.error, outcome.hint) == ("timed_out", "handshake_timed_out")
        assert outcome.timings_ms["tls"] is None and outcome.timings_ms["first_byte"] is None
    with Receiver() as receiver:
        receiver.reads = False
        sender = make_sender()
        sender.submit(OutboundRequest(1, receiver.url, HEADERS, b"x" * 8_000_000, 400))
        assert [each.hint for each in run_until_idle(sender)] == ["request_not_read"]


def test_a_switched_protocol_ends_at_once(make_sender, receiver) -> None:
    receiver.behaviour = endless(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", b"", 0.05)
    outcome = send(make_sender(), receiver.url, 5000)
    assert (outcome.error, outcome.hint, outcome.status_code) == ("bad_response", "protocol_switched", 101)
    assert outcome.duration_ms < 2000


def test_names_fail_each_with_its_own_hint(make_sender) -> None:
    with NameServer() as names:
        names.records = {"empty.example": []}
        names.codes = {"broken.example": SERVER_FAILURE}
        names.stalled = {"silent.example"}
        sender = make_sender(resolver=CaresResolver([names.server], lookup_seconds=0.3))
        hosts = {
            "no.example": "dns_no_such_name",
            "empty.example": "dns_no_address",
            "broken.example": "dns_server_failed",
            "silent.example": "dns_timed_out",
        }
        for host, hint in hosts.items():
            outcome = send(sender, f"https://{host}/", 4000)
            assert (outcome.error, outcome.hint) == ("dns_failed", hint)
            assert outcome.timings_ms["connect"] is None and outcome.timings_ms["first_byte"] is None


def test_every_hint_has_advice_of_its_own() -> None:
    hints = (*TLS, "not_tls", "handshake_timed_out", "response_timed_out", "headers_timed_out", "body_timed_out")
    hints += ("request_not_read", "protocol_switched", "dns_no_such_name", "dns_no_address", "dns_timed_out")
    hints += ("dns_server_failed", "response_cut_short", "no_response", "connection_lost", "not_http")
    said = [what_to_try("tls_failed", None, hint) for hint in hints]
    assert len(set(said)) == len(hints) and what_to_try("tls_failed", None) not in said
    assert "conditional" in what_to_try("http_error", 304)


CUT = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\r\n\r",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n",
]
NO_STATUS = [
    *(b"HTTP/1.1 2000 OK", b"HTTP/1.1 200abc", b"HTTP/1.1  200 OK", b"HTTP/1.1 20", b"HTTP/1.1 0200 OK"),
    *(b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 099 OK", b"HTTP/1.1 200 O\0K", b"HTTP/1.1 2OO OK"),
    *(b"HTTP/3.7 200 OK", b"HTTP/2.0 200 OK", b"HTTP/2 200", b"HTTP/1.2 200 OK", b"http/1.1 200 OK", b"ICY 200 OK"),
]


@pytest.mark.parametrize("data", CUT)
@pytest.mark.parametrize("is_secure", [False, True])
def test_a_response_counts_only_after_its_empty_line(make_sender, authority, data: bytes, is_secure: bool) -> None:
    """Also as the second one on a connection that was kept, and after a proper end of TLS."""

    def behave(connection: socket.socket, request: Received) -> bool:
        if is_first := len(receiver.requests) == 1:
            connection.sendall(receivers.answer())
        else:
            connection.sendall(data)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()
        return is_first

    tls = authority.context(authority.leaf(), authority.intermediate) if is_secure else None
    with Receiver(behave, tls=tls) as receiver:
        sender = make_sender(ca_file=str(authority.ca_file))
        first, second = send(sender, receiver.url), send(sender, receiver.url)
        assert (first.error, second.error) == (None, "bad_response")
        assert second.hint in ("response_cut_short", "no_response")


@pytest.mark.parametrize("line", NO_STATUS)
def test_a_status_line_that_is_none_is_no_success(make_sender, receiver, line: bytes) -> None:
    receiver.behaviour = raw(line + b"\r\nContent-Length: 0\r\n\r\n", keep=True)
    outcome = send(make_sender(), receiver.url)
    assert (outcome.error, outcome.hint, outcome.status_code) == ("bad_response", "not_http", None)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 D\xe9j\xe0 vu\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 900 + b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_odd_but_whole_responses_count(make_sender, receiver, data: bytes) -> None:
    receiver.behaviour = raw(data, keep=True)
    assert send(make_sender(), receiver.url).error is None


def test_a_success_before_the_request_was_read_is_none(make_sender) -> None:
    """The server answers after the headers and closes: what did not leave was not delivered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        sender = make_sender()
        sender.submit(OutboundRequest(1, f"http://127.0.0.1:{port}/", HEADERS, b"x" * 30_000_000, 3000))
        sender.poll(0.05)
        connection, _address = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
            (outcome,) = run_until_idle(sender)
        assert (outcome.error, outcome.hint, outcome.status_code) == ("bad_response", "request_not_read", 200)


@pytest.mark.parametrize("stray", [receivers.answer(200, b"stray"), b"HTTP/1.1 200 OK\r\n", b"x"])
def test_what_came_unasked_is_no_response_to_the_next_request(make_sender, receiver, stray: bytes) -> None:
    def behave(connection: socket.socket, request: Received) -> bool:
        connection.sendall(receivers.answer(200, b"own"))
        time.sleep(0.02)
        connection.sendall(stray)
        return True

    receiver.behaviour = behave
    sender = make_sender()
    for number in range(1, 4):
        outcome = send(sender, receiver.url)
        assert (outcome.error, outcome.response_body, len(receiver.requests)) == (None, "own", number)
        time.sleep(0.1)


def test_connections_are_kept_where_nothing_comes_unasked(make_sender, receiver) -> None:
    """Also while others are on the wire and a long body is still being sent."""
    with Receiver(receivers.slow(0.3)) as slow:
        sender = make_sender()
        for number in range(20):
            sender.submit(OutboundRequest(number, slow.url, HEADERS, b"x" * 200_000, 3000))
            assert send_among(sender, receiver.url).error is None
        assert [each for each in run_until_idle(sender) if each.error is not None] == []
        assert receiver.connections == 1 and len(slow.requests) == 20


def test_a_trailer_is_no_header(make_sender, receiver) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nRetry-After: 99\r\n\r\n"
    receiver.behaviour = raw(b"HTTP/1.1 503 Busy\r\n" + chunks, keep=True)
    outcome = send(make_sender(), receiver.url)
    assert (outcome.error, outcome.retry_after, outcome.response_body) == ("http_error", None, "ok")
