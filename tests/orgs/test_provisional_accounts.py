"""Accounts created through ``/v1/users``: what their creator set is removed, however the address is confirmed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.db import connection
from django.test import Client

from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.mail.token_links import confirm_address_link, set_password_link
from apps.orgs.models import ExternalIdentity, Membership, Organization, OutgoingMail, User
from tests.authenticators import give_app, give_recovery_codes
from tests.orgs.browsers import has_access

pytestmark = pytest.mark.django_db
KNOWN = "known to another"
VIC = "vic@example.com"


@pytest.fixture
def vic(api, acme_key):
    assert api(acme_key).post("/v1/users", {"name": "Vic", "email": VIC, "password": KNOWN}).status_code == 201
    # As an earlier version let such accounts in, and goes on to: whoever used theirs is not locked out.
    User.objects.filter(email=VIC).update(signs_in_unverified=True)
    return User.objects.get(email=VIC)


def sign_in(password, email=VIC):
    browser = Client()
    browser.post("/account/login/", {"login": email, "password": password})
    return browser


def path_of(link):
    return link.partition(":8000")[2]


def confirm(vic, browser=None):
    return (browser or Client()).post(
        path_of(confirm_address_link(EmailAddress.objects.get(user=vic, email=vic.email)))
    )


def reset(vic):
    browser = Client()
    path = browser.get(path_of(set_password_link(vic)))["Location"]
    return browser.post(path, {"password1": "my own password", "password2": "my own password"})


@pytest.mark.parametrize("door", [confirm, reset])
def test_everything_that_was_set_before_ends(vic, door):
    intruder = sign_in(KNOWN)
    assert has_access(intruder)
    # As an earlier version, or a mistake elsewhere, may have left them.
    give_app(vic)
    give_recovery_codes(vic)
    Authenticator.objects.create(user=vic, type="webauthn", data={"name": "Theirs", "credential": {}})
    ExternalIdentity.objects.create(user=vic, issuer="https://idp.example", subject="theirs")
    EmailAddress.objects.create(user=vic, email="evil@example.com", primary=False, verified=False)
    door(vic)
    assert not has_access(intruder) and not has_access(sign_in(KNOWN))
    assert not Authenticator.objects.exists() and not ExternalIdentity.objects.exists()
    assert list(EmailAddress.objects.values_list("email", "verified")) == [(VIC, True)]
    vic.refresh_from_db()
    assert not vic.password_is_provisional


def test_no_second_step_can_be_set_up_before(vic):
    intruder = sign_in(KNOWN)
    for path in ("2fa/totp/activate/", "2fa/webauthn/add/"):
        assert intruder.post(f"/account/{path}")["Location"] == "/account/email/"
    intruder.post("/account/2fa/recovery-codes/generate/")
    assert not Authenticator.objects.exists()


def test_what_an_intruder_does_ends_no_link_in_the_owners_mailbox(vic):
    intruder, link = sign_in(KNOWN), path_of(set_password_link(vic))
    form = {"oldpassword": KNOWN, "password1": "another of theirs", "password2": "another of theirs"}
    assert intruder.post("/account/password/change/", form)["Location"] == "/account/email/"
    assert not has_access(sign_in("another of theirs"))
    intruder.post("/account/email/", {"email": "evil@example.com", "action_add": ""})
    sign_in(KNOWN)
    owner = Client()
    assert owner.get(link).status_code == 302, "the link still works"
    reset(vic)
    assert "no longer works" in Client().get(link).content.decode(), "and dies with the password"


def test_a_further_address_opens_nothing_and_is_sent_no_reset(vic, mailoutbox):
    intruder = sign_in(KNOWN)
    intruder.post("/account/email/", {"email": "evil@example.com", "action_add": ""})
    assert EmailAddress.objects.filter(user=vic).count() == 2
    assert not has_access(sign_in(KNOWN, "evil@example.com"))
    Client().post("/account/password/reset/", {"email": "evil@example.com"})
    send_due_mail()
    assert [mail for mail in mailoutbox if "password/reset" in mail.body and "evil@example.com" in mail.to] == []
    confirm(vic)
    assert not EmailAddress.objects.filter(email="evil@example.com").exists()


def test_moving_the_account_to_a_mailbox_of_theirs_ends_their_password_and_frees_the_address(vic, api, acme_key):
    intruder = sign_in(KNOWN)
    intruder.post("/account/email/", {"email": "evil@example.com", "action_add": ""})
    link = path_of(confirm_address_link(EmailAddress.objects.get(email="evil@example.com")))
    intruder.post(link)
    vic.refresh_from_db()
    assert vic.email == "evil@example.com" and not vic.has_usable_password() and not has_access(intruder)
    assert OutgoingMail.objects.filter(to=VIC, body__contains="evil@example.com").exists(), "the old one is told"
    assert api(acme_key).post("/v1/users", {"name": "V", "email": VIC, "password": KNOWN}).status_code == 201


def test_a_strangers_mailbox_is_not_confirmed_for_an_account_by_a_click_on_a_link(browser_of, ada, ann):
    """Else an account whose password somebody knows would have the stranger's address, and be invited by it."""
    browser_of(ann).post("/account/email/", {"email": "stranger@example.com", "action_add": ""})
    link = path_of(confirm_address_link(EmailAddress.objects.get(email="stranger@example.com")))
    assert Client().post(link)["Location"].startswith("/account/login/")
    assert browser_of(ada).post(link).status_code == 200
    ann.refresh_from_db()
    assert ann.email == "ann@acme.example"
    other, browser = browser_of(ann), browser_of(ann)
    assert browser.post(link).status_code == 302
    ann.refresh_from_db()
    assert ann.email == "stranger@example.com" and has_access(browser) and not has_access(other)


def test_a_link_for_an_address_that_somebody_else_has_by_now_confirms_nothing(browser_of, ada, vic):
    confirm(vic)
    EmailAddress.objects.create(user=ada, email=VIC, primary=False, verified=False)
    row = EmailAddress.objects.get(user=ada, email=VIC)
    answer = browser_of(ada).post(path_of(confirm_address_link(row)))
    assert "no longer works" in answer.content.decode()
    ada.refresh_from_db()
    assert ada.email == "ada@acme.example"


def test_an_address_is_not_kept_from_others_by_asking_for_it(browser_of, ada, api, acme_key):
    browser_of(ada).post("/account/email/", {"email": "wanted@example.com", "action_add": ""})
    body = {"name": "W", "email": "wanted@example.com", "password": KNOWN}
    assert api(acme_key).post("/v1/users", body).status_code == 201


def test_an_address_changed_by_the_api_is_nobodys_until_it_is_confirmed(person, acme, api, acme_key):
    bob = person("Bob", acme)
    give_app(bob)
    api(acme_key).put(f"/v1/users/{bob.public_id}", {"email": VIC})
    bob.refresh_from_db()
    confirm(bob)
    bob.refresh_from_db()
    assert not bob.has_usable_password() and not Authenticator.objects.exists()


def test_a_second_organization_ends_it(vic, capsys):
    intruder = sign_in(KNOWN)
    call_command("create_organization", name="Vic's own", slug="vics", owner_email=VIC)
    assert not has_access(intruder) and not has_access(sign_in(KNOWN))
    assert Membership.objects.filter(user=vic, organization=Organization.objects.get(slug="vics")).exists()


@pytest.mark.django_db(transaction=True)
def test_the_owner_and_intruders_at_once_leave_the_owner_in(vic):
    owner = Client()
    path = owner.get(path_of(set_password_link(vic)))["Location"]
    intruders = [sign_in(KNOWN) for _ in range(4)]

    def act(number):
        try:
            if number in (2, 5):
                return owner.post(
                    path, {"password1": f"my own password {number}", "password2": f"my own password {number}"}
                )
            if number == 3:
                return confirm(vic)
            form = {"email": f"evil{number}@example.com", "action_add": ""}
            return intruders[number % 4].post("/account/email/", form)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert [answer for answer in pool.map(act, range(8)) if answer.status_code >= 500] == []
    vic.refresh_from_db()
    assert (vic.email, vic.password_is_provisional, vic.check_password(KNOWN)) == (VIC, False, False)
    assert [has_access(browser) for browser in intruders] == [False] * len(intruders)
    assert not Authenticator.objects.exists()
