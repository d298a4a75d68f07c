"""Pages of sign-in and of one's own account: strict policies, no caching, and no pages that are not offered."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import NoReverseMatch, reverse

from apps.audit.models import AuditEntry
from apps.orgs.adapter import is_local_path
from apps.orgs.mail.token_links import confirm_address_link, set_password_link
from apps.orgs.models import Membership, Organization, OutgoingMail
from apps.webhooks.models import Event
from tests.authenticators import code_now, give_app, give_recovery_codes
from tests.conftest import PASSWORD
from tests.conventions.routes import routes_for

pytestmark = pytest.mark.django_db
LOGIN = "/account/login/"
RUNS_INLINE = re.compile(r"<script(?![^>]*(\bsrc=|application/json))| style=| on\w+=|javascript:|src=\"data:")
NOT_OFFERED = (
    "signup/", "signup/passkey/", "password/set/", "login/code/", "login/code/confirm/", "confirm-email/",
    "phone/change/", "3rdparty/", "3rdparty/signup/", "3rdparty/login/error/", "social/signup/",
    "2fa/reauthenticate/", "2fa/trust/",
    "2fa/recovery-codes/", "2fa/recovery-codes/download/", "2fa/webauthn/signup/", "oidc/x/login/", "nowhere/",
)  # fmt: skip


@pytest.fixture
def addresses(ada):
    """Return every account page by its route."""
    give_app(ada)
    give_recovery_codes(ada)
    key = Authenticator.objects.create(user=ada, type="webauthn", data={"name": "Key", "credential": {}})
    row = EmailAddress.objects.create(user=ada, email="new@acme.example", primary=False, verified=False)
    given = {
        "account_confirm_email": confirm_address_link(row),
        "account_reset_password_from_key": set_password_link(ada),
    }
    return {
        route.name: given[route.name].partition(":8000")[2] if route.name in given else route.at(pk=key.pk)
        for route in routes_for("account")
    }


def test_every_page_is_ours_strict_and_kept_by_nobody(addresses, browser_of, ada, monkeypatch):
    monkeypatch.setattr("apps.orgs.accounts.confirm_identity.auth.begin_authentication", lambda user: {})
    monkeypatch.setattr("apps.orgs.accounts.two_step_views.auth.begin_registration", lambda user, alone: {})
    seen = set()
    for client, who in ((Client(), "nobody"), (browser_of(ada), "ada"), (browser_of(ada, confirmed=False), "later")):
        for name, path in addresses.items():
            answer = client.get(path)
            assert answer.status_code in (200, 302, 404, 405), (who, name, answer.status_code)
            assert "no-store" in answer["Cache-Control"], (who, name)
            text = answer.content.decode()
            if answer.status_code == 200 and "html" in answer["Content-Type"]:
                seen.add(name)
                assert 'css/portal.css"' in text and not RUNS_INLINE.search(text), (who, name)
                templates = {template.origin.name for template in answer.templates if template.origin}
                foreign = [each for each in templates if "/allauth/templates/" in each and "base_" not in each]
                assert foreign == [], (who, name)
                forms = re.findall(r'<form(?![^>]*method="dialog")[^>]*method="post".*?</form>', text, re.S)
                assert all("csrfmiddlewaretoken" in form for form in forms), (who, name)
            if name == "account_logout" and who == "ada":
                assert "Sign out?" in text
    assert {"account", "account_login", "account_email", "mfa_index", "usersessions_list", "mfa_list_webauthn"} <= seen


@pytest.mark.parametrize("path", NOT_OFFERED)
def test_what_is_not_offered_is_not_there(path, browser_of, ada):
    for client in (Client(), browser_of(ada)):
        for method in (client.get, client.post):
            assert method(f"/account/{path}").status_code == 404


def test_no_name_leads_to_a_page_that_is_not_there():
    for name in ("account_signup", "socialaccount_connections", "mfa_reauthenticate", "account_set_password"):
        with pytest.raises(NoReverseMatch):
            reverse(name)


def test_a_form_without_its_token_changes_nothing(addresses, ada):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    for name, path in addresses.items():
        assert browser.post(path, {"name": "x"}).status_code in (403, 404, 405), name
    ada.refresh_from_db()
    assert ada.name == "Ada"


ELSEWHERE = (
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https://evil.example/",
    "https:///evil.example", "///evil.example", "/\t/evil.example", "/%0d%0aSet-Cookie:x", "/x\r\nSet-Cookie: x",
    "javascript:alert(1)", "http://127.0.0.1:8000@evil.example/", "https://testserver/", "//testserver@evil.example",
    "data:text/html,x", "\x00//evil.example", "/\u2028/evil.example", "evil.example",
)  # fmt: skip


def test_only_a_plain_path_is_one_of_this_site():
    assert [path for path in ELSEWHERE if is_local_path(path)] == ["/%0d%0aSet-Cookie:x"], "which stays a path, encoded"
    assert is_local_path("/o/acme/settings/integration/?tab=x&y=1") and not is_local_path("")


@pytest.mark.parametrize("path", ELSEWHERE[:2] + ELSEWHERE[8:10])
def test_next_leads_to_paths_of_this_site_only(path, ada, browser_of):
    give_app(ada)
    anybody = Client()
    anybody.post(LOGIN, {"login": ada.email, "password": PASSWORD, "next": path})
    answers = [anybody.post("/account/2fa/authenticate/", {"code": code_now()})]
    answers.append(browser_of(ada).get(LOGIN, {"next": path}))
    answers.append(browser_of(ada).post("/account/logout/", {"next": path}))
    answers.append(browser_of(ada).post("/account/reauthenticate/", {"password": PASSWORD, "next": path}))
    for answer in answers:
        assert answer.status_code in (200, 302, 400)
        location = answer.get("Location", "/")
        assert re.fullmatch(r"/[\w/%:.-]*", location) and not location.startswith("//"), location
        assert "evil" not in location and "\r" not in str(answer.headers) and "Set-Cookie: x" not in str(answer.headers)


def test_a_name_is_changed_recorded_and_announced(browser_of, ada, acme):
    assert browser_of(ada).post("/account/", {"name": "Ada O."}).status_code == 302
    entry = AuditEntry.objects.get(action="user.updated")
    assert (entry.organization_id, entry.changes, entry.actor_id) == (
        acme.pk,
        {"name": ["Ada", "Ada O."]},
        ada.public_id,
    )
    assert Event.objects.get(type="user.updated").organization_id == acme.pk
    for bad in ("", " ", "x" * 151, "a\x00b"):
        assert browser_of(ada).post("/account/", {"name": bad}).status_code in (400, 422)


def test_a_change_is_in_the_log_of_each_organization_and_an_operators_in_the_vendors(
    browser_of, ada, rival, acme, person
):

    Membership.objects.create(organization=rival, user=ada, role="viewer")
    operator = person("Olga", is_staff=True, is_superuser=True)
    form = {"oldpassword": PASSWORD, "password1": "three unrelated words", "password2": "three unrelated words"}
    for user in (ada, operator):
        browser_of(user).post("/account/password/change/", form)
    rows = AuditEntry.objects.filter(action="user.password_changed").values_list("target_label", "organization_id")
    platform = Organization.objects.get(slug="platform")
    assert set(rows) == {(ada.email, acme.pk), (ada.email, rival.pk), (operator.email, platform.pk)}
    assert set(OutgoingMail.objects.values_list("to", "subject")) == {
        (user.email, "Your password was changed") for user in (ada, operator)
    }


def test_a_wrong_old_password_and_a_mistyped_new_one_change_nothing(browser_of, ada):
    good = {"oldpassword": PASSWORD, "password1": "three unrelated words", "password2": "three unrelated words"}
    for bad in ({"oldpassword": "wrong"}, {"password2": "mistyped"}, {"password1": "short", "password2": "short"}):
        answer = browser_of(ada).post("/account/password/change/", good | bad)
        assert answer.status_code == 422 and "unrelated" not in answer.content.decode()
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_the_admins_own_password_page_leads_to_ours(browser_of, person):
    operator = person("Olga", is_staff=True, is_superuser=True)
    give_app(operator)
    assert browser_of(operator).get("/admin/password_change/")["Location"] == "/account/password/change/"


def test_an_operator_gets_in_by_two_steps_whichever_way(person):
    """A reset by mail is one step; recovery codes alone are none."""
    operator = person("Olga", is_staff=True, is_superuser=True)
    give_app(operator)
    browser = Client()
    path = browser.get(set_password_link(operator).partition(":8000")[2])["Location"]
    browser.post(path, {"password1": "three unrelated words", "password2": "three unrelated words"})
    assert browser.get("/admin/orgs/organization/").status_code == 302
    browser.post(LOGIN, {"login": operator.email, "password": "three unrelated words", "next": "/admin/"})
    assert browser.get("/admin/orgs/organization/").status_code == 302
    answer = browser.post("/account/2fa/authenticate/", {"code": code_now()})
    assert answer["Location"] == "/admin/" and browser.get("/admin/orgs/organization/").status_code == 200
    Authenticator.objects.filter(user=operator).delete()
    give_recovery_codes(operator)
    assert browser.get("/admin/orgs/organization/").status_code == 302
