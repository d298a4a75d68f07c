"""Passkeys: made, named, used, removed; and answers that a browser gave to another page (promise 33)."""

import json
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from apps.orgs.models import OutgoingMail
from tests.authenticators import Passkey, asked_of
from tests.conftest import PASSWORD
from tests.orgs.browsers import has_access

pytestmark = pytest.mark.django_db
ADD, SIGN_IN = "/account/2fa/webauthn/add/", "/account/2fa/webauthn/login/"
HERE = "/o/acme/settings/integration/"
WRONG_ORIGINS = (
    "http://127.0.0.1:9000", "http://127.0.0.1", "https://127.0.0.1:8000", "http://evil.example",
    "http://evil.127.0.0.1:8000", "http://127.0.0.1:8000.evil.example", "http://127.0.0.1:8000/", "null", "",
)  # fmt: skip


@pytest.fixture(autouse=True)
def host(settings, monkeypatch):
    """A passkey needs a name; whether the portal has one is asked in one place."""
    for module in ("sign_in_views", "confirm_identity", "two_step_views"):
        monkeypatch.setattr(f"apps.orgs.accounts.{module}.passkeys_possible", lambda: True)


def add(browser, passkey, name="Laptop", **options):
    page = browser.get(ADD)
    answer = passkey.register(asked_of(page, "creation_options"), **options)
    return browser.post(ADD, {"name": name, "passwordless": "on", "credential": answer})


def ask(browser):
    return browser.get(SIGN_IN, headers={"Accept": "application/json"}).json()["request_options"]


def test_a_passkey_signs_in_alone(browser_of, ada):
    passkey = Passkey()
    shown = add(browser_of(ada), passkey)
    assert shown.status_code == 200 and shown["Cache-Control"] == "no-store, private"
    assert Authenticator.objects.filter(user=ada, type="recovery_codes").exists()
    browser = Client()
    answer = browser.post(SIGN_IN, {"credential": passkey.sign(ask(browser)), "next": HERE})
    assert (answer.status_code, answer["Location"]) == (302, HERE) and has_access(browser)


def test_it_opens_no_account_whose_address_waits_for_its_owner(browser_of, vera, api, acme_key):
    passkey = Passkey()
    add(browser_of(vera), passkey)
    api(acme_key).patch(f"/v1/users/{vera.public_id}", {"email": "next@example.com"})
    browser = Client()
    answer = browser.post(SIGN_IN, {"credential": passkey.sign(ask(browser)), "next": HERE})
    assert answer.status_code == 403 and "not verified yet" in answer.content.decode() and not has_access(browser)
    assert OutgoingMail.objects.filter(template="first_sign_in", to="next@example.com").exists()


def test_its_answer_opens_once_and_in_one_session(browser_of, ada):
    passkey = Passkey()
    add(browser_of(ada), passkey)
    browser, other = Client(), Client()
    credential = passkey.sign(ask(browser))
    ask(other)
    other.post(SIGN_IN, {"credential": credential})
    assert not has_access(other)
    browser.post(SIGN_IN, {"credential": credential})
    assert has_access(browser)
    browser.post("/account/logout/")
    browser.post(SIGN_IN, {"credential": credential})
    assert not has_access(browser)


@pytest.mark.parametrize("origin", WRONG_ORIGINS)
def test_an_answer_to_another_page_is_refused(browser_of, ada, origin):
    passkey, owner = Passkey(), browser_of(ada)
    assert add(owner, Passkey(), origin=origin).status_code == 422
    assert not Authenticator.objects.exists()
    add(owner, passkey)
    browser = Client()
    browser.post(SIGN_IN, {"credential": passkey.sign(ask(browser), origin=origin)})
    assert not has_access(browser)
    browser.post("/account/login/", {"login": ada.email, "password": PASSWORD})
    page = browser.get("/account/2fa/authenticate/")
    credential = passkey.sign(asked_of(page, "request_options"), origin=origin)
    browser.post("/account/2fa/authenticate/", {"credential": credential})
    assert not has_access(browser)


def test_it_is_the_second_step_after_the_password(browser_of, ada):
    passkey = Passkey()
    add(browser_of(ada), passkey)
    browser = Client()
    browser.post("/account/login/", {"login": ada.email, "password": PASSWORD})
    assert not has_access(browser)
    page = browser.get("/account/2fa/authenticate/")
    browser.post("/account/2fa/authenticate/", {"credential": passkey.sign(asked_of(page, "request_options"))})
    assert has_access(browser)


def test_who_has_a_passkey_alone_confirms_with_it(browser_of, ada):
    passkey = Passkey()
    add(browser_of(ada), passkey)
    ada.set_unusable_password()
    ada.save()
    browser = browser_of(ada, confirmed=False)
    assert browser.post("/account/2fa/webauthn/keys/1/edit/").status_code == 302
    page = browser.get("/account/reauthenticate/?next=/account/2fa/webauthn/add/")
    credential = passkey.sign(asked_of(page, "request_options"))
    answer = browser.post("/account/2fa/webauthn/reauthenticate/", {"credential": credential, "next": ADD})
    assert (answer.status_code, answer["Location"]) == (302, ADD)
    assert browser.get(ADD).status_code == 200


def test_it_is_renamed_and_removed_by_its_owner_only(browser_of, ada, ann):
    owner, other = browser_of(ada), browser_of(ada)
    add(owner, Passkey())
    row = Authenticator.objects.get(type="webauthn")
    start = f"/account/2fa/webauthn/keys/{row.pk}"
    for page in ("edit", "remove"):
        assert browser_of(ann).post(f"{start}/{page}/", {"name": "Mine"}).status_code == 404
    owner.post(f"{start}/edit/", {"name": "Key on the ring"})
    assert "Key on the ring" in owner.get("/account/2fa/webauthn/").content.decode()
    owner.post(f"{start}/remove/")
    assert not Authenticator.objects.exists() and has_access(owner) and not has_access(other)
    assert {"A passkey was added to your account", "A passkey was removed from your account"} == set(
        OutgoingMail.objects.values_list("subject", flat=True)
    )


GARBAGE = (
    "", "null", "[]", "{}", '"x"', "1", "x", '{"response": 1}', '{"response": {"clientDataJSON": "!"}}',
    json.dumps({"id": "a", "rawId": "a", "type": "public-key", "response": {"clientDataJSON": "e30", "userHandle": 7}}),
)  # fmt: skip


@pytest.mark.parametrize("credential", GARBAGE)
def test_garbage_is_refused(browser_of, ada, credential):
    browser = browser_of(ada)
    browser.get(ADD)
    assert browser.post(ADD, {"name": "x", "credential": credential}).status_code == 422
    browser.post("/account/2fa/webauthn/reauthenticate/", {"credential": credential})
    anybody = Client()
    ask(anybody)
    assert anybody.post(SIGN_IN, {"credential": credential}).status_code == 302


def test_a_broken_answer_is_refused_wherever_it_is_broken(browser_of, ada, monkeypatch):
    """Every byte of an attestation is read by code that expects it to be right."""
    monkeypatch.setattr("apps.orgs.accounts.two_step_views.RATE_LIMIT", "1000/m")
    browser, passkey = browser_of(ada), Passkey()
    good = json.loads(passkey.register(asked_of(browser.get(ADD), "creation_options")))
    whole = good["response"]["attestationObject"]
    for end in range(0, len(whole), 23):
        good["response"]["attestationObject"] = whole[:end]
        assert browser.post(ADD, {"name": "x", "credential": json.dumps(good)}).status_code == 422
    assert not Authenticator.objects.exists()


def test_a_question_that_the_browser_kept_counts_once_and_not_for_long(browser_of, ada, time_machine):
    passkey = Passkey()
    add(browser_of(ada), passkey)
    browser = Client()
    credential = passkey.sign(ask(browser))
    kept = browser.cookies["passkey"].value
    browser.post(SIGN_IN, {"credential": credential})
    assert has_access(browser) and not browser.cookies["passkey"].value
    again, changed, late = Client(), Client(), Client()
    again.cookies["passkey"] = kept
    again.post(SIGN_IN, {"credential": credential})
    assert not has_access(again), "it was used up"
    credential = passkey.sign(ask(late))
    changed.cookies["passkey"] = late.cookies["passkey"].value[:-1] + "x"
    changed.post(SIGN_IN, {"credential": credential})
    time_machine.move_to(timezone.now() + timedelta(seconds=601))
    late.post(SIGN_IN, {"credential": credential})
    assert not has_access(changed) and not has_access(late)
