"""Headers as bytes on a socket, answered by a real server: what cannot be read is never taken for left out.

granian hands over a value with a byte outside ASCII as an empty text; Django's test client cannot send one.
"""

import base64
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import HOST, Portal, portal

pytestmark = pytest.mark.pure

JSON = b"Content-Type: application/json"
FROM = b"X-Forwarded-For: "
UNREADABLE = [b"", b"unknown", b"_hidden", b"\xe9", b"198.51.100.9, \xe9", b"198.51.100.9,", b"198.51.100.9 4444",
              b"198.51.100.9:99999999", b"for=198.51.100.9", b"0.0.0.0", b"::", b"127.0.0.1, ,127.0.0.1",
              b"198.51.100.300", b"0x7f.1", b"3325256713", b"[198.51.100.9", b'"198.51.100.9', b"x" * 5000]  # fmt: skip
READABLE = [b"198.51.100.9", b"198.51.100.9:4444", b"[2001:db8::1]:443", b"[2001:db8::1]", b"2001:DB8::1%eth0",
            b'"[2001:db8::1]:443"', b" \t198.51.100.9\t ", b"::ffff:198.51.100.9", b"[::ffff:198.51.100.9]:80",
            b"203.0.113.77, 198.51.100.9:4444", b"198.51.100.9, 127.0.0.1:81",
            b"203.0.113.77\r\nX-Forwarded-For: 198.51.100.9", b"\xe9\r\nX-Forwarded-For: 198.51.100.9"]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal that trusts this machine as its proxy."""
    variables = {
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "AUTH_FAILURES_PER_MINUTE": "0",
        "METRICS_TOKEN": "metrics-of-a-test",
    }
    with portal(tmp_path_factory.mktemp("wire"), **variables) as running:
        yield running


@pytest.fixture(scope="module")
def key(server: Portal) -> bytes:
    """A key that may do everything, without limits."""
    return server.make_key("admin", type="internal")["key"].encode()


def send(server: Portal, path: str, *headers: bytes, method: str = "GET", body: bytes = b"") -> tuple[int, Any]:
    """Send a request whose header lines are these bytes; return the status and the body, as JSON where it is JSON."""
    length = [b"Content-Length: %d" % len(body)] if method == "POST" else []
    head = b"%s %s HTTP/1.1\r\n" % (method.encode(), path.encode())
    lines = [b"Host: 127.0.0.1", b"Connection: close", *headers, *length]
    with socket.create_connection((HOST, server.ports[0]), timeout=15) as connection:
        connection.sendall(head + b"\r\n".join(lines) + b"\r\n\r\n" + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    top, _, text = answer.partition(b"\r\n\r\n")
    is_json = b"content-type: application/json" in top.lower()
    return int(top.split()[1]), json.loads(text) if is_json else text


def bearer(key: bytes) -> bytes:
    return b"Authorization: Bearer " + key


def key_of_networks(server: Portal, key: bytes, *networks: str) -> bytes:
    body = {"name": "Fixed", "type": "partner", "scopes": [], "allowed_networks": networks}
    status, made = send(server, "/v1/api-keys", bearer(key), JSON, method="POST", body=json.dumps(body).encode())
    assert status == 201, made
    return bearer(made["key"].encode())


def test_an_unreadable_address_matches_no_network(server, key):
    proxys = key_of_networks(server, key, "127.0.0.0/8")
    anywhere = key_of_networks(server, key, "0.0.0.0/0", "::/0")
    for value in UNREADABLE:
        for limited in (proxys, anywhere):
            status, said = send(server, "/v1/me", limited, FROM + value)
            assert (status, said["code"]) == (403, "ip_not_allowed"), value
    assert send(server, "/v1/me", anywhere)[1]["code"] == "ip_not_allowed", "nothing was sent"
    assert send(server, "/healthz")[0] == send(server, "/readyz")[0] == 200


def test_an_address_is_read_however_proxies_write_it(server, key):
    callers = key_of_networks(server, key, "198.51.100.9/32", "2001:db8::1/128")
    for value in READABLE:
        assert send(server, "/v1/me", callers, FROM + value)[0] == 200, value
    assert send(server, "/v1/me", callers, FROM + b"203.0.113.77")[1]["code"] == "ip_not_allowed"


def test_it_is_recorded_as_unknown_and_operators_are_told_once_a_minute(server, key):
    id_ = b"wire-unknown-1"
    send(server, "/v1/me", bearer(key), FROM + b"\xe9", b"User-Agent: \xc3\xa9", b"X-Request-ID: " + id_)
    status, rows = send(server, f"/v1/audit-log?request_id={id_.decode()}", bearer(key))
    assert status == 200
    assert rows[0]["source"] == {"address": "unknown", "user_agent": "(unreadable)"}
    _, usage = send(server, "/v1/usage", bearer(key))
    assert "unknown" in [each["address"] for each in usage["addresses"]]
    log = server.children[0].log.read_text()
    assert len(re.findall("no usable X-Forwarded-For", log)) == 1 and "127.0.0.1" in log


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([b"X-API-Key: ipk_\xff"], 401, "invalid_api_key"),
        ([b"X-API-Key:"], 401, "invalid_api_key"),
        ([b"Authorization: \xe9"], 401, "invalid_api_key"),
        ([b"Authorization: Bearer \xc2\xa0KEY"], 401, "invalid_api_key"),
        ([b"Authorization: Bearer KEY", b"X-API-Key: ipk_\xff"], 401, "invalid_api_key"),
        ([b"Authorization: Bearer KEY", b"Authorization: Bearer \xff"], 401, "invalid_api_key"),
        ([b"X-API-Key: KEY", b"Authorization: Basic \xff"], 401, "invalid_api_key"),
        ([b"Authorization: Bearer KEY", b"If-Match: \xff"], 400, "invalid_request"),
        ([b"Authorization: Bearer KEY", b"If-None-Match: \"\xff\""], 400, "invalid_request"),
        ([b"Authorization: Bearer KEY", b"Host: \xff"], 400, "invalid_request"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(server, key, headers, status, code):
    found, said = send(server, "/v1/users", *(each.replace(b"KEY", key) for each in headers))
    assert (found, said["code"]) == (status, code)
    assert key.decode() not in json.dumps(said)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([b"Content-Type: \xff"], 415),
        ([JSON, b"Content-Encoding: \xff"], 415),
        ([JSON, b"Idempotency-Key: \xff"], 400),
    ],
)
def test_a_change_whose_headers_cannot_be_read_is_not_made(server, key, headers, status):
    event = json.dumps({"type": "order.created", "data": {"order_id": "1"}}).encode()
    found, said = send(server, "/v1/events", bearer(key), *headers, method="POST", body=event)
    assert found == status, said


def test_a_key_as_the_user_name_of_basic_counts(server, key):
    for pair in (key + b":", b"api:" + key, key + b":x", b"\xe9:" + key):
        for code in (base64.b64encode(pair), base64.b64encode(pair).rstrip(b"=")):
            assert send(server, "/v1/users", b"Authorization: Basic " + code)[0] == 200
    netrc = base64.b64encode(b"ada:secret")
    assert send(server, "/v1/users", b"Authorization: Basic " + netrc, b"X-API-Key: " + key)[0] == 200
    assert send(server, "/v1/users", b"Authorization: Basic " + netrc)[1]["code"] == "missing_api_key"


@pytest.mark.parametrize("host", [b"evil.example", b"", b"\xff", b"127.0.0.1, evil.example"])
def test_a_host_that_is_not_served_is_named(server, key, host):
    """``send`` writes the right one before it: of two, neither is chosen."""
    status, said = send(server, "/v1/users", bearer(key), b"Host: " + host)
    assert status == 400 and "Host header" in said["error"]


# As Java's HttpURLConnection, older ones, and browsers send it.
MIXED = (
    b"text/html, image/gif, image/jpeg, */*; q=0.2",
    b"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    b"text/html, application/json;q=0.1",
)


def test_a_key_gets_json_wherever_accept_has_it(server, key):
    body = json.dumps({"name": "From Java", "type": "partner", "scopes": []}).encode()
    for accept in MIXED:
        status, made = send(server, "/v1/api-keys", bearer(key), JSON, b"Accept: " + accept, method="POST", body=body)
        assert status == 201 and made["key"].startswith("ipk_"), accept
        assert send(server, "/v1/nowhere", bearer(key), b"Accept: " + accept)[1]["code"] == "not_found"
        assert send(server, "/v2/users", bearer(key), b"Accept: " + accept)[1]["code"] == "not_found"
        assert send(server, "/v1/me", bearer(key + b"x"), b"Accept: " + accept)[1]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    "path", ["//v1/users", "/v2/users", "/V1/users", "/v1", "/v1//", "/api/v1/users", "/v1users", "/%2fv1/users"]
)
def test_a_malformed_path_is_answered_to_programs_as_they_can_read_it(server, path):
    for accept in (b"application/json", b"application/json, text/plain, */*", b"application/problem+json"):
        status, said = send(server, path, b"Accept: " + accept)
        assert (status, said["code"], len(said)) == (404, "not_found", 4)
    if path not in ("/v1", "/v1//"):
        assert b"<html" in send(server, path, b"Accept: text/html,*/*;q=0.8")[1]


def test_cookies_that_cannot_be_read_are_named(server):
    for path in ("/account/login/", "/docs/start", "/o/acme/settings/integration/"):
        status, said = send(server, path, b"Cookie: theme=\xc3\xa9; session=abcdefghijkl")
        assert status == 400 and b"cookies" in said, path
    status, said = send(server, "/v1/users", b"Cookie: theme=\xe9", b"Accept: text/html")
    assert (status, said["code"]) == (401, "missing_api_key")


def test_the_metrics_token_must_be_readable(server):
    assert send(server, "/metrics", b"Authorization: Bearer metrics-of-a-test")[0] == 200
    assert send(server, "/metrics", b"Authorization: Bearer \xff")[0] == 404
