"""Bodies that are cut off, broken or slow, sent over real sockets to a real server with few threads."""

import contextlib
import json
import os
import signal
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.servers import HOST, ROOT, nearly_all, portal, status_of

pytestmark = pytest.mark.faults

CHUNKED = b"Transfer-Encoding: chunked\r\n"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with portal(tmp_path_factory.mktemp("bodies"), threads=4) as server:
        server.key = server.make_key("users:read", "users:write", per_minute=5000)["key"]
        yield server


def begin(web, head=b"", body=b"", *, path="/v1/users", method="POST", key=True, kind="application/json", more=b""):
    """Send a head and what there is of a body; the connection stays open."""
    credential = f"Authorization: Bearer {web.key}\r\n" if key else ""
    lines = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n{credential}".encode()
    connection = socket.create_connection((HOST, web.ports[0]), timeout=20)
    connection.sendall(lines + more + head + b"\r\n" + body)
    return connection


def user(number):
    return json.dumps({"name": "Body", "email": f"body{number}@acme.example", "password": "correct horse"}).encode()


def chunks(body, end=b"0\r\n\r\n"):
    return b"%x\r\n%s\r\n" % (len(body), body) + end


def users(web):
    return len(json.loads(web.get("/v1/users", web.key).body))


BROKEN = {
    "nothing of it": (b"Content-Length: 21\r\n", b"", True),
    "half of it": (b"Content-Length: 200\r\n", user(1), True),
    "no last chunk": (CHUNKED, chunks(user(2), b""), True),
    "half a chunk": (CHUNKED, chunks(user(2))[:30], True),
    "a bad size": (CHUNKED, chunks(user(3), b"zz\r\n"), False),
    "a bad first size": (CHUNKED, b"zz\r\n", False),
    "no end of a chunk": (CHUNKED, b"2\r\n{}xx0\r\n\r\n", False),
    "an empty body in chunks": (CHUNKED, b"0\r\n\r\n", False),
    "another coding": (b"Transfer-Encoding: gzip, chunked\r\n", chunks(user(4)), False),
    "a coding twice": (CHUNKED + CHUNKED, chunks(user(5)), False),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_body_is_refused_and_has_no_effect(web, name):
    head, body, is_closed = BROKEN[name]
    before = users(web)
    with contextlib.closing(begin(web, head, body)) as connection:
        if is_closed:
            connection.shutdown(socket.SHUT_WR)
        assert status_of(connection) == 400
    assert users(web) == before


def test_a_whole_body_counts_however_its_coding_is_spelt(web):
    with contextlib.closing(begin(web, b"Transfer-Encoding: Chunked\r\n", chunks(user(10)))) as connection:
        assert status_of(connection) == 201
    with contextlib.closing(begin(web, b"Content-Length: %d\r\n" % len(user(11)), user(11))) as connection:
        assert status_of(connection) == 201
    slowly = begin(web, b"Content-Length: %d\r\n" % len(user(12)), user(12)[:5])
    time.sleep(0.5)
    slowly.sendall(user(12)[5:])
    assert status_of(slowly) == 201
    slowly.close()
    # Nothing is announced: the message has no body, which reads as an empty object.
    with contextlib.closing(begin(web)) as connection:
        missing = b"name: This field is required."
        assert missing in what_came(connection, missing)
    with contextlib.closing(begin(web, CHUNKED, chunks(b"x" * 1_100_000))) as connection:
        assert status_of(connection) == 413


@pytest.mark.parametrize(
    ("kind", "head", "body"),
    [
        (FORM, b"Content-Length: 60\r\n", b"login=ada%40acme.example&password=x"),
        (MULTIPART, b"Content-Length: 90\r\n", b"--x\r\nContent-Disposition: form-data; name=login\r\n\r\na\r\n--x"),
        (FORM, CHUNKED, chunks(b"login=a&password=b", b"")),
    ],
)
def test_a_form_that_is_cut_off_is_not_taken_for_a_whole_one(web, kind, head, body):
    cookie = b"Cookie: csrf=" + b"a" * 32 + b"\r\n"
    with contextlib.closing(
        begin(web, head, body, path="/account/login/", kind=kind, key=False, more=cookie)
    ) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert status_of(connection) == 400


UNWANTED = [
    {"key": False},
    {"key": False, "head": CHUNKED, "body": b"5\r\nab"},
    {"path": "/v1/nothing"},
    {"path": "/nothing", "head": CHUNKED, "body": b"5\r\nab"},
    {"path": "/v1/me", "method": "GET"},
    {"path": "/v1/users/user_0", "method": "DELETE"},
    {"path": "/v1/me", "method": "PUT"},
]


def test_what_wants_no_body_is_answered_without_reading_it(web):
    web.get("/nothing")  # the page of an error is made once, which takes longer
    for one in UNWANTED:
        with contextlib.closing(begin(web, **{"head": b"Content-Length: 50\r\n", "body": b'{"a'} | one)) as connection:
            assert status_of(connection, 5) in (200, 401, 404, 405), one


def test_slow_bodies_leave_threads_to_others_and_end_after_15_seconds(web):
    """Some of them are waited for, the others refused at once, and nobody else waits for them."""
    cookie = b"Cookie: csrf=" + b"a" * 32 + b"\r\n"
    form = {"path": "/account/login/", "kind": FORM, "key": False, "more": cookie}
    kinds = [
        {"head": b"Content-Length: 50\r\n"},
        {"head": CHUNKED, "body": b"5\r\nab"},
        {"head": b"Content-Length: 50\r\n", **form},
        {"head": b"Content-Length: 50\r\n", "more": b"Idempotency-Key: slow\r\n"},
    ]
    soon = web.soon(web.key)
    started = time.monotonic()
    slow = [begin(web, **{"body": b'{"', **kinds[number % len(kinds)]}) for number in range(12)]
    waits = []
    while time.monotonic() - started < 2:
        waits.append(web.get("/v1/me", web.key))
        time.sleep(0.05)
    assert {each.status for each in waits} == {200}
    assert nearly_all([each.seconds for each in waits]) < soon
    assert [status_of(connection) for connection in slow] == [408] * len(slow)
    assert 14 < time.monotonic() - started < 20
    # The connection is gone once the answer is out, whatever the client goes on to do with it. The body of the answer
    # may come in a segment of its own.
    slow[0].settimeout(5)
    while slow[0].recv(65_536):
        pass
    for connection in slow:
        connection.close()
    assert web.get("/v1/me", web.key).seconds < soon


# HTTP/2 and the end of the process

DATA, HEADERS, RESET, SETTINGS, GO_AWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
CANCEL = struct.pack(">I", 8)
JSON = {"content-type": "application/json"}
SIGN_IN = {"content-type": FORM, ":path": "/account/login/", "cookie": "csrf=" + "a" * 32, "authorization": ""}


def frame(kind, flags=0, stream=1, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def packed(text):
    """A text as HPACK has it, uncompressed; from 127 bytes on its length takes a second byte."""
    size = len(text)
    return (bytes([size]) if size < 127 else bytes([127, size - 127])) + text.encode()


def begin_http_2(web, fields, body, flags=0, then=b""):
    """Send the head of a POST, what there is of its body, and what else; the connection stays open."""
    head = {":method": "POST", ":scheme": "http", ":path": "/v1/users", ":authority": HOST}
    head |= {"authorization": f"Bearer {web.key}", **JSON, **fields}
    block = b"".join(b"\0" + packed(name) + packed(value) for name, value in head.items() if value)
    connection = socket.create_connection((HOST, web.ports[-1]), timeout=20)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, stream=0)
    connection.sendall(preface + frame(HEADERS, END_HEADERS, payload=block) + frame(DATA, flags, payload=body) + then)
    return connection


def what_came(connection, word, seconds=5.0):
    """What a server sends until a word is in it, or no more comes."""
    connection.settimeout(seconds)
    received = b""
    with contextlib.suppress(OSError):
        while word not in received and (more := connection.recv(65_536)):
            received += more
    return received


OVER_HTTP_2 = {
    "shorter than announced": ({"content-length": "100"}, b"{}", END_STREAM),
    "longer than announced": ({"content-length": "1"}, b"{}", END_STREAM),
    "never whole": ({"content-length": "100"}, b"{}", 0),
    "never whole, without a length": ({}, b"{}", 0),
    "a form that is never whole": ({"content-length": "100", **SIGN_IN}, b"login=a", 0),
    "reset": ({"content-length": "100"}, b"{}", 0, frame(RESET, payload=CANCEL)),
    "reset, without a length": ({}, b"{}", 0, frame(RESET, payload=CANCEL)),
    "the client goes away": ({"content-length": "100"}, b"{}", 0, frame(GO_AWAY, stream=0, payload=bytes(8))),
    "no frame": ({"content-length": "100"}, b"{}", 0, b"\xff" * 50),
    "whole": ({"content-length": "2"}, b"{}", END_STREAM),
}


def used_seconds(child):
    """The processor's time that the processes below one have taken, and their ids."""
    below = Path(f"/proc/{child.process.pid}/task/{child.process.pid}/children").read_text().split()
    ticks = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13] for one in below]
    return sum(int(tick) for pair in ticks for tick in pair) / os.sysconf("SC_CLK_TCK"), below


def test_bodies_over_http_2_take_no_thread_and_leave_a_process_that_ends(web):
    """Started in the way that allows HTTP/2, for the application must hold by itself."""
    web.start()
    child = web.children[-1]
    for one in OVER_HTTP_2.values():
        begin_http_2(web, *one).close()
    connections = {name: begin_http_2(web, *one) for name, one in OVER_HTTP_2.items()}
    for name in ("never whole", "never whole, without a length", "whole"):
        assert b"over HTTP/1.1." in what_came(connections[name], b"over HTTP/1.1."), name
    assert web.get("/v1/me", web.key, port=web.ports[-1]).status == 200
    before, (worker,) = used_seconds(child)
    time.sleep(1)
    assert used_seconds(child)[0] - before < 0.3
    # None of the others has gone when the process is told to end.
    child.process.send_signal(signal.SIGTERM)
    child.process.wait(8)
    assert not Path(f"/proc/{worker}").exists()
    for connection in connections.values():
        connection.close()


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/systemd/portal-web.service"])
def test_every_command_that_starts_the_web_speaks_http_1_and_ends_and_starts_its_processes(file):
    text = (ROOT / file).read_text().replace('", "', " ")
    assert text.count("--interface wsgi") == 1
    assert (
        "--http 1 --workers-kill-timeout 18 --respawn-failed-workers --log-config integrations_portal/granian.json "
        in text
    )


def test_the_demo_speaks_http_1_and_ends_its_processes():
    text = (ROOT / "integrations_portal/demo/web_server.py").read_text().replace('", "', " ")
    assert text.count("--interface wsgi") == 1 and "--http 1 --workers-kill-timeout " in text
