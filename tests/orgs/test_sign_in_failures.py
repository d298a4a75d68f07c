"""A refused way in leaves a figure, an entry for its group, and a mail where codes are guessed; nothing typed stays."""

import json
import time

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from prometheus_client import REGISTRY

from apps.audit.models import AuditEntry
from apps.orgs.accounts import failed_sign_ins, sign_in_views
from apps.orgs.models import PLATFORM_SLUG, OutgoingMail
from tests.authenticators import code_now, give_app, give_recovery_codes
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN, STEP, CONFIRM = "/account/login/", "/account/2fa/authenticate/", "/account/reauthenticate/"
ACTION = "session.sign_in_failed"


def figure(step):
    return REGISTRY.get_sample_value("portal_sign_in_failures_total", {"step": step}) or 0


@pytest.fixture
def counted():
    """How many failures of a step were counted in this test."""
    before = {step: figure(step) for step in failed_sign_ins.Step}
    return lambda step: figure(step) - before[step]


def entries(**wanted):
    found = AuditEntry.objects.filter(action=ACTION, **wanted).order_by("pk")
    return [(each.target_label, each.changes["step"][1], each.changes["failures"][1]) for each in found]


def sign_in(email, password, **options):
    return Client(**options).post(LOGIN, {"login": email, "password": password})


def after_password(user, **options):
    browser = Client(**options)
    assert browser.post(LOGIN, {"login": user.email, "password": PASSWORD}).status_code == 302
    return browser


def test_a_wrong_password_is_an_entry_in_each_organization_of_the_account(ada, rival, acme, counted):
    ada.memberships.create(organization=rival, role="viewer")
    answer = sign_in(ada.email, "not the password", REMOTE_ADDR="203.0.113.9", HTTP_USER_AGENT="Mozilla/5.0 Firefox/1")
    assert answer.status_code == 200
    for organization in (acme, rival):
        assert entries(organization=organization) == [("ada@acme.example", "password", 1)]
    entry = AuditEntry.objects.filter(action=ACTION).first()
    assert (entry.outcome, entry.address, entry.actor_kind) == ("failure", "203.0.113.9", "system")
    assert entry.request_id == answer["X-Request-ID"] and "Firefox" in entry.user_agent
    assert counted("password") == 1


def test_time_does_not_tell_of_an_account(ada, api, acme_key, monkeypatch):
    claim = {"name": "Q", "email": "q@example.com", "password": "chosen by a key"}
    api(acme_key).post("/v1/users", claim)
    monkeypatch.setattr(sign_in_views, "MIN_RESPONSE_SECONDS", 0.4)
    for email, password in ((ada.email, "wrong"), (claim["email"], claim["password"]), ("nobody@example.com", "wrong")):
        started = time.monotonic()
        sign_in(email, password)
        assert time.monotonic() - started >= 0.4
    monkeypatch.setattr(sign_in_views, "MIN_RESPONSE_SECONDS", 20.0)
    started = time.monotonic()
    sign_in(ada.email, PASSWORD)
    assert time.monotonic() - started < 10, "only what is refused waits"


@pytest.mark.parametrize("email", ["a@b\0c.example", "\0", "ada\0@acme.example"])
def test_an_address_with_a_nul_is_a_wrong_one(ada, email):
    assert sign_in(email, "wrong").status_code == 200 and sign_in(ada.email, "wro\0ng").status_code == 200


def test_a_flood_is_a_few_entries(ada, monkeypatch, counted):
    monkeypatch.setattr("apps.orgs.accounts.sign_in_views.FAILURE_LIMIT", "1000/5m")
    monkeypatch.setattr("apps.orgs.accounts.sign_in_views.SIGN_IN_LIMIT", "1000/m")
    monkeypatch.setattr("apps.orgs.accounts.sign_in_views.ATTEMPT_LIMIT", "1000/5m")
    monkeypatch.setattr("allauth.account.forms.LoginForm.clean", _refuse)
    for _ in range(120):
        sign_in("ada@acme.example", "wrong")
    assert entries() == [("ada@acme.example", "password", count) for count in (1, 10, 100)]
    assert counted("password") == 120


def _refuse(form):
    """What a wrong password comes to, without the hashing."""
    raise ValidationError("Incorrect email or password.")


def test_addresses_without_an_account_fill_nothing_and_are_not_kept(db, monkeypatch, counted):
    monkeypatch.setattr(failed_sign_ins, "MAX_UNKNOWN_PER_HOUR", 3)
    monkeypatch.setattr("allauth.account.forms.LoginForm.clean", _refuse)
    typed = [f"hunter{number}@nowhere.example" for number in range(8)]
    for number, email in enumerate(typed):
        sign_in(email, "correct horse typed here", REMOTE_ADDR=f"198.51.100.{number}")
    assert entries() == [("an unknown account", "password", 1)] * 3
    assert {each.organization.slug for each in AuditEntry.objects.filter(action=ACTION)} == {PLATFORM_SLUG}
    kept = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert "hunter" not in kept and "correct horse" not in kept
    assert counted("password") == 8


def test_a_password_in_the_wrong_field_is_not_kept(ada):
    sign_in("my secret password 1", "x")
    sign_in(ada.email, "my secret password 2")
    kept = json.dumps(list(AuditEntry.objects.values()) + list(OutgoingMail.objects.values()), default=str)
    assert "my secret" not in kept


def test_the_password_of_an_account_that_waits_for_its_owner_opens_nothing_and_is_noted(admin_key, acme, api, counted):
    person = {"name": "Nia", "email": "nia@new.example", "password": "correct horse"}
    assert api(admin_key).post("/v1/users", person).status_code == 201
    assert sign_in("nia@new.example", "correct horse").status_code == 200
    assert entries(organization=acme) == [] and counted("password") == 1
    assert entries() == [("an unknown account", "password", 1)]


def test_an_empty_form_and_a_right_password_are_no_failure(ada, counted):
    sign_in(ada.email, "")
    sign_in("", "x")
    assert sign_in(ada.email, PASSWORD).status_code == 302
    assert entries() == [] and counted("password") == 0


def mails(user):
    return OutgoingMail.objects.filter(to=user.email, subject__startswith="Someone with your password").count()


@pytest.mark.parametrize(("code", "step"), [("000000", "totp"), ("abcde-fghjk", "recovery_code")])
def test_the_fifth_wrong_code_after_a_right_password_is_a_mail(ada, acme, counted, code, step):
    give_app(ada)
    give_recovery_codes(ada)
    for number in range(7):
        after_password(ada).post(STEP, {"code": code})
        assert mails(ada) == (number >= 4), number
    assert counted(step) == 5, "what comes after the fifth is not looked at"
    assert entries(organization=acme) == [("ada@acme.example", step, 1)]
    body = OutgoingMail.objects.get(subject__startswith="Someone").body
    assert code not in body and "127.0.0.1" in body


def test_wrong_codes_that_come_slowly_are_told_of_too(ada, monkeypatch):
    give_app(ada)
    monkeypatch.setattr("apps.base.web.second_step.FAILURE_WINDOW_SECONDS", 0)
    for number in range(5):
        after_password(ada).post(STEP, {"code": "000000"})
        assert mails(ada) == (number == 4)


def test_a_right_code_is_no_failure(ada, counted):
    give_app(ada)
    after_password(ada).post(STEP, {"code": code_now()})
    after_password(ada).post(STEP, {"code": ""})
    assert entries() == [] and counted("totp") == counted("recovery_code") == 0


def test_a_wrong_passkey_at_either_step(ada, counted):
    give_app(ada)
    after_password(ada).post(STEP, {"credential": "{}"})
    Client().post("/account/2fa/webauthn/login/", {"credential": "{}"})
    assert counted("passkey") == 2
    assert entries() == [("ada@acme.example", "passkey", 1), ("an unknown account", "passkey", 1)]


@pytest.mark.parametrize("typed", ["not it", "000000"])
def test_a_wrong_confirmation(ada, browser_of, counted, typed):
    give_app(ada)
    browser = browser_of(ada, confirmed=False)
    browser.post(CONFIRM, {"password": typed})
    browser.post("/account/2fa/webauthn/reauthenticate/", {"credential": "{}"})
    assert counted("confirmation") >= 1
    assert entries() == [("ada@acme.example", "confirmation", 1)]
    assert AuditEntry.objects.get(action=ACTION).actor_id == ada.public_id


def test_a_wrong_password_in_a_form_that_asks(ada, browser_of, counted):
    browser = browser_of(ada, confirmed=False)
    path = "/o/acme/settings/organization/close/"
    browser.post(path, {"confirm_password": "not it"})
    assert counted("confirmation") == 1 and entries() == [("ada@acme.example", "confirmation", 1)]


def test_the_password_page_counts_its_question(ada, browser_of, counted):
    browser_of(ada).post("/account/password/change/", {"oldpassword": "no", "password1": "a b c d e", "password2": "x"})
    assert counted("confirmation") == 1


def test_the_entry_reads_as_a_sentence(ada, browser_of):
    sign_in(ada.email, "wrong")
    page = browser_of(ada).get(reverse("audit", args=["acme"]))
    assert "A sign-in to ada@acme.example failed" in page.content.decode()


def test_a_code_that_is_not_looked_at_costs_the_network_nothing(ada, monkeypatch, person, acme):
    give_app(ada)
    monkeypatch.setattr("apps.orgs.accounts.sign_in_views.CODE_LIMIT", "6/m")
    answers = [after_password(ada).post(STEP, {"code": "000000"}).status_code for _ in range(8)]
    assert answers == [200] * 5 + [429] * 3
    other = person("Other", acme)
    give_app(other)
    assert after_password(other).post(STEP, {"code": code_now()}).status_code == 302


def test_a_refused_try_costs_the_network_nothing(ada, monkeypatch, person, acme):
    monkeypatch.setattr("apps.orgs.accounts.sign_in_views.ATTEMPT_LIMIT", "2/5m")
    monkeypatch.setattr("apps.orgs.accounts.sign_in_views.SIGN_IN_LIMIT", "4/m")
    answers = [sign_in(ada.email, PASSWORD).status_code for _ in range(6)]
    assert answers == [302, 302, 429, 429, 429, 429]
    other = person("Other", acme)
    assert sign_in(other.email, PASSWORD).status_code == 302
