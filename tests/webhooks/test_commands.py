"""The commands ``create_endpoint`` and ``listen``, which forwards verified requests."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest
import requests
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.webhooks.engine.signing import new_secret, secret_bytes, sign
from apps.webhooks.models import Endpoint
from tests.conventions.tree import ROOT
from tests.receivers import Receiver, status
from tests.servers import START_SECONDS, free_port, sigint_ignored
from tests.webhooks.pages import SECRET

URL = "https://hooks.acme.example/in"


@pytest.mark.django_db
def test_an_endpoint_is_printed_once_as_json(acme, capsys):
    call_command("create_endpoint", org="acme", url=URL, events="order.*, invoice.paid", json=True)
    printed = json.loads(capsys.readouterr().out)
    endpoint = Endpoint.objects.get()
    assert printed == {"id": endpoint.public_id, "url": URL, "secret": endpoint.secrets.get().secret}
    assert endpoint.event_types == ["order.*", "invoice.paid"]
    entry = AuditEntry.objects.get(action="endpoint.created")
    assert (entry.actor_kind, entry.actor_label) == ("system", "create_endpoint")
    assert not SECRET.search(json.dumps(entry.changes))


@pytest.mark.django_db
def test_without_events_it_gets_all(acme, capsys):
    call_command("create_endpoint", org="acme", url=URL)
    assert Endpoint.objects.get().event_types == ["*"]
    assert re.search(r"^secret: whsec_", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("slip", "says"),
    [
        ({"org": "nowhere"}, "nowhere"),
        ({"url": "https://10.0.0.1/"}, ""),
        ({"url": "not a url"}, ""),
        ({"events": "nowhere.*"}, "--events does not accept nowhere.*. Did you mean order.*? Accepted: *, "),
        ({"events": "order.craeted"}, "order.craeted. Did you mean order.created? Accepted: *, "),
        ({"events": ","}, "at least one"),
    ],
)
def test_an_invalid_option_is_one_sentence_and_creates_nothing(acme, slip, says):
    with pytest.raises(CommandError, match=re.escape(says)):
        call_command("create_endpoint", **{"org": "acme", "url": URL, **slip})
    assert not Endpoint.objects.exists()


def listen(*words):
    command = [sys.executable, "manage.py", "listen", "--port", "0", *words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    line = process.stdout.readline()
    return process, re.search(r"http://127\.0\.0\.1:\d+/", line)[0]


@pytest.mark.pure
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_listen_ends_at_a_signal_also_where_sigint_was_ignored(number):
    with sigint_ignored():
        process, _url = listen()
    process.send_signal(number)
    assert process.communicate(timeout=10)[0] == "stopped\n" and process.returncode == 0


@pytest.mark.pure
def test_listen_tells_each_delivery_at_once_also_into_a_file_or_a_journal():
    process, url = listen()
    try:
        requests.post(url, '{"type":"a.b"}', headers={"webhook-id": "evt_1"}, timeout=5)
        assert select.select([process.stdout], [], [], 10)[0], "nothing came out while it runs"
        assert "evt_1 a.b" in process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.mark.pure
def test_listen_may_be_brief(receiver: Receiver):
    port = free_port()
    process = subprocess.Popen([sys.executable, "-u", "manage.py", "listen", "--brief", "--port", str(port)], cwd=ROOT,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError):
                requests.post(f"http://127.0.0.1:{port}/", '{"type":"a.b"}', headers={"webhook-id": "evt_1"}, timeout=5)
                break
        requests.get(f"http://127.0.0.1:{port}/mode/503", timeout=5)
        answer = requests.post(f"http://127.0.0.1:{port}/", "{}", headers={"webhook-id": "evt_2"}, timeout=5)
        assert answer.status_code == 503
    finally:
        process.terminate()
        told = process.communicate(timeout=10)[0]
    first, second = (line.partition(" ")[2] for line in told.splitlines())
    assert first == "evt_1 a.b not verified (give --secret)"
    assert second == "evt_2 (not an event) not verified (give --secret) (mode: 503)"


@pytest.mark.pure
def test_listen_prints_verifies_and_forwards(receiver: Receiver):
    secret, body = new_secret(), '{"type":"order.created","data":{"n":"é"}}'.encode()
    receiver.behaviour = status(202)
    process, url = listen("--secret", secret, "--forward", receiver.url)
    try:
        headers = sign([secret_bytes(secret)], "evt_1", int(time.time()), body)
        assert requests.post(url, body, headers=headers, timeout=10).status_code == 202
        assert "evt_1 order.created verified" in process.stdout.readline()
        assert process.stdout.readline().strip() == body.decode()
        (passed,) = receiver.requests
        assert passed.body == body and passed.headers["webhook-signature"] == headers["webhook-signature"]
        requests.post(url, body + b" ", headers=headers, timeout=10)
        assert "REFUSED" in process.stdout.readline()
    finally:
        process.terminate()
        process.wait(10)
