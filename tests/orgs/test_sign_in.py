"""Sign-in, sign-out, reset and re-authentication by django-allauth, with the portal's rules."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from apps.base.extension_points.periodic_jobs import JobFailed
from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.models import Membership, OutgoingMail, Role, User

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
LOGIN = "/account/login/"


def sign_in(email, password=PASSWORD, **options):
    browser = Client()
    return browser, browser.post(LOGIN, {"login": email, "password": password}, **options)


def test_it_signs_in_and_leads_to_the_organization(ada):
    browser, answer = sign_in("ADA@acme.example")
    assert (answer.status_code, answer["Location"]) == (302, "/settings/integration/")
    answer = browser.get("/settings/integration/")
    assert answer["Location"] == "/o/acme/settings/integration/"
    assert browser.get("/o/acme/settings/integration/").status_code == 200


def test_wrong_password_and_unknown_address_look_alike(ada):
    wrong = sign_in("ada@acme.example", "wrong")[1].content.decode()
    unknown = sign_in("nobody@acme.example", "wrong")[1].content.decode()
    errors = [re.findall(r'class="[^"]*error[^"]*"[^>]*>([^<]+)<', page) for page in (wrong, unknown)]
    assert errors[0] == errors[1]


def test_sign_up_is_closed(client):
    answer = client.post("/account/signup/", {"email": "x@y.example", "password1": PASSWORD, "password2": PASSWORD})
    assert answer.status_code == 404 and not User.objects.filter(email="x@y.example").exists()


def test_next_leads_nowhere_else(ada):
    _browser, answer = sign_in("ada@acme.example", QUERY_STRING="next=https://evil.example/")
    assert "evil.example" not in answer["Location"]


def test_signing_out_ends_the_session(ada):
    browser, _answer = sign_in("ada@acme.example")
    browser.post("/account/logout/")
    assert browser.get("/o/acme/settings/integration/").status_code == 302


def reset_link(mailoutbox):
    send_due_mail()
    return re.search(r"http://127\.0\.0\.1:8000(/account/password/reset/key/\S+)", mailoutbox[-1].body)[1]


def test_a_reset_by_mail_sets_a_password(ada, mailoutbox):
    browser = Client()
    browser.post("/account/password/reset/", {"email": "ada@acme.example"}, headers={"Host": "localhost"})
    path = browser.get(reset_link(mailoutbox))["Location"]
    browser.post(path, {"password1": "another password", "password2": "another password"})
    assert sign_in("ada@acme.example", "another password")[1].status_code == 302
    assert sign_in("ada@acme.example")[1].status_code == 200


def test_a_reset_for_nobody_answers_alike_and_sends_nothing(db, mailoutbox):
    answer = Client().post("/account/password/reset/", {"email": "nobody@nowhere.example"})
    send_due_mail()
    assert answer.status_code == 302 and mailoutbox == []
    assert not OutgoingMail.objects.exists()


def test_a_reset_confirms_the_address_and_ends_what_was_set_before(api, acme_key, acme, mailoutbox):
    body = {"name": "Vic", "email": "vic@example.com", "password": "known to another"}
    api(acme_key).post("/v1/users", body)
    User.objects.filter(email="vic@example.com").update(signs_in_unverified=True)
    intruder, answer = sign_in("vic@example.com", "known to another")
    assert answer.status_code == 302
    assert intruder.get("/o/acme/settings/integration/").status_code == 200
    owner = Client()
    owner.post("/account/password/reset/", {"email": "vic@example.com"})
    path = owner.get(reset_link(mailoutbox))["Location"]
    owner.post(path, {"password1": "my own password", "password2": "my own password"})
    assert intruder.get("/o/acme/settings/integration/").status_code == 302
    assert sign_in("vic@example.com", "known to another")[1].status_code == 200
    assert sign_in("vic@example.com", "my own password")[1].status_code == 302
    assert EmailAddress.objects.get(email="vic@example.com").verified
    assert Membership.objects.get(user__email="vic@example.com").role == Role.VIEWER


def test_a_reset_goes_to_the_accounts_own_address_only(api, acme_key, mailoutbox):
    api(acme_key).post("/v1/users", {"name": "Vic", "email": "vic@example.com", "password": "known to another"})
    user = User.objects.get(email="vic@example.com")
    EmailAddress.objects.create(user=user, email="evil@example.com", primary=False, verified=False)
    Client().post("/account/password/reset/", {"email": "evil@example.com"})
    send_due_mail()
    assert [mail.to for mail in mailoutbox if "password/reset/key" in mail.body] == []


def test_a_changed_address_ends_sessions_and_tells_the_old_one(api, acme_key, acme, person, mailoutbox):
    user = person("Bob", acme)
    browser, _answer = sign_in(user.email)
    assert browser.get("/o/acme/settings/integration/").status_code == 200
    api(acme_key).put(f"/v1/users/{user.public_id}", {"email": "new@example.com"})
    assert browser.get("/o/acme/settings/integration/").status_code == 302
    assert not EmailAddress.objects.get(user=user).verified
    send_due_mail()
    assert [mail.to for mail in mailoutbox] == [["bob@acme.example"]]
    assert "new@example.com" in mailoutbox[0].body


def test_a_removed_member_loses_access_at_the_next_request(browser_of, dev, acme):
    browser = browser_of(dev)
    assert browser.get("/o/acme/settings/integration/").status_code == 200
    Membership.objects.filter(user=dev).delete()
    assert browser.get("/o/acme/settings/integration/").status_code == 404


PAGES = (
    "password/change/", "email/", "reauthenticate/", "2fa/", "2fa/totp/activate/", "2fa/webauthn/", "2fa/webauthn/add/",
    "sessions/", "logout/",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_account_pages_open_without_inline_code(browser_of, ada, path):
    page = browser_of(ada).get(f"/account/{path}", follow=True)
    assert page.status_code == 200, path
    text = page.content.decode()
    assert not re.search(r"<script(?![^>]*(\bsrc=|application/json))", text) and " style=" not in text


def test_mail_is_put_off_when_the_server_fails(acme, settings, mailoutbox):
    from apps.orgs.mail import outbox

    row = outbox.enqueue(to="x@example.com", template="address_changed", context={"name": "X", "new_address": "y"})
    settings.EMAIL_BACKEND = "tests.orgs.test_sign_in.BrokenBackend"
    with pytest.raises(JobFailed):
        send_due_mail()
    row.refresh_from_db()
    assert row.attempts == 1 and row.next_attempt_at > row.created_at and "refused" in row.last_error
    OutgoingMail.objects.update(next_attempt_at=row.created_at)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send_due_mail() == 1 and send_due_mail() == 0


class BrokenBackend:
    def __init__(self, **_options):
        pass

    def send_messages(self, messages):
        raise ConnectionRefusedError("refused")
