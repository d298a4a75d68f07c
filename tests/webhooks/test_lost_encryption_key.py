"""Endpoints whose encryption key is missing: they are shown, stay unchanged, and can be repaired if it is lost."""

import pytest

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.crypto.encrypted_fields import CannotDecrypt
from apps.webhooks import actions
from apps.webhooks.models import Endpoint
from tests.engines import LOOPBACK, engine, make_endpoint, publish, statuses
from tests.receivers import Receiver
from tests.webhooks.pages import at

pytestmark = pytest.mark.django_db(transaction=True)
ANOTHER = {"n1": b"n" * 32}


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


@pytest.fixture
def endpoint(acme, receiver, settings):
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    return make_endpoint(acme, receiver.url, headers={"X-Team": "blue"})


def test_it_is_listed_and_shown_all_the_same(endpoint, settings, api, admin_key, browser_of, ada):
    settings.ENCRYPTION_KEYS = ANOTHER
    listed = api(admin_key).get("/v1/webhook-endpoints")
    assert listed.status_code == 200 and listed.json()[0]["headers"] == {}
    for page in ("", "?tab=verify", "?tab=settings", "edit/"):
        assert browser_of(ada).get(at(endpoint, page)).status_code == 200, page


def test_a_change_keeps_headers_that_come_back_with_their_key(endpoint, settings, api, admin_key):
    keys, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, ANOTHER
    changed = api(admin_key).patch(
        f"/v1/webhook-endpoints/{endpoint.public_id}", {"description": "Shop", "headers": {}}
    )
    assert changed.status_code == 200
    rotated = api(admin_key).post(f"/v1/webhook-endpoints/{endpoint.public_id}/rotate-secret", {"overlap_seconds": 60})
    assert rotated.status_code == 200
    settings.ENCRYPTION_KEYS = {**ANOTHER, **keys}
    row = Endpoint.objects.get(pk=endpoint.pk)
    assert (row.description, row.headers) == ("Shop", '{"X-Team":"blue"}')


def test_a_secret_rotated_without_overlap_brings_it_back(endpoint, acme, receiver, settings):
    settings.ENCRYPTION_KEYS = ANOTHER
    publish(acme)
    engine().run_until_idle()
    assert receiver.requests == [] and statuses(acme) == ["pending"]
    with pytest.raises(CannotDecrypt):
        _ = Endpoint.objects.get(pk=endpoint.pk).headers
    actor = system(acme.pk)
    actions.rotate_secret(actor=actor, endpoint_id=endpoint.public_id, overlap_seconds=0)
    actions.update_endpoint(actor=actor, endpoint_id=endpoint.public_id, headers={"X-Team": "red"})
    actions.send_test(actor=actor, endpoint_id=endpoint.public_id)
    engine().run_until_idle()
    assert receiver.requests[0].headers["x-team"] == "red"
    assert AuditEntry.objects.filter(action="endpoint.secret_rotated").count() == 1
