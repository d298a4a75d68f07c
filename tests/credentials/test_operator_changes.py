"""Operators set a customer's key aside or end it on its page: by the key's own actions, confirmed, with a reason."""

import re

import pytest
from allauth.mfa.models import Authenticator

from apps.audit.models import AuditEntry
from apps.webhooks.models import Event
from tests.conftest import PASSWORD
from tests.conventions.conftest import new_sdk_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(person):
    olga = person("Olga", is_staff=True, is_superuser=True)
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return olga


@pytest.fixture(params=["api_keys/apikey", "sdk_keys/sdkkey"])
def key(request, acme, acme_key):
    """A key of either kind, and its page."""
    row = acme_key.row if request.param == "api_keys/apikey" else new_sdk_key(acme).row
    row.page = f"/admin/{request.param}/{row.pk}/"
    return row


def links(browser, key):
    page = browser.get(key.page + "change/").content.decode()
    return re.findall(rf'href="{key.page}(\w+)/"', page.replace("/history/", ""))


def send(browser, key, name, **values):
    page = browser.get(key.page + name + "/").content.decode()
    token = re.search(r'name="token" value="([^"]+)"', page)
    return browser.post(key.page + name + "/", {"token": token[1] if token else "", **values})


def entry(kind, action):
    return AuditEntry.objects.get(action=f"{kind}.{action}")


def test_a_key_is_set_aside_and_taken_back_and_ended(browser_of, olga, key, acme):
    browser, kind = browser_of(olga), "api_key" if "apikey" in key.page else "sdk_key"
    assert links(browser, key) == ["disable", "quarantine", "revoke"]
    steps = {"disable": "disabled", "enable": "enabled", "quarantine": "quarantined", "release": "released"}
    for name, action in {**steps, "revoke": "revoked"}.items():
        why = {} if name in ("enable", "release") else {"reason": f"Ticket 7: {name}"}
        assert send(browser, key, name, **why)["Location"] == key.page + "change/"
        key.refresh_from_db()
        said = entry(kind, action)
        assert (said.actor_kind, said.actor_id, said.organization_id) == ("operator", olga.public_id, acme.pk)
        assert said.changes.get("reason", [None, None])[1] == why.get("reason")
        assert key.status_changed_by == f"operator:{olga.public_id}"
    assert key.revoked_at and links(browser, key) == []
    assert Event.objects.filter(type=f"{kind}.revoked", organization=acme).count() == 1


def test_without_a_reason_or_a_confirmation_nothing_happens(browser_of, olga, key):
    assert send(browser_of(olga), key, "revoke", reason=" ").status_code == 200
    asked = send(browser_of(olga, confirmed=False), key, "revoke", reason="Ticket 7")
    assert asked.status_code == 200 and "confirm_password" in asked.content.decode()
    wrong = send(browser_of(olga, confirmed=False), key, "revoke", reason="Ticket 7", confirm_password="wrong")
    assert wrong.status_code == 200
    key.refresh_from_db()
    assert key.revoked_at is None and not AuditEntry.objects.filter(action__endswith=".revoked").exists()
    right = send(browser_of(olga, confirmed=False), key, "revoke", reason="Ticket 7", confirm_password=PASSWORD)
    key.refresh_from_db()
    assert right.status_code == 302 and key.revoked_at


def test_what_does_not_fit_changes_nothing_and_a_form_is_good_once(browser_of, olga, key):
    browser = browser_of(olga)
    assert send(browser, key, "enable").status_code == 302
    page = browser.get(key.page + "disable/").content.decode()
    form = {"token": re.search(r'name="token" value="([^"]+)"', page)[1], "reason": "Ticket 7"}
    assert browser.post(key.page + "disable/", form).status_code == 302
    send(browser, key, "enable")
    assert browser.post(key.page + "disable/", form).status_code == 302
    key.refresh_from_db()
    assert key.disabled_at is None
    assert (
        browser.get(key.page.replace(str(key.pk), "0" * 8 + "-0000-4000-8000-" + "0" * 12) + "revoke/").status_code
        == 302
    )


def test_a_whole_key_is_no_reason(browser_of, olga, acme_key):
    acme_key.row.page = f"/admin/api_keys/apikey/{acme_key.row.pk}/"
    answer = send(browser_of(olga), acme_key.row, "revoke", reason=f"leaked {acme_key.text}")
    acme_key.row.refresh_from_db()
    assert answer.status_code == 200 and acme_key.row.revoked_at is None
    assert acme_key.text not in str(list(AuditEntry.objects.values_list("changes", flat=True)))


@pytest.mark.parametrize("who", ["ada", "nobody"])
def test_nobody_else_gets_there(browser_of, ada, client, key, who):
    browser = browser_of(ada) if who == "ada" else client
    for name in ("disable", "quarantine", "revoke"):
        assert browser.get(key.page + name + "/").status_code in (302, 403, 404)
        assert browser.post(key.page + name + "/", {"reason": "x"}).status_code in (302, 403, 404)
    key.refresh_from_db()
    assert key.revoked_at is key.disabled_at is key.quarantined_at is None
