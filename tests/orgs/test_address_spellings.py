"""One domain, several spellings: an account is found by each, and no second one is made."""

from importlib import import_module

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps.base.actor import system
from apps.orgs.accounts.sso import identities
from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.models import Invitation, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
UNICODE, PUNYCODE = "mia@bücher.example", "mia@xn--bcher-kva.example"
BODY = {"name": "Mia", "password": PASSWORD}
REFUSED = ["no-at", "ſx@example.com", "ıx@example.com", "\u212ax@example.com", "éx@example.com", "x@\u212a.example", 5]


def sign_in(email, password=PASSWORD):
    browser = Client()
    browser.post("/account/login/", {"login": email, "password": password})
    return "_auth_user_id" in browser.session


@pytest.fixture
def mia(acme):
    return User.objects.create_user(PUNYCODE, PASSWORD, name="Mia")


@pytest.mark.parametrize("typed", [UNICODE, PUNYCODE, "MIA@BÜCHER.example", "mia@bu\u0308cher。example"])
def test_somebody_signs_in_by_any_spelling(mia, typed):
    assert mia.email == UNICODE and sign_in(typed)


def test_no_second_account_is_made(api, acme_key, person, acme):
    first = api(acme_key).post("/v1/users", {**BODY, "email": PUNYCODE})
    assert (first.status_code, first.json()["email"]) == (201, UNICODE)
    for email in (UNICODE, PUNYCODE):
        assert api(acme_key).post("/v1/users", {**BODY, "email": email}).status_code == 400
    bob = person("Bob", acme)
    assert api(acme_key).patch(f"/v1/users/{bob.public_id}", {"email": UNICODE}).status_code == 400


def test_mail_goes_to_the_domain_that_browsers_mean(mia, client):
    User.objects.create_user("mia@straße.example", PASSWORD, name="Mia")
    for typed in (PUNYCODE, "mia@straße.example"):
        client.post("/account/password/reset/", {"email": typed})
    send_due_mail()
    assert [each.to for each in mail.outbox] == [[PUNYCODE], ["mia@xn--strae-oqa.example"]]


def test_an_address_is_invited_once(api, admin_key, acme):
    assert api(admin_key).post("/v1/invitations", {"email": PUNYCODE, "role": "viewer"}).json()["email"] == UNICODE
    assert api(admin_key).post("/v1/invitations", {"email": UNICODE, "role": "viewer"}).status_code == 409
    assert Invitation.objects.count() == 1


def test_single_sign_on_and_commands_find_it(mia):
    found = identities.find_or_link_identity(
        actor=system(), issuer="https://idp.example", subject="1", email=PUNYCODE, is_verified=True
    )
    assert found == mia
    with pytest.raises(CommandError, match="already in use"):
        call_command("create_operator", email=PUNYCODE)


def test_two_accounts_of_before_both_sign_in_and_no_third_is_made(mia, client, capsys):
    twin = User.objects.create_user("mia@other.example", "another password", name="Mia")
    User.objects.filter(pk=twin.pk).update(email=PUNYCODE)
    for typed in (UNICODE, PUNYCODE):
        assert sign_in(typed) and sign_in(typed, "another password") and not sign_in(typed, "neither of the two")
    with pytest.raises(CommandError, match="already in use"):
        call_command("create_operator", email="MIA@Bücher.example")
    call_command("check")
    told = capsys.readouterr().err
    assert f"{UNICODE} and {PUNYCODE} are one email address and two accounts" in told and told.count("portal.I002") == 1
    client.post("/account/password/reset/", {"email": PUNYCODE})
    send_due_mail()
    send_due_mail()
    resets = [each for each in mail.outbox if "/password/reset/key/" in each.body]
    assert [each.to for each in resets] == [[PUNYCODE]] * 2 and resets[0].body != resets[1].body


def test_what_is_there_is_spelled_alike_where_nobody_else_has_it(acme, person):
    """As an upgrade finds it: alone, beside its twin, and one that is no address of today."""
    twin, other = User.objects.create_user("mia@other.example"), User.objects.create_user("alone@other.example")
    User.objects.create_user(UNICODE)
    odd = User.objects.create_user("odd@other.example")
    for user, email in ((twin, PUNYCODE), (other, "alone@xn--strae-oqa.example"), (odd, "odd@xn--53h.example")):
        User.objects.filter(pk=user.pk).update(email=email)
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    Invitation.objects.create(organization=acme, email="new@xn--strae-oqa.example", expires_at=timezone.now())
    import_module("apps.orgs.migrations.0014_one_spelling_of_each_address").respell(apps, None)
    expected = [PUNYCODE, "alone@straße.example", "odd@xn--53h.example"]
    for rows in (User.objects.filter(pk__in=[twin.pk, other.pk, odd.pk]), EmailAddress.objects.all()):
        assert list(rows.order_by("pk").values_list("email", flat=True)) == expected
    assert Invitation.objects.get().email == "new@straße.example"


@pytest.mark.parametrize("email", REFUSED)
def test_what_is_no_address_is_said_once(api, admin_key, email):
    for path, body in (
        ("/v1/users", {**BODY, "email": email}),
        ("/v1/invitations", {"role": "viewer", "email": email}),
    ):
        answer = api(admin_key).post(path, body)
        assert answer.status_code == 400
        assert answer.json()["fields"] == {"email": ["Enter a valid email address."]}
    assert not User.objects.exists()


def test_a_page_says_it_once(browser_of, ada):
    answer = browser_of(ada).post("/account/email/", {"email": "ſx@example.com", "action_add": ""})
    assert answer.context["form"].errors["email"] == ["Enter a valid email address."]
