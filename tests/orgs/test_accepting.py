"""The page behind an invitation's link: who may accept, what the link proves, and what it never tells."""

import logging
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import Forbidden
from apps.base.extension_points.periodic_jobs import JobFailed
from apps.base.text.redaction import redact
from apps.orgs.invitations import acceptance
from apps.orgs.invitations import actions as invitation_actions
from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.models import Invitation, Membership, OrganizationStatus, OutgoingMail, User
from apps.webhooks.models import Event
from tests.conftest import PASSWORD
from tests.orgs.browsers import has_access
from tests.orgs.mailbox import HERE, LINK, actor_for, follow, newest_link, situation

pytestmark = pytest.mark.django_db
JO = "jo@example.com"
CHOSEN = {"name": "Jo Doe", "password": "a staple nobody knows"}


@pytest.fixture
def invite(acme):
    def make(email=JO, role="developer", organization=acme):
        invitation_actions.invite(actor=system(organization.pk, "Ada"), email=email, role=role)
        return newest_link(email)

    return make


def sign_in(email, password):
    browser = Client()
    browser.post("/account/login/", {"login": email, "password": password})
    return browser


# Without an account


def test_somebody_new_chooses_a_name_and_a_password_and_is_in(invite, acme):
    browser = follow(invite())
    page = browser.get(HERE)
    assert page.context["situation"] == "password" and "Join Acme Travel" in page.content.decode()
    answer = browser.post(HERE, CHOSEN)
    assert answer["Location"] == "/o/acme/settings/integration/" and has_access(browser)
    user = User.objects.get(email=JO)
    assert (user.name, user.password_is_provisional) == ("Jo Doe", False)
    assert EmailAddress.objects.get(user=user).verified
    assert Membership.objects.get(user=user).role == "developer"
    entry = AuditEntry.objects.get(action="invitation.accepted")
    assert (entry.actor_id, entry.actor_label, entry.target_label) == (user.public_id, "Jo Doe", JO)
    assert entry.changes == {"role": [None, "developer"], "user": [None, user.public_id]}
    assert Event.objects.filter(type="user.created", organization=acme).count() == 1
    assert has_access(sign_in(JO, CHOSEN["password"]))


@pytest.mark.parametrize("values", [
    {}, {"name": "Jo"}, {"password": "long enough"}, {"name": "Jo", "password": "1234567"},
    {"name": "Jo", "password": "x" * 129}, {"name": "J" * 151, "password": "long enough"},
])  # fmt: skip
def test_a_bad_name_or_password_keeps_the_link(invite, values):
    browser = follow(invite())
    assert browser.post(HERE, values).status_code == 422
    assert not User.objects.exists() and situation(browser) == "password"


def test_opening_the_link_changes_nothing(invite, acme):
    path = invite()
    for _ in range(3):
        follow(path).get(HERE)
    assert not User.objects.exists() and Invitation.objects.get().status == "sent"


def test_a_link_works_once(invite):
    path = invite()
    follow(path).post(HERE, CHOSEN)
    late = follow(path)
    assert situation(late) == "accepted"
    late.post(HERE, {"name": "Eve", "password": "eve was here"})
    assert User.objects.get().name == "Jo Doe" and Membership.objects.count() == 1


def test_the_token_is_in_the_mail_and_nowhere_else(invite, caplog):
    caplog.set_level(logging.DEBUG)
    path = invite()
    token = path.split("/")[2]
    browser = follow(path)
    answer = browser.get(path)
    assert (answer["Referrer-Policy"], answer["Cache-Control"]) == ("no-referrer", "no-store, private")
    page = browser.get(HERE)
    browser.post(HERE, CHOSEN)
    kept = [
        repr(row) for model in (Invitation, OutgoingMail, AuditEntry, Event, User) for row in model.objects.values()
    ]
    kept += [repr(session.get_decoded()) for session in Session.objects.all()]
    assert [text for text in (*kept, page.content.decode(), caplog.text) if token in text] == []
    assert token not in redact(f"Internal Server Error: {path}") and "/invitation/[redacted]" in redact(path)


def test_an_unknown_link_tells_nothing(client, invite):
    path = invite()
    wrong = path[:-2] + ("a" if path[-2] != "a" else "b") + "/"
    answer = client.get(wrong)
    assert (answer.status_code, answer.context["situation"]) == (404, "unknown")
    assert "Acme" not in answer.content.decode()
    assert client.get(HERE).status_code == 404 and client.post(HERE, CHOSEN).status_code == 404


def test_sending_again_kills_the_old_link_and_starts_the_days_anew(invite, acme):
    old = invite()
    with time_machine.travel(timezone.now() + timedelta(days=6)):
        invitation_actions.resend_invitation(actor=system(acme.pk), invitation_id=Invitation.objects.get().public_id)
        assert Client().get(old).status_code == 404
        new = newest_link(JO)
    assert new != old and Client().get(old).status_code == 404
    with time_machine.travel(timezone.now() + timedelta(days=12)):
        assert situation(follow(new)) == "password"
    assert AuditEntry.objects.filter(action="invitation.resent").count() == 1


def test_a_browser_that_opened_the_old_link_goes_no_further(invite, acme):
    browser = follow(invite())
    invitation_actions.resend_invitation(actor=system(acme.pk), invitation_id=Invitation.objects.get().public_id)
    assert browser.post(HERE, CHOSEN).status_code == 404 and not User.objects.exists()


def test_it_expires(invite):
    browser = follow(invite())
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        assert situation(browser) == "expired"
        browser.post(HERE, CHOSEN)
    assert not User.objects.exists()


@pytest.mark.parametrize("status", [OrganizationStatus.SUSPENDED, OrganizationStatus.CLOSED])
def test_nobody_joins_what_is_suspended_or_closed(invite, acme, status):
    browser = follow(invite())
    acme.status = status
    acme.save()
    browser.post(HERE, CHOSEN)
    assert not User.objects.exists()
    page = browser.get(HERE)
    assert page.context["situation"] == ("suspended" if status == "suspended" else "unknown")


# With an account


def test_with_an_account_they_sign_in_first_then_accept(invite, zed, rival):
    browser = follow(invite(zed.email))
    page = browser.get(HERE)
    assert page.context["situation"] == "sign_in" and "/account/login/?next=/invitation/" in page.content.decode()
    browser.post(HERE, CHOSEN)
    assert Membership.objects.filter(user=zed).count() == 1
    answer = browser.post("/account/login/?next=/invitation/", {"login": zed.email, "password": PASSWORD})
    assert answer["Location"] == HERE and situation(browser) == "ready"
    assert browser.post(HERE)["Location"] == "/o/acme/settings/integration/"
    assert has_access(browser) and has_access(browser, "rival")
    assert User.objects.get(pk=zed.pk).check_password(PASSWORD)


def test_another_account_learns_whose_it_is_and_may_sign_out(invite, zed, browser_of):
    browser = follow(invite(), browser_of(zed))
    page = browser.get(HERE)
    assert page.context["situation"] == "other"
    assert JO in page.content.decode() and zed.email in page.content.decode()
    browser.post(HERE, CHOSEN)
    assert not Membership.objects.filter(organization__slug="acme").exists()
    assert browser.post(HERE, {"sign_out": "yes"})["Location"] == HERE
    assert situation(browser) == "password"


def test_another_account_cannot_accept_by_the_action_either(invite, acme, zed):
    invite("ann@example.com")
    invitation = Invitation.objects.get()
    EmailAddress.objects.create(user=zed, email="ann@example.com", verified=True)
    with pytest.raises(Forbidden, match="ann@example.com"):
        acceptance.accept_invitation(actor=system(label="Zed"), digest=invitation.token_digest)


def test_a_members_invitation_gives_the_higher_role_and_never_a_lower_one(invite, vera, browser_of, acme):
    """The account came by the API after the invitation had left."""
    invitation = Invitation.objects.create(
        organization=acme,
        email=vera.email,
        role="admin",
        expires_at=timezone.now() + timedelta(days=1),
        token_digest="d",
    )
    browser = browser_of(vera)
    session = browser.session
    session["invitation"] = invitation.token_digest
    session.save()
    Membership.objects.filter(user=vera).update(role="owner")
    assert situation(browser) == "member"
    browser.post(HERE)
    assert Membership.objects.get(user=vera).role == "owner"
    Membership.objects.filter(user=vera).update(role="viewer")
    assert situation(browser) == "ready"
    browser.post(HERE)
    assert Membership.objects.get(user=vera).role == "admin"
    assert AuditEntry.objects.get(action="invitation.accepted").changes["role"] == [None, "admin"]


def test_an_operators_account_joins_nothing(invite, person, browser_of):
    olga = person("Olga", is_staff=True)
    browser = follow(invite(olga.email), browser_of(olga))
    assert situation(browser) == "operator"
    browser.post(HERE)
    EmailAddress.objects.update(verified=False)
    assert situation(follow(newest_link(olga.email))) == "sign_in"
    assert not Membership.objects.exists()


# Accounts that someone else created


@pytest.fixture
def made(api, acme_key):
    body = {"name": "Mallory's", "email": JO, "password": "known to another"}
    assert api(acme_key).post("/v1/users", body).status_code == 201
    User.objects.filter(email=JO).update(signs_in_unverified=True)
    return User.objects.get(email=JO)


def test_the_link_confirms_the_address_and_ends_what_was_set_before(invite, made, rival):
    intruder = sign_in(JO, "known to another")
    assert has_access(intruder)
    Authenticator.objects.create(user=made, type=Authenticator.Type.TOTP, data={})
    EmailAddress.objects.create(user=made, email="evil@example.com", verified=True)
    browser = follow(invite(organization=rival))
    assert situation(browser) == "password"
    browser.post(HERE, CHOSEN)
    assert has_access(browser, "rival") and not has_access(intruder)
    assert not has_access(sign_in(JO, "known to another"))
    made.refresh_from_db()
    assert (made.name, made.check_password(CHOSEN["password"])) == ("Jo Doe", True)
    assert not made.authenticator_set.exists()
    assert list(EmailAddress.objects.values_list("email", "verified")) == [(JO, True)]


def test_a_further_address_proves_nothing_of_the_account(invite, made, rival):
    """Mallory knows the password, adds her own mailbox, confirms it and has herself invited there."""
    EmailAddress.objects.create(user=made, email="evil@example.com", verified=True)
    path = invite("evil@example.com", organization=rival)
    assert situation(follow(path)) == "sign_in"
    browser = follow(path, sign_in(JO, "known to another"))
    assert browser.post(HERE).status_code == 403
    made.refresh_from_db()
    assert made.password_is_provisional and not Membership.objects.filter(organization=rival).exists()


def test_an_unconfirmed_address_belongs_to_no_account(invite, zed):
    EmailAddress.objects.create(user=zed, email=JO, verified=False)
    follow(invite()).post(HERE, CHOSEN)
    assert EmailAddress.objects.get(email=JO).user.name == "Jo Doe"


def test_a_second_step_is_still_asked(invite, zed):
    """An account whose address lost its confirmation keeps a second step that is its owner's own."""
    Authenticator.objects.create(user=zed, type=Authenticator.Type.TOTP, data={"secret": "x"})
    EmailAddress.objects.filter(user=zed).update(verified=False)
    browser = follow(invite(zed.email))
    answer = browser.post(HERE, CHOSEN)
    assert "/2fa/authenticate/" in answer["Location"] and not has_access(browser)


def test_mail_goes_out_in_the_inviters_language_and_on_one_line(acme, ada, mailoutbox):
    ada.language, ada.name = "fr", "Ada\n\nhttp://evil.example/ [[link]]"
    ada.save()
    acme.name = "Acme\nTravel"
    acme.save()
    invitation_actions.invite(actor=actor_for(ada, ada.memberships.get()), email=JO, role="viewer")
    newest_link(JO)
    body = mailoutbox[0].body
    assert len(LINK.findall(body)) == 1 and "\n\nhttp://evil" not in body
    assert "Acme Travel" in mailoutbox[0].subject


def test_where_the_mail_server_fails_the_next_try_has_a_link_that_works(acme, settings, mailoutbox):
    settings.EMAIL_BACKEND = "tests.orgs.test_sign_in.BrokenBackend"
    invitation_actions.invite(actor=system(acme.pk), email=JO, role="viewer")
    with pytest.raises(JobFailed):
        send_due_mail()
    OutgoingMail.objects.update(next_attempt_at=timezone.now())
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert situation(follow(newest_link(JO))) == "password"
