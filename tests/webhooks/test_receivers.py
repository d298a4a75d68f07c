"""The receivers that pages show and serve: each runs as its page says, and takes what is signed and nothing else.

They get real requests, signed by the portal's own code and by the libraries ``standardwebhooks`` and ``svix``.
"""

import base64
import hmac
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import standardwebhooks
import svix

from apps.webhooks.engine.signing import new_secret, secret_bytes, sign
from apps.webhooks.view_models.verification_code import FOLDER, RECEIVERS, SECRET_NAME, receiver_for
from tests.programs import need
from tests.servers import START_SECONDS, free_port

pytestmark = pytest.mark.pure

# Its compiler is large: .ci/long installs those of Go and Java.
SLOW = ("go", "java")
# What a command needs besides itself: without its compiler, java runs no source.
PROGRAMS = {"java": "javac"}
LANGUAGES = [pytest.param(each.key, marks=pytest.mark.long if each.key in SLOW else ()) for each in RECEIVERS]
BODY = json.dumps({"type": "order.created", "data": {"note": "Zoë 例 🎉 é"}}, ensure_ascii=False).encode()


class Running:
    """A receiver that runs: where it answers, and the lines that it has printed."""

    def __init__(self, url: str, output: Path) -> None:
        self.url, self.output = url, output

    def lines(self, first_word: str) -> list[str]:
        """Return the printed lines that begin with a word, in their order."""
        return [line for line in self.output.read_text("utf-8").splitlines() if line.startswith(first_word)]

    def post(self, headers: dict[str, str], body: bytes = BODY) -> int:
        """Post a body as the portal does and return the status of the response."""
        given = {"content-type": "application/json", **headers}
        return requests.post(self.url, body, headers=given, timeout=20).status_code


@contextmanager
def running(language: str, folder: Path, secret: str) -> Iterator[Running]:
    """Start a receiver by the command of its page, in a folder that has nothing but its file."""
    receiver, port = receiver_for(language), free_port()
    (folder / receiver.file).write_bytes((FOLDER / receiver.file).read_bytes())
    words = shlex.split(receiver.run.replace("9000", str(port)))
    need(PROGRAMS.get(words[0], words[0]))
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", str(folder)), "PORT": str(port)}
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**environment, SECRET_NAME: secret},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}/webhooks"
        wait_for(process, url, output)
        yield Running(url, output)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    """Wait until the receiver answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, output.read_text("utf-8")
        with suppress(requests.ConnectionError):
            assert requests.get(url, timeout=20).status_code in (405, 501)
            return
        time.sleep(0.05)
    pytest.fail(f"does not answer: {output.read_text('utf-8')}")


def signed(*secrets: str, message_id: str, body: bytes = BODY, at: float | None = None) -> dict[str, str]:
    """Sign a body as the portal does."""
    keys = [secret_bytes(secret) for secret in secrets]
    return sign(keys, message_id, int(time.time() if at is None else at), body)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receiver_takes_what_is_signed_once_and_refuses_the_rest(language, tmp_path):
    secret, another = new_secret(), new_secret()
    with running(language, tmp_path, secret) as receiver:
        takes_good_signatures(receiver, secret, another)
        refuses_bad_ones(receiver, secret, another)
        handles_an_event_once(receiver, secret)
        if language != "java":  # which parses no event
            takes_an_event_again_after_a_failure(receiver, secret)
        takes_large_bodies(receiver, secret)


def takes_good_signatures(receiver: Running, secret: str, another: str) -> None:
    """Post what the portal signs, also during a rotation, and what each library signs."""
    good = {
        "evt_portal": signed(secret, message_id="evt_portal"),
        "evt_newest": signed(secret, another, message_id="evt_newest"),
        "evt_oldest": signed(another, secret, message_id="evt_oldest"),
        "evt_past": signed(secret, message_id="evt_past", at=time.time() - 240),
        "evt_future": signed(secret, message_id="evt_future", at=time.time() + 240),
    }
    now = datetime.now(UTC)
    for library in (standardwebhooks.Webhook, svix.Webhook):
        name = f"msg_{library.__module__.partition('.')[0]}"
        signature = library(secret).sign(name, now, BODY.decode())
        good[name] = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
    assert {name: receiver.post(headers) for name, headers in good.items()} == dict.fromkeys(good, 204)
    assert receiver.lines("verified") == [f"verified {name} order.created" for name in good]
    assert receiver.lines("refused") == []


def refuses_bad_ones(receiver: Running, secret: str, another: str) -> None:
    """Post what differs from a good request in one thing; none is handled, and each is one line."""
    good = signed(secret, message_id="evt_bad")
    signature = good["webhook-signature"]
    bad: dict[str, dict[str, str]] = {
        "another secret": signed(another, message_id="evt_bad"),
        "two other secrets": signed(another, new_secret(), message_id="evt_bad"),
        "another id": {**good, "webhook-id": "evt_other"},
        "another time": {**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) - 1)},
        "another version": {**good, "webhook-signature": signature.replace("v1,", "v2,")},
        "no version": {**good, "webhook-signature": signature.removeprefix("v1,")},
        "the beginning of it": {**good, "webhook-signature": signature[:-2]},
        "no text": {**good, "webhook-signature": "v1,"},
        "bytes beyond ASCII": {**good, "webhook-signature": "v1,é"},
        "too old": signed(secret, message_id="evt_bad", at=time.time() - 310),
        "too early": signed(secret, message_id="evt_bad", at=time.time() + 600),
        "no time": timed(secret, "soon"),
        "a time that is no number": timed(secret, f"{int(time.time())}.5"),
        "a time beyond all numbers": timed(secret, "9" * 400),
        **{f"no {name}": {key: value for key, value in good.items() if key != name} for name in good},
        **{f"empty {name}": {**good, name: ""} for name in good},
    }
    answers = {name: receiver.post(headers) for name, headers in bad.items()}
    answers |= {f"changed body {index}": receiver.post(good, body) for index, body in enumerate(changed_bodies())}
    assert answers == dict.fromkeys(answers, 401)
    assert len(receiver.lines("refused")) == len(answers)
    assert [line for line in receiver.lines("verified") if "evt_bad" in line or "evt_other" in line] == []
    assert receiver.post(good) == 204


def changed_bodies() -> tuple[bytes, ...]:
    """Return bodies that a parser may read alike, and an empty one."""
    return (
        BODY + b" ",
        BODY.replace(b": ", b":"),
        BODY.decode().encode("utf-16"),
        json.dumps(json.loads(BODY)).encode(),
        b"",
    )


def timed(secret: str, timestamp: str) -> dict[str, str]:
    """Sign any text as the timestamp, which the portal's own code does not do."""
    digest = hmac.digest(secret_bytes(secret), f"evt_bad.{timestamp}.".encode() + BODY, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": "evt_bad", "webhook-timestamp": timestamp, "webhook-signature": signature}


def handles_an_event_once(receiver: Running, secret: str) -> None:
    """Post one event many times at once, and then again with another time and signature, as a retry is."""
    headers = signed(secret, message_id="evt_again")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _number: receiver.post(headers), range(16))) == {204}
    assert receiver.post(signed(secret, message_id="evt_again", at=time.time() - 60)) == 204
    assert receiver.lines("verified evt_again") == ["verified evt_again order.created"]


def takes_an_event_again_after_a_failure(receiver: Running, secret: str) -> None:
    """Post what cannot be handled, and then the same event as a retry: it does not count as handled before."""
    with suppress(requests.ConnectionError):  # a server may close the connection instead
        assert receiver.post(signed(secret, message_id="evt_retried", body=b"{"), b"{") == 500
    assert receiver.lines("verified evt_retried") == []
    assert receiver.post(signed(secret, message_id="evt_retried")) == 204
    assert receiver.lines("verified evt_retried") == ["verified evt_retried order.created"]


def takes_large_bodies(receiver: Running, secret: str) -> None:
    """Post as much as an event can hold, in letters of three bytes, and more than a receiver reads."""
    large = json.dumps({"type": "report.ready", "data": {"text": "例" * 87_400}}, ensure_ascii=False).encode()
    assert len(large) > 256 * 1024
    assert receiver.post(signed(secret, message_id="evt_large", body=large), large) == 204
    assert receiver.lines("verified evt_large") == ["verified evt_large report.ready"]
    vast = b'{"type": "a.b", "data": "%s"}' % (b"x" * 1024 * 1024)
    with suppress(
        requests.ConnectionError, requests.exceptions.ChunkedEncodingError
    ):  # it may close the connection before it has read the rest
        assert receiver.post(signed(secret, message_id="evt_vast", body=vast), vast) == 413
    assert receiver.lines("verified evt_vast") == []
    assert receiver.post(signed(secret, message_id="evt_last")) == 204


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_no base64!"])
def test_a_receiver_without_its_secret_says_so(language, secret, tmp_path):
    receiver = receiver_for(language)
    words = shlex.split(receiver.run.replace("9000", str(free_port())))
    need(PROGRAMS.get(words[0], words[0]))
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", str(tmp_path)), SECRET_NAME: secret}
    if language == "php":  # which reads it with each request
        with running(language, tmp_path, secret) as answering:
            assert answering.post(signed(new_secret(), message_id="evt_1")) == 500
            told = answering.output.read_text("utf-8")
    else:
        done = subprocess.run(words, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode != 0
        told = done.stderr
    assert "set WEBHOOK_SECRET to the signing secret of your endpoint" in told.replace("Set", "set")
    assert "Traceback" not in told and "at Receiver" not in told
