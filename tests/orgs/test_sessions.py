"""Sessions: a new key at each proof, a list, an end that holds (promise 33)."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.orgs.mail import jobs
from tests.authenticators import code_now, give_app
from tests.conftest import PASSWORD
from tests.orgs.browsers import has_access

pytestmark = pytest.mark.django_db
LOGIN, HERE = "/account/login/", "/o/acme/settings/integration/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sign_in(user, password=PASSWORD, **headers):
    browser = Client(headers=headers)
    assert browser.post(LOGIN, {"login": user.email, "password": password}).status_code == 302
    return browser


def key_of(browser):
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def thief(key):
    """Somebody who planted the session, or has read its key."""
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = key
    return browser


def test_a_planted_session_opens_nothing(ada):
    browser = Client()
    session = browser.session
    session["planted"] = True
    session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    browser.post(LOGIN, {"login": ada.email, "password": PASSWORD})
    assert has_access(browser) and key_of(browser) != session.session_key
    assert not has_access(thief(session.session_key))


def test_the_key_changes_before_and_after_the_second_step(ada):
    give_app(ada)
    browser = Client()
    browser.session.save()
    session = browser.session
    session["planted"] = True
    session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    browser.post(LOGIN, {"login": ada.email, "password": PASSWORD})
    half = key_of(browser)
    assert half != session.session_key
    # Who planted the session must not stand before the second step with somebody else's password.
    assert thief(session.session_key).get("/account/2fa/authenticate/").status_code == 302
    browser.post("/account/2fa/authenticate/", {"code": code_now()})
    assert has_access(browser) and key_of(browser) != half
    assert not has_access(thief(half))


def test_the_key_changes_at_a_confirmation_and_the_list_follows(ada, browser_of):
    browser = sign_in(ada)
    before = key_of(browser)
    assert browser.post("/account/reauthenticate/", {"password": PASSWORD}).status_code == 200
    assert key_of(browser) != before and has_access(browser)
    assert not has_access(thief(before))
    assert UserSession.objects.get(user=ada).session_key == key_of(browser)


def test_nothing_is_left_after_signing_out(ada):
    browser = sign_in(ada)
    key = key_of(browser)
    browser.post("/account/logout/")
    assert not has_access(thief(key)) and not Session.objects.filter(pk=key).exists()


@pytest.mark.django_db(transaction=True)
def test_two_sign_outs_at_once_both_end_it(ada):
    key = key_of(sign_in(ada))

    def sign_out(_number):
        try:
            return thief(key).post("/account/logout/").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(sign_out, range(8))) <= {302, 400}
    assert not has_access(thief(key))


def test_the_list_names_the_browser_and_marks_this_one(ada):
    other, browser = sign_in(ada, **{"User-Agent": FIREFOX}), sign_in(ada)
    text = browser.get("/account/sessions/").content.decode()
    assert "Firefox on Linux" in text and text.count("This one") == 1 and text.count('name="session"') == 1
    assert key_of(other) not in text and key_of(browser) not in text


def test_one_session_is_ended_by_its_own_account_only(ada, ann):
    other, browser, strangers = sign_in(ada), sign_in(ada), sign_in(ann)
    row = UserSession.objects.get(session_key=key_of(other))
    strangers.post("/account/sessions/", {"session": row.pk})
    assert has_access(other)
    browser.post("/account/sessions/", {"session": row.pk})
    assert not has_access(other) and has_access(browser) and has_access(strangers)
    assert AuditEntry.objects.filter(action="session.ended").count() == 1
    for wrong in ("x", "-1", "9" * 30, str(2**62)):
        assert browser.post("/account/sessions/", {"session": wrong}).status_code == 302


def test_sign_out_everywhere_else_and_everywhere(ada, browser_of):
    unlisted, other, browser = browser_of(ada), sign_in(ada), sign_in(ada)
    browser.post("/account/sessions/", {"others": ""})
    assert has_access(browser) and not has_access(other) and not has_access(unlisted)
    other = sign_in(ada)
    answer = browser.post("/account/sessions/", {"everywhere": ""})
    assert answer["Location"] == LOGIN and not has_access(browser) and not has_access(other)


def test_a_changed_password_ends_the_other_sessions(ada):
    other, browser = sign_in(ada), sign_in(ada)
    form = {"oldpassword": PASSWORD, "password1": "three unrelated words", "password2": "three unrelated words"}
    assert browser.post("/account/password/change/", form).status_code == 302
    assert has_access(browser) and not has_access(other)
    assert sign_in(ada, "three unrelated words")


def test_a_session_ends_after_thirty_days_whatever_its_use(ada, browser_of):
    browser = browser_of(ada)
    assert has_access(browser)
    session = browser.session
    session["began"] = time.time() - 30 * 24 * 3600 - 1
    session.save()
    assert not has_access(browser)


def test_use_puts_the_end_off_and_fourteen_days_without_it_end_a_session(ada, browser_of):
    browser = sign_in(ada)
    row = Session.objects.get(pk=key_of(browser))
    Session.objects.filter(pk=row.pk).update(expire_date=timezone.now() + timedelta(days=1))
    session = browser.session
    session["seen"] = 0
    session.save()
    Session.objects.filter(pk=row.pk).update(expire_date=timezone.now() + timedelta(days=1))
    assert has_access(browser)
    assert Session.objects.get(pk=key_of(browser)).expire_date > timezone.now() + timedelta(days=13)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not has_access(browser)
    jobs.delete_ended_sessions()
    assert not Session.objects.filter(pk=row.pk).exists() and not UserSession.objects.filter(user=ada).exists()


def test_the_list_says_when_and_from_where_a_session_was_used_last(ada):
    browser = sign_in(ada)
    session = browser.session
    session["seen"] = 0
    session.save()
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(days=1), ip="192.0.2.1")
    browser.get(HERE)
    row = UserSession.objects.get(user=ada)
    assert row.ip == "127.0.0.1" and row.last_seen_at > timezone.now() - timedelta(minutes=1)


def test_signing_out_ends_the_session_and_is_in_the_audit_log(ada):
    browser = sign_in(ada)
    again = thief(key_of(browser))
    assert browser.post("/account/logout/").status_code == 302
    entry = AuditEntry.objects.get(action="session.signed_out")
    assert (entry.actor_id, entry.organization.slug) == (ada.public_id, "acme")
    assert not has_access(browser) and not has_access(again)
    Client().post("/account/logout/")
    assert AuditEntry.objects.filter(action="session.signed_out").count() == 1


@pytest.mark.parametrize("odd", ["²", "٣", "-1", "9" * 40, ""])
def test_a_session_that_is_no_number_ends_none(browser_of, ada, odd):
    browser = browser_of(ada)
    assert browser.post("/account/sessions/", {"session": odd}).status_code == 302
    assert browser.get("/account/sessions/").status_code == 200
