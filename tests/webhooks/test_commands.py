"""create_endpoint, and listen as a receiver that passes on what it verified."""

import json
import re
import subprocess
import sys
import time

import pytest
import requests
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.webhooks.models import Endpoint
from apps.webhooks.signing import new_secret, secret_bytes, sign
from tests.house.tree import ROOT
from tests.receivers import Receiver, status
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
        ({"events": "nowhere.*"}, "nowhere.*"),
        ({"events": ","}, "at least one"),
    ],
)
def test_a_slip_is_one_sentence_and_makes_nothing(acme, slip, says):
    with pytest.raises(CommandError, match=re.escape(says)):
        call_command("create_endpoint", **{"org": "acme", "url": URL, **slip})
    assert not Endpoint.objects.exists()


def listen(*words):
    command = [sys.executable, "-u", "manage.py", "listen", "--port", "0", *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    line = process.stdout.readline()
    return process, re.search(r"http://127\.0\.0\.1:\d+/", line)[0]


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
