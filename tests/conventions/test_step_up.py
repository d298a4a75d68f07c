"""Who is there is asked within 15 minutes before anything that makes, shows or ends a secret, changes a role, or
touches the way in (issue 5, point 2): one table of every form. A POST route of a page without a row fails the test.

`form`: the question stands in the form, so what was typed stays. `first`: the page that asks comes before this one.
`password`: the form asks the password itself. `link`: a mailed link proves who is there. `-`: nothing of the above.
"""

import re
import time
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.test import Client
from django.utils import timezone

from apps.orgs.models import Membership, User
from tests.authenticators import code_now, give_app
from tests.conftest import PASSWORD
from tests.conventions.conftest import Samples
from tests.conventions.routes import Route, routes_for

pytestmark = pytest.mark.django_db

TABLE = """
  api_key_create          form
  api_key_edit            form
  api_key_rotate          form
  api_key_disable         form
  api_key_enable          form
  api_key_release         form
  api_key_revoke          form
  created_by              form
  sdk_key_create_ios      form
  sdk_key_create_android  form
  sdk_key_create_web      form
  sdk_key_edit            form
  sdk_key_rotate          form
  sdk_key_disable         form
  sdk_key_enable          form
  sdk_key_release         form
  sdk_key_revoke          form
  sdk_key_free            -
  webhook_create          form
  webhook_delete          form
  webhook_rotate_secret   form
  webhook_end_secret      first
  webhook_inbox_open      -
  webhook_edit            form
  webhook_test            -
  webhook_pause           -
  webhook_enable          -
  webhook_subscribe       -
  webhook_send_again      -
  webhook_replay          -
  replay_cancel           -
  delivery_retry          -
  audit_checkpoint        -
  audit_export            -
  audit_export_cancel     -
  audit_export_file       -
  notice_dismiss          -
  invite                  form
  invitation_resend       -
  invitation_revoke       -
  member                  form
  member_remove           form
  leave                   form
  organization_general    -
  organization_security   form
  organization_retention  form
  organization_mail       form
  organization_export     form
  organization_close      form

  account                            -
  account_login                      password
  account_logout                     -
  account_inactive                   -
  account_reauthenticate             password
  account_email                      form
  account_confirm_email              link
  account_change_password            password
  account_reset_password             link
  account_reset_password_done        -
  account_reset_password_from_key_done -
  account_reset_password_from_key    link
  single_sign_on                     -
  single_sign_on_callback            -
  mfa_authenticate                   password
  mfa_activate_totp                  first
  mfa_deactivate_totp                form
  mfa_generate_recovery_codes        form
  mfa_add_webauthn                   first
  mfa_login_webauthn                 password
  mfa_reauthenticate_webauthn        password
  mfa_edit_webauthn                  first
  mfa_remove_webauthn                form
  usersessions_list                  -
  account_mail                       -
  preferences                        -
"""
ROWS = dict(line.split() for line in TABLE.strip().splitlines() if line.strip())
# A click of its own stands on the page of the key; without a fitting state they lead back before they ask.
NEEDS_STATE = {
    "api_key_enable": "disabled_at", "api_key_release": "quarantined_at",
    "sdk_key_enable": "disabled_at", "sdk_key_release": "quarantined_at",
}  # fmt: skip
GOOD = {
    "account_email": {"email": "new@acme.example", "action_add": ""},
    "webhook_edit": {"url": "https://elsewhere.example/in", "all_events": "all"},
}


def forms() -> list[Route]:
    """Return every route of a page that takes a POST."""
    own = [route for route in routes_for("account") if "POST" in getattr(route.view, "methods", ("POST",))]
    return [route for route in routes_for("page") if "POST" in route.methods] + own


def test_every_form_has_a_row():
    assert {route.name for route in forms()} == set(ROWS)


ASKING = [route for route in forms() if ROWS.get(route.name) in ("form", "first")]


@pytest.mark.parametrize("route", ASKING, ids=lambda route: route.name)
def test_it_asks_who_has_not_confirmed_lately(
    route: Route, browser_of: Callable[..., Client], ada: User, samples: Samples
):
    give_app(ada)
    passkey = Authenticator.objects.get(type="webauthn")
    if route.name in NEEDS_STATE:
        row = samples.rows["sdk_key" if route.name.startswith("sdk_key") else "key"]
        setattr(row, NEEDS_STATE[route.name], timezone.now())
        row.save()
    if route.name == "leave":  # the last owner cannot, and so is not asked
        Membership.objects.filter(user_id=samples.rows["user"].pk).update(role="owner")
    if route.name == "mfa_activate_totp":
        Authenticator.objects.filter(type="totp").delete()
    values = (
        {"slug": "acme", "pk": passkey.pk} if route.interface == "account" else {"slug": "acme", **samples.real(route)}
    )
    path = route.at(**values)
    browser = browser_of(ada, confirmed=False)
    with transaction.atomic():
        query = "?type=partner" if route.name == "api_key_create" else ""
        answer = browser.post(path + query, GOOD.get(route.name, {"token": "x"}))
    if ROWS[route.name] == "first":
        assert answer.status_code == 302 and answer["Location"].startswith("/account/reauthenticate/?next=%2F")
        return
    text = answer.content.decode()
    assert answer.status_code in (200, 422) and re.search(r'name="confirm_password"', text), route.name
    for value in GOOD.get(route.name, {}).values():
        assert value in text, "what was typed stays"


def test_the_right_password_or_code_answers_the_question_and_a_wrong_one_does_not(browser_of, ada):
    give_app(ada)
    code = code_now()
    for given, status in ((PASSWORD, 302), (code, 302), (code, 422), ("wrong", 422), ("", 422), ("000000", 422)):
        browser = browser_of(ada, confirmed=False)
        form = {"email": "new@acme.example", "action_add": "", "confirm_password": given}
        assert browser.post("/account/email/", form).status_code == status, given


def test_who_has_neither_is_led_to_another_window_and_the_form_goes_through_after_it(browser_of, ada):
    ada.set_unusable_password()
    ada.save()
    browser = browser_of(ada, confirmed=False)
    form = {"email": "new@acme.example", "action_add": ""}
    page = browser.post("/account/email/", form).content.decode()
    assert 'target="_blank"' in page and 'name="confirm_password"' not in page and "new@acme.example" in page
    session = browser.session
    session["account_authentication_methods"] = [{"method": "mfa", "at": time.time()}]
    session.save()
    assert browser.post("/account/email/", form).status_code == 302
    assert [key for key in dict(browser.session.items()) if "account_reauthentication_state" in key] == []
