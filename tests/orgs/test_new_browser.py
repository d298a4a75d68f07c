"""A sign-in from a browser that was not used before is mailed to the account's address; the same one again is not."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from apps.orgs.accounts import known_browsers
from apps.orgs.models import OutgoingMail
from tests.authenticators import code_now, give_app
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN = "/account/login/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SUBJECT = "A new browser signed in to your account"


@pytest.fixture
def ada(ada):
    """Ada has been here before."""
    ada.last_login = timezone.now()
    ada.save(update_fields=["last_login"])
    return ada


def sign_in(user, browser=None, password=PASSWORD):
    browser = browser or Client(headers={"User-Agent": FIREFOX})
    assert browser.post(LOGIN, {"login": user.email, "password": password}).status_code == 302
    return browser


def sign_out(browser):
    browser.post("/account/logout/")
    return browser


def mails():
    return list(OutgoingMail.objects.filter(subject=SUBJECT).order_by("pk"))


def test_a_new_browser_is_mailed_once(ada):
    browser = sign_in(ada)
    (mail,) = mails()
    assert mail.to == ada.email and "Firefox on Linux" in mail.body and "127.0.0.1" in mail.body
    assert "/account/sessions/" in mail.body and "/account/password/reset/" in mail.body
    sign_in(ada, sign_out(browser))
    assert len(mails()) == 1
    sign_in(ada)
    assert len(mails()) == 2


def test_the_first_sign_in_of_an_account_is_no_news(ada):
    type(ada).objects.update(last_login=None)
    browser = sign_in(ada)
    sign_in(ada, sign_out(browser))
    assert mails() == []


def test_a_wrong_password_and_half_of_a_sign_in_are_no_news(ada):
    give_app(ada)
    browser = Client()
    browser.post(LOGIN, {"login": ada.email, "password": "wrong"})
    browser.post(LOGIN, {"login": ada.email, "password": PASSWORD})
    assert mails() == []
    browser.post("/account/2fa/authenticate/", {"code": code_now()})
    assert len(mails()) == 1


def test_a_browser_knows_each_of_its_accounts_and_no_other(ada, vera):
    type(vera).objects.update(last_login=timezone.now())
    browser = sign_out(sign_in(ada))
    sign_out(sign_in(vera, browser))
    assert [mail.to for mail in mails()] == [ada.email, vera.email]
    for user in (ada, vera, ada):
        sign_out(sign_in(user, browser))
    assert len(mails()) == 2


def test_a_changed_password_leaves_this_browser_known_and_forgets_the_others(ada):
    other, here = sign_out(sign_in(ada)), sign_in(ada)
    form = {"oldpassword": PASSWORD, "password1": "another horse battery", "password2": "another horse battery"}
    assert here.post("/account/password/change/", form).status_code == 302
    here.get("/account/")
    before = len(mails())
    sign_in(ada, sign_out(here), "another horse battery")
    assert len(mails()) == before
    sign_in(ada, other, "another horse battery")
    assert len(mails()) == before + 1


@pytest.mark.parametrize("made_up", ["", "x", ".", "é" * 64, "0" * 64, ".".join(["a" * 64] * 900)])
def test_a_cookie_of_ones_own_making_is_no_use(ada, made_up):
    browser = Client()
    browser.cookies[known_browsers.COOKIE] = made_up
    sign_in(ada, browser)
    assert len(mails()) == 1
    cookie = browser.cookies[known_browsers.COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and len(cookie.value) < 600
    assert ada.public_id not in cookie.value and str(ada.pk) not in cookie.value


def test_mails_about_new_browsers_are_limited(ada):
    cache.clear()
    for _each in range(12):
        sign_in(ada)
    assert len(mails()) == 10
