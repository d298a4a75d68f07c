"""Two-step sign-in: codes that open once, guesses that end, recovery codes that are shown once (promise 33)."""

import html
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.db import connection
from django.test import Client

from apps.audit.models import AuditEntry
from apps.base.errors import RateLimited
from apps.base.web import second_step
from apps.orgs.models import OutgoingMail, User
from tests.authenticators import SECRET, code_now, give_app, give_recovery_codes
from tests.conftest import PASSWORD
from tests.orgs.browsers import has_access

pytestmark = pytest.mark.django_db
LOGIN, STEP = "/account/login/", "/account/2fa/authenticate/"


def after_password(user, **options):
    browser = Client(**options)
    answer = browser.post(LOGIN, {"login": user.email, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, STEP)
    return browser


def test_the_password_alone_opens_nothing(ada):
    give_app(ada)
    browser = after_password(ada)
    assert not has_access(browser)
    assert browser.post(STEP, {"code": code_now()}).status_code == 302
    assert has_access(browser)


def test_a_step_that_was_waiting_opens_no_account_whose_address_was_changed(vera, api, acme_key):
    give_app(vera)
    browser = after_password(vera)
    api(acme_key).patch(f"/v1/users/{vera.public_id}", {"email": "next@example.com"})
    assert browser.post(STEP, {"code": code_now()}).status_code == 403 and not has_access(browser)


def test_a_code_opens_once(ada):
    give_app(ada)
    code = code_now()
    assert after_password(ada).post(STEP, {"code": code}).status_code == 302
    again = after_password(ada)
    page = again.post(STEP, {"code": code})
    assert page.status_code == 200 and "used already" in page.content.decode()
    assert not has_access(again)


def test_an_older_code_than_the_last_one_opens_nothing(ada):
    give_app(ada)
    assert second_step.use_code(ada, code_now())
    assert second_step.use_code(ada, code_now(steps=-1)) is None


@pytest.mark.parametrize("code", ["", " ", "12345", "1234567", "\u0661" * 6, "0" * 5000, "'--"])
def test_what_is_no_code_opens_nothing(ada, code):
    give_app(ada)
    assert second_step.use_code(ada, code) is None


def test_wrong_codes_are_counted_over_sessions_and_the_page_says_how_long_to_wait(ada):
    give_app(ada)
    for _ in range(5):
        after_password(ada).post(STEP, {"code": "000000"})
    answer = after_password(ada).post(STEP, {"code": code_now()})
    assert answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 301
    assert "Try again in" in answer.content.decode()
    with pytest.raises(RateLimited):
        second_step.use_code(ada, code_now())


def test_a_right_code_is_accepted_after_the_wait(ada):
    row = give_app(ada)
    row.data["failed_at"] = [1.0] * 5
    row.save()
    assert second_step.use_code(ada, code_now())


def race(user, code, hands=50):
    def use(_number):
        try:
            return "opened" if second_step.use_code(user, code) else "refused"
        except RateLimited:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(hands) as pool:
        return Counter(pool.map(use, range(hands)))


@pytest.mark.django_db(transaction=True)
def test_fifty_requests_at_once_with_one_code_sign_in_once(ada):
    give_app(ada)
    assert race(ada, code_now()) == {"opened": 1, "refused": 49}


@pytest.mark.django_db(transaction=True)
def test_fifty_requests_at_once_with_one_recovery_code_sign_in_once(ada):
    codes = give_recovery_codes(ada)
    assert race(ada, codes[3]) == {"opened": 1, "refused": 49}
    assert len(Authenticator.objects.get(user=ada).data["digests"]) == 9


def test_a_recovery_code_opens_once_in_any_writing(ada):
    give_app(ada)
    code = give_recovery_codes(ada)[0]
    assert after_password(ada).post(STEP, {"code": f" {code.upper()} "}).status_code == 302
    assert after_password(ada).post(STEP, {"code": code}).status_code == 200


def test_recovery_codes_that_allauth_made_still_open(ada):
    Authenticator.objects.create(user=ada, type="recovery_codes", data={"seed": "5eed", "used_mask": 1})
    unused = Authenticator.objects.get(user=ada).wrap().get_unused_codes()
    assert second_step.use_code(ada, unused[0]) and second_step.use_code(ada, unused[0]) is None
    assert second_step.use_code(ada, unused[1])


# Setting it up


def set_up(browser):
    page = browser.get("/account/2fa/totp/activate/")
    text = page.content.decode()
    secret = re.search(r'id="totp-secret"[^>]*>([A-Z2-7]+)<', text)[1]
    setup = html.unescape(re.search(r'name="setup" value="([^"]+)"', text)[1])
    return page, secret, setup


def test_the_app_is_set_up_by_picture_or_text_and_its_code_is_used_up(browser_of, ada):
    browser = browser_of(ada)
    page, secret, setup = set_up(browser)
    assert page["Cache-Control"] == "no-store, private"
    assert "<svg" in page.content.decode() and "data:" not in page.content.decode()
    code = code_now(secret)
    shown = browser.post("/account/2fa/totp/activate/", {"setup": setup, "code": code})
    codes = re.search(r'<code id="codes" data-secret>([^<]+)<', shown.content.decode())[1].split()
    assert (shown.status_code, shown["Cache-Control"], len(codes)) == (200, "no-store, private", 10)
    assert has_access(browser), "this session stays"
    # Nothing of either is at rest where a page or a session could show it again.
    assert secret not in str(dict(browser.session.items()))
    rows = str(list(Authenticator.objects.values("type", "data")))
    assert [code for code in codes if code in rows or code.replace("-", "") in rows] == []
    again = browser.get("/account/2fa/").content.decode()
    assert [code for code in codes if code in again] == []
    assert second_step.use_code(ada, code) is None
    assert second_step.use_code(ada, codes[0])


def test_a_setup_of_somebody_else_or_of_long_ago_is_refused(browser_of, ada, ann):
    _page, secret, setup = set_up(browser_of(ann))
    answer = browser_of(ada).post("/account/2fa/totp/activate/", {"setup": setup, "code": code_now(secret)})
    assert answer.status_code == 200 and not Authenticator.objects.exists()


def test_sessions_that_began_without_a_second_step_end_when_it_is_turned_on(browser_of, person):
    """An operator's password-only session must not become one that may enter the admin."""
    operator = person("Olga", is_staff=True, is_superuser=True)
    other, browser = browser_of(operator), browser_of(operator)
    _page, secret, setup = set_up(browser)
    browser.post("/account/2fa/totp/activate/", {"setup": setup, "code": code_now(secret)})
    assert browser.get("/admin/orgs/organization/").status_code == 200
    assert other.get("/admin/orgs/organization/").status_code == 302


def test_turning_it_off_ends_other_sessions_is_recorded_and_mailed(browser_of, ada, acme):
    give_app(ada)
    give_recovery_codes(ada)
    other, browser = browser_of(ada), browser_of(ada)
    assert browser.post("/account/2fa/totp/deactivate/").status_code == 302
    assert not Authenticator.objects.filter(user=ada).exists(), "recovery codes alone are no second step"
    assert has_access(browser) and not has_access(other)
    assert AuditEntry.objects.get(action="user.two_step_disabled").organization_id == acme.pk
    mail = OutgoingMail.objects.get(to=ada.email)
    assert "turned off" in mail.subject and SECRET not in mail.body


def test_new_recovery_codes_end_the_old_ones(browser_of, ada):
    give_app(ada)
    old = give_recovery_codes(ada)
    page = browser_of(ada).post("/account/2fa/recovery-codes/generate/")
    assert page.status_code == 200 and page["Referrer-Policy"] == "same-origin"
    assert second_step.use_code(ada, old[0]) is None
    assert browser_of(ada).get("/account/2fa/recovery-codes/").status_code == 404


def test_the_command_takes_the_second_step_from_who_lost_it(ada, acme, browser_of, capsys):
    give_app(ada)
    browser = browser_of(ada)
    call_command("reset_two_step", email="ADA@acme.example")
    assert not Authenticator.objects.filter(user=ada).exists() and not has_access(browser)
    assert AuditEntry.objects.get(action="user.two_step_reset").actor_kind == "system"
    assert User.objects.get(pk=ada.pk).check_password(PASSWORD)
