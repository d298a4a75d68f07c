"""A new encryption key: everything is under it afterwards, while the portal delivers, and nothing is overwritten."""

import base64
import io
import json
import threading
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from standardwebhooks import Webhook

from apps.audit.models import AuditEntry
from apps.base.crypto import reencryption
from apps.base.crypto.encrypted_fields import CannotDecrypt, unseal
from apps.base.crypto.reencryption import reencrypt_all, values_under_older_keys
from apps.webhooks.models import Attempt, Delivery, Endpoint, EndpointSecret
from integrations_portal.management.commands.worker import report_undecryptable_secrets
from tests.engines import LOOPBACK, engine, make_endpoint, publish, statuses
from tests.environment import KEYS
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db
OLD, NEW = KEYS["encryption"], b"n" * 32


def rotate():
    """Run the command as a script does; its figures, and its sentence where it refused."""
    out = io.StringIO()
    try:
        call_command("rotate_encryption_key", "--json", stdout=out)
    except CommandError as refusal:
        return json.loads(out.getvalue()), str(refusal)
    return json.loads(out.getvalue()), ""


def test_everything_is_under_the_new_key_and_reads_as_before(acme, rival, settings):
    endpoints = [make_endpoint(each, headers={"X-Team": each.slug}) for each in (acme, rival, acme)]
    Endpoint.objects.filter(pk=endpoints[2].pk).update(deleted_at=endpoints[2].created_at)
    secrets = {row.pk: row.secret for row in EndpointSecret.objects.all()}
    settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}
    assert values_under_older_keys() == {"t1": 6}
    figures, refusal = rotate()
    assert refusal == "" and figures == {
        "current": "n1", "encrypted_anew": 6, "changed_meanwhile": 0, "unreadable": 0, "left": {"t1": 0},
        "may_be_removed": ["t1"],
    }  # fmt: skip
    settings.ENCRYPTION_KEYS = {"n1": NEW}
    assert {row.pk: row.secret for row in EndpointSecret.objects.all()} == secrets
    assert {row.headers for row in Endpoint.objects.all()} == {'{"X-Team":"acme"}', '{"X-Team":"rival"}'}
    entry = AuditEntry.objects.get(action="encryption.renewed")
    assert (entry.target_id, entry.changes, entry.organization.slug) == ("n1", {"values": [None, 6]}, "platform")
    assert rotate()[0]["encrypted_anew"] == 0 and AuditEntry.objects.filter(action="encryption.renewed").count() == 1


def test_it_goes_through_more_rows_than_a_batch(acme, settings, monkeypatch):
    monkeypatch.setattr(reencryption, "BATCH", 2)
    for _ in range(5):
        make_endpoint(acme)
    settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}
    assert reencrypt_all().renewed == 10 and not values_under_older_keys()


def test_a_change_that_somebody_makes_meanwhile_is_not_overwritten(acme, settings, monkeypatch):
    endpoint = make_endpoint(acme, headers={"X-Team": "before"})
    settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}

    def change_first(*arguments):
        monkeypatch.undo()
        endpoint.headers = '{"X-Team":"after"}'
        endpoint.save()
        return reencryption.seal(*arguments)

    monkeypatch.setattr(reencryption, "seal", change_first)
    done = reencrypt_all()
    assert (done.renewed, done.changed_meanwhile, done.left) == (1, 1, {})
    assert Endpoint.objects.get().headers == '{"X-Team":"after"}'


def test_a_process_with_the_older_key_in_front_leaves_something_to_do(acme, settings, monkeypatch):
    settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}
    original = reencryption._reencrypt_field

    def and_somebody_writes_the_old_way(model, field, done):
        original(model, field, done)
        settings.ENCRYPTION_KEYS = {"t1": OLD, "n1": NEW}
        make_endpoint(acme)
        settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}

    monkeypatch.setattr(reencryption, "_reencrypt_field", and_somebody_writes_the_old_way)
    figures, refusal = rotate()
    assert figures["left"]["t1"] > 0 and figures["may_be_removed"] == [] and figures["unreadable"] == 0
    assert "Restart it and run this again" in refusal
    monkeypatch.undo()
    settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}
    assert rotate()[1] == "" and not values_under_older_keys()


def test_a_value_whose_key_is_gone_is_named_and_kept(acme, settings, caplog):
    make_endpoint(acme)
    sealed = EndpointSecret.objects.get().__dict__["secret"]
    settings.ENCRYPTION_KEYS = {"n1": NEW}
    figures, refusal = rotate()
    assert (figures["encrypted_anew"], figures["unreadable"], figures["left"]) == (0, 2, {"t1": 2})
    assert figures["may_be_removed"] == [] and "put it back into ENCRYPTION_KEYS" in refusal
    assert EndpointSecret.objects.get().__dict__["secret"] == sealed
    with pytest.raises(CannotDecrypt, match="the key 't1' is not in ENCRYPTION_KEYS"):
        unseal(sealed, b"")
    report_undecryptable_secrets()
    assert "2 stored secrets are under the encryption key t1" in caplog.text
    settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}
    assert rotate()[1] == ""


def test_nothing_of_a_secret_is_printed(acme, settings, capsys):
    make_endpoint(acme, headers={"X-Team": "canary-7d1f"})
    settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}
    call_command("rotate_encryption_key")
    printed = capsys.readouterr().out
    assert "encrypted_anew: 2" in printed and "left: t1=0" in printed
    for secret in ("canary", "whsec_", base64.b64encode(NEW).decode(), base64.b64encode(OLD).decode()):
        assert secret not in printed


@pytest.mark.django_db(transaction=True)
def test_while_fifty_events_a_second_are_delivered_none_fails(acme, settings):
    """Promise 36, short: 100 events in two seconds to an endpoint whose secrets change their key meanwhile."""
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    with Receiver() as receiver:
        endpoint = make_endpoint(acme, receiver.url, "*", headers={"X-Team": "blue"})
        for number in range(20):
            make_endpoint(acme, f"{receiver.url}{number}", "appointment.*", headers={"X-Team": str(number)})
        secret = EndpointSecret.objects.get(endpoint=endpoint).secret
        settings.ENCRYPTION_KEYS = {"n1": NEW, "t1": OLD}
        running = engine()
        thread = threading.Thread(target=lambda: (running.run_forever(), connections.close_all()))
        thread.start()
        try:
            done, started = None, time.monotonic()
            for number in range(100):
                publish(acme)
                if number % 25 == 10:
                    done = reencrypt_all()
                time.sleep(max(0, started + (number + 1) / 50 - time.monotonic()))
            deadline = time.monotonic() + 20
            while statuses(acme) != ["succeeded"] * 100 and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            running.stop()
            thread.join(20)
        assert statuses(acme) == ["succeeded"] * 100 and not values_under_older_keys() and done.unreadable == 0
        assert Attempt.objects.count() == 100 and not Delivery.objects.exclude(uncounted_attempts=0).exists()
        for received in receiver.requests:
            Webhook(secret).verify(received.body, received.headers)
            assert received.headers["x-team"] == "blue"
