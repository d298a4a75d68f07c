"""Outcomes of responses, including hostile ones: the right error, in time, in little memory."""

import gzip
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.webhooks.engine.outcomes import parse_retry_after
from apps.webhooks.engine.sender import OutboundRequest
from tests import receivers
from tests.receivers import Receiver, closed_port, raw, slow, status
from tests.senders import HEADERS, STRICT, StubResolver, request, run_until_idle, send

pytestmark = pytest.mark.pure


def test_a_success_tells_what_happened_on_the_way(make_sender, receiver) -> None:
    receiver.behaviour = status(201, ("X-One", "1"), ("X-Two", "ü"), body=b"thanks\0!")
    outcome = send(make_sender(), receiver.url)
    assert (outcome.error, outcome.status_code, outcome.address) == (None, 201, "127.0.0.1")
    assert outcome.response_body == "thanks!" and not outcome.truncated
    assert ("x-one", "1") in outcome.response_headers and ("x-two", "ü") in outcome.response_headers
    assert outcome.timings_ms["dns"] is None and outcome.timings_ms["tls"] is None
    assert outcome.duration_ms == outcome.timings_ms["total"] < 500


@pytest.mark.parametrize(
    ("behaviour", "error", "hint", "code"),
    [
        (status(200), None, "", 200),
        (status(299), None, "", 299),
        (raw(b"HTTP/1.1 204 X\r\n\r\n", keep=True), None, "", 204),
        (raw(b"HTTP/1.0 200 X\r\n\r\nuntil the end"), None, "", 200),
        (status(301, ("Location", "http://127.0.0.1:1/")), "redirected", "redirect_not_followed", 301),
        (status(304), "http_error", "", 304),
        (status(400), "http_error", "", 400),
        (status(500), "http_error", "", 500),
        (status(999), "http_error", "", 999),
        (receivers.early_close, "bad_response", "no_response", None),
        (receivers.reset, "bad_response", "connection_lost", None),
        (raw(b"just text, as in HTTP/0.9"), "bad_response", "not_http", None),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "bad_response", "not_http", None),
        (raw(b"HTTP/1.1 two hundred\r\n\r\n"), "bad_response", "not_http", None),
        (raw(b"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\nhalf"), "bad_response", "response_cut_short", 200),
        (
            raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "bad_response",
            "not_http",
            200,
        ),
        (
            raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            "bad_response",
            "response_cut_short",
            200,
        ),
        (raw(b"HTTP/1.1 200 X\r\nContent-Length: -1\r\n\r\n"), "bad_response", "not_http", 200),
    ],
)
def test_each_answer_has_its_outcome(make_sender, receiver, behaviour, error, hint, code) -> None:
    receiver.behaviour = behaviour
    outcome = send(make_sender(), receiver.url)
    assert (outcome.error, outcome.hint, outcome.status_code) == (error, hint, code)


HOSTILE = {
    "header_drip": ("timed_out", receivers.header_drip),
    "body_drip": ("timed_out", receivers.body_drip),
    "chunk_drip": ("timed_out", receivers.endless_chunk_drip),
    "continue_drip": ("timed_out", receivers.continue_drip),
    "silence": ("timed_out", receivers.silence),
    "slow": ("timed_out", slow(3)),
    "chunk_extension": ("bad_response", receivers.endless_chunk_extension),
    "continue_flood": ("bad_response", receivers.continue_flood),
    "header_flood": ("bad_response", receivers.header_flood),
    "long_header_line": ("bad_response", receivers.long_header_line),
    "endless_chunks": (None, receivers.endless_chunks),
    "gzip_bomb": (None, receivers.gzip_bomb),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_receiver_costs_its_time_limit_and_little_memory(make_sender, receiver, name: str) -> None:
    expected, receiver.behaviour = HOSTILE[name]
    sender = make_sender()
    before = resident_bytes()
    started = time.monotonic()
    outcome = send(sender, receiver.url, timeout_ms=1000)
    assert outcome.error == expected
    assert time.monotonic() - started < 1.5
    assert len(outcome.response_body.encode()) <= 16 * 1024 and "\0" not in outcome.response_body
    assert sum(len(key) + len(value) for key, value in outcome.response_headers) <= 16 * 1024
    if name != "gzip_bomb":  # there the server, in this same process, holds 52 MB
        assert resident_bytes() - before < 5 * 1024 * 1024


def test_endless_chunk_extensions_end_early_and_leave_time_for_others(make_sender, receiver) -> None:
    with Receiver(receivers.endless_chunk_extension) as flooding:
        sender = make_sender()
        sender.submit(request(flooding.url, "flood", 10_000))
        started = time.monotonic()
        outcomes = {outcome.token: outcome for outcome in run_until_idle(sender, 3.0)}
        assert time.monotonic() - started < 2.0
        assert (outcomes["flood"].error, outcomes["flood"].hint) == ("bad_response", "endless_response")
        assert send(sender, receiver.url).error is None


def resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def test_a_body_beyond_what_is_kept_is_a_success_and_marked(make_sender, receiver) -> None:
    receiver.behaviour = status(200, body=b"x" * 16384)
    whole = send(make_sender(), receiver.url)
    receiver.behaviour = status(200, body="ü".encode() * 10_000)
    cut = send(make_sender(), receiver.url)
    assert (whole.error, whole.truncated, len(whole.response_body)) == (None, False, 16384)
    assert (cut.error, cut.truncated, len(cut.response_body.encode())) == (None, True, 16384)
    receiver.behaviour = status(500, body=b"x" * 50_000)
    assert send(make_sender(), receiver.url).error == "http_error"


@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        ("refusé".encode("latin-1"), {"Content-Type": "text/plain; charset=ISO-8859-1"}, "refusé"),
        ("ошибка".encode("cp1251"), {"Content-Type": 'text/html; charset="windows-1251"'}, "ошибка"),
        ("失敗".encode("shift_jis"), {"Content-Type": "text/html; charset=Shift_JIS"}, "失敗"),
        ("no".encode("utf-16"), {"Content-Type": "text/plain"}, "no"),
        (b"\xef\xbb\xbf{}", {"Content-Type": "application/json"}, "{}"),
        ("refusé".encode("latin-1"), {}, "refusé"),
        ("refusé".encode(), {"Content-Type": "text/plain; charset=klingon"}, "refusé"),
        (b"x+AGE-", {"Content-Type": "text/plain; charset=utf-7"}, "x+AGE-"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff", {"Content-Type": "image/png"}, "[binary data, not shown]"),
        (gzip.compress(b'{"error":"no"}', mtime=0), {"Content-Encoding": "gzip"}, '{"error":"no"}'),
        (zlib.compress("é".encode()), {"Content-Encoding": "Deflate"}, "é"),
        (zlib.compress(b"raw")[2:-4], {"Content-Encoding": "deflate"}, "raw"),
        (b"\x0b\x02\x80hello\x03", {"Content-Encoding": "br"}, "[compressed with br, not shown]"),
        (
            gzip.compress(gzip.compress(b"x", mtime=0), mtime=0),
            {"Content-Encoding": "gzip, gzip"},
            "[compressed with gzip, gzip, not shown]",
        ),
        (b"plain", {"Content-Encoding": "gzip"}, "plain"),
        (b"plain", {"Content-Encoding": "UTF-8"}, "plain"),
    ],
)
def test_a_body_is_stored_as_people_can_read_it(make_sender, receiver, body, headers, says) -> None:
    receiver.behaviour = status(200, *headers.items(), body=body)
    outcome = send(make_sender(), receiver.url)
    assert (outcome.error, outcome.response_body, outcome.truncated) == (None, says, False)


def test_a_compressed_body_is_undone_no_further_than_what_is_kept(make_sender, receiver) -> None:
    receiver.behaviour = status(200, ("Content-Encoding", "gzip"), body=gzip.compress(b"a" * 10_000_000))
    outcome = send(make_sender(), receiver.url)
    assert (outcome.error, outcome.response_body, outcome.truncated) == (None, "a" * 16384, True)


def test_an_unread_request_times_out(make_sender, receiver) -> None:
    receiver.reads = False
    sender = make_sender()
    sender.submit(OutboundRequest(1, receiver.url, HEADERS, b"x" * 4_000_000, 600))
    (outcome,) = run_until_idle(sender)
    assert outcome.error == "timed_out" and 550 <= outcome.duration_ms < 1000


def test_a_closed_port_is_told_with_address_but_a_refused_address_without(make_sender) -> None:
    closed = send(make_sender(), f"http://127.0.0.1:{closed_port()}/")
    assert (closed.error, closed.hint, closed.refused, closed.address) == (
        "connection_failed",
        "no_connection",
        False,
        "127.0.0.1",
    )
    refused = send(
        make_sender(policy=STRICT, resolver=StubResolver({"in.example": [["10.0.0.1"]]})),
        "https://in.example/",
    )
    assert (refused.error, refused.hint, refused.refused, refused.address) == (
        "connection_failed",
        "no_connection",
        True,
        None,
    )
    assert set(refused.timings_ms.values()) == {None} and refused.duration_ms == 0 and not refused.response_headers


def test_a_filtered_port_is_told_like_a_closed_one(make_sender) -> None:
    with receivers.full_backlog() as port:
        outcome = send(make_sender(), f"http://127.0.0.1:{port}/", timeout_ms=500)
        assert (outcome.error, outcome.hint) == ("connection_failed", "no_connection")
        assert outcome.duration_ms < 900


def test_410_and_retry_after_are_told(make_sender, receiver) -> None:
    receiver.behaviour = status(410)
    assert send(make_sender(), receiver.url).gone
    receiver.behaviour = status(503, ("Retry-After", "120"))
    outcome = send(make_sender(), receiver.url)
    assert not outcome.gone and outcome.retry_after == 120.0
    receiver.behaviour = status(200, ("Retry-After", "120"))
    assert send(make_sender(), receiver.url).retry_after is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("86400", 86400.0),
        ("86401", 86400.0),
        ("999999999999", 86400.0),
        ("00010", 10.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 59.0),
        ("Friday, 31-Dec-99 23:59:59 GMT", 59.0),
        ("Fri Dec 31 23:59:59 1999", 59.0),
        ("Sat Jan  1 00:00:00 2000", 60.0),
        ("Fri, 31 Dec 1999 00:00:00 GMT", 0.0),
        ("Mon, 31 Dec 2001 23:59:59 GMT", 86400.0),
        ("Saturday, 01-Jan-00 00:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("١٢", None),
        ("1" * 13, None),
        ("10, 20", None),
        ("0x10", None),
        ("Fri, 31 Foo 1999 23:59:59 GMT", None),
        ("Fri, 32 Dec 1999 23:59:59 GMT", None),
        ("Fri, 31 Dec 1999 25:59:59 GMT", None),
        ("Fri, 31 Dec 1999 23:59:59 CET", None),
        ("1999-12-31T23:59:59Z", None),
        ("Fri, 31 Dec 0000 23:59:59 GMT", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT x", None),
        (" 5", None),
    ],
)
def test_every_form_of_retry_after(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, datetime(1999, 12, 31, 23, 59, tzinfo=UTC)) == seconds
