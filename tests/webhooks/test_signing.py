"""Signatures, checked with the official libraries, and what the portal's own verification refuses."""

import base64
import json
import time

import pytest
import standardwebhooks
import svix
from hypothesis import given
from hypothesis import strategies as st

from apps.webhooks.engine.signing import SignatureRefused, new_secret, secret_bytes, sign, verify

pytestmark = pytest.mark.pure

SECRET, OLD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", new_secret()
PAYLOADS = [
    {},
    {"a": "ü 例 🎉"},
    {"a.b": 1.1},
    {"n": 1e100, "big": 2**53},
    {"long": "x" * 20_000},
    {"nul": "\\u0000"},
]


def signed(body: bytes, *secrets: str, message_id: str = "evt_1", at: int | None = None) -> dict[str, str]:
    keys = [secret_bytes(secret) for secret in secrets or (SECRET,)]
    return sign(keys, message_id, int(time.time()) if at is None else at, body)


def test_the_example_of_the_standard() -> None:
    body = b'{"test": 2432232314}'
    headers = signed(body, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert list(headers) == ["webhook-id", "webhook-timestamp", "webhook-signature"]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.Webhook])
def test_the_official_libraries_accept_it(library, payload) -> None:
    body = json.dumps({"type": "order.created", "data": payload}, ensure_ascii=False).encode()
    library(SECRET).verify(body, signed(body))


def test_during_a_rotation_both_secrets_verify_and_the_newest_comes_first() -> None:
    body = b'{"a":1}'
    headers = signed(body, SECRET, OLD_SECRET)
    for secret in (SECRET, OLD_SECRET):
        standardwebhooks.Webhook(secret).verify(body, headers)
    assert headers["webhook-signature"].split(" ")[0] == signed(body, SECRET)["webhook-signature"]


@given(st.binary(max_size=200), st.lists(st.binary(min_size=1, max_size=64), min_size=1, max_size=3))
def test_what_is_signed_verifies_with_each_key_alone(body: bytes, keys: list[bytes]) -> None:
    headers = sign(keys, "evt_1", 1000, body)
    for key in keys:
        verify([key], headers, body, now=1000)
    with pytest.raises(SignatureRefused):
        verify([keys[0] + b"x"], headers, body, now=1000)
    with pytest.raises(SignatureRefused):
        verify(keys, headers, body + b" ", now=1000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"webhook-id": "evt_2"}, "No signature matches"),
        ({"webhook-id": ""}, "missing"),
        ({"webhook-timestamp": "soon"}, "not a number"),
        ({"webhook-timestamp": "699"}, "301 seconds old"),
        ({"webhook-timestamp": "1301"}, "ahead of this clock"),
        ({"webhook-timestamp": "1001"}, "No signature matches"),
        ({"webhook-timestamp": "١٠٠٠"}, "not a number"),
        ({"webhook-signature": ""}, "missing"),
        ({"webhook-signature": "v1,ü v2,abc v1"}, "No signature matches"),
    ],
)
def test_a_changed_message_is_refused_with_a_reason(change: dict[str, str], words: str) -> None:
    headers = sign([b"key"], "evt_1", 1000, b"{}") | change
    with pytest.raises(SignatureRefused, match=words):
        verify([b"key"], headers, b"{}", now=1000)


def test_the_edge_of_the_tolerance_is_inside() -> None:
    headers = sign([b"key"], "evt_1", 1000, b"{}")
    verify([b"key"], headers, b"{}", now=1300)
    verify([b"key"], headers, b"{}", now=700)


def test_secrets_are_fresh_and_of_full_length() -> None:
    made = {new_secret() for _ in range(50)}
    assert len(made) == 50
    assert {len(secret_bytes(secret)) for secret in made} == {32}
    assert [secret for secret in made if base64.b64decode(secret.removeprefix("whsec_")) != secret_bytes(secret)] == []


@pytest.mark.parametrize("text", ["whsec_!", "whsec_ü", "whsec_abc"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        secret_bytes(text)
