"""What every page says to the browser for its safety, over http and https, and what nobody can make it say."""

import re
import runpy
from html.parser import HTMLParser
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings as django_settings
from django.core import mail
from django.test import Client

from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.members import view_models
from tests.conftest import PASSWORD
from tests.conventions.conftest import operator, samples, working_operator  # noqa: F401
from tests.conventions.routes import routes_for

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
HERE = "/o/acme/settings/integration/"
LOGIN = "/account/login/"
ELSEWHERE = (
    "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example/", "\\\\evil.example",
    "https:evil.example", "http:///evil.example", "javascript:alert(1)", "data:text/html,x",
    "\t//evil.example", "https://testserver@evil.example/", "https://testserver.evil.example/",
)  # fmt: skip


class Refused(HTMLParser):
    """What a strict policy would not run on a page, and the nonces that it names."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.nonces: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        self.found += [f"{tag} {value}" for value in given.values() if (value or "").lower().startswith("javascript:")]
        if tag == "script" and "src" not in given and given.get("type") not in ("application/json", "text/template"):
            self.nonces.add(given.get("nonce") or "")
        if tag == "style":
            self.found.append("inline style")


# The answers that are nobody's: what a client reads of them may be kept and asked for again by its ETag.
PUBLIC = ("openapi", "postman_collection", "bruno_collection")


def check_policy(answer: Any, is_public: bool = False) -> None:
    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in answer["Content-Security-Policy"] and "*" not in answer["Content-Security-Policy"]
    assert re.fullmatch(r"'self'( 'nonce-[^']{20,}')?", policy["script-src"])
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert answer["Cross-Origin-Opener-Policy"] == answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"] and "*" not in answer["Permissions-Policy"]
    wanted = "public, no-cache" if is_public else "no-store, private"
    assert set(wanted.split(", ")) <= set(answer["Cache-Control"].split(", "))
    if answer.get("Content-Type", "").startswith("text/html"):
        page = Refused(answer.content.decode())
        assert page.found == []
        assert {f"'nonce-{nonce}'" for nonce in page.nonces} <= set(policy["script-src"].split())


def check_cookies(client: Client) -> None:
    assert client.cookies
    for name, cookie in client.cookies.items():
        if cookie.value:
            assert cookie["httponly"] and cookie["samesite"] == "Lax" and not cookie["domain"], name


# The policy


def test_every_page_of_an_organization_has_the_policy(browser_of, ada, samples):  # noqa: F811
    browser = browser_of(ada)
    for route in routes_for("page"):
        if "GET" in route.methods:
            check_policy(browser.get(route.at(slug="acme", **samples.real(route))))


def test_every_page_of_an_account_has_the_policy(browser_of, ada):
    values = {"key": "x", "uidb36": "1", "pk": 1, "token": "x" * 43, "operation_id": "getMe", "file": "receiver.py"}
    for client in (Client(), browser_of(ada)):
        for route in routes_for("account", "other"):
            if "GET" in route.methods and route.name != "set_language":
                check_policy(client.get(route.at(**values)), is_public=route.name in PUBLIC)


def test_every_list_and_form_of_the_operators_has_the_policy(browser_of, working_operator, samples):  # noqa: F811
    browser, anybody = browser_of(working_operator), Client()
    values = {"object_id": samples.rows["key"].pk, "content_type_id": 1, "app_label": "orgs", "url": "nowhere"}
    for route in routes_for("admin"):
        for client in (anybody, browser):
            if route.name not in ("admin:logout", "admin:jsi18n"):
                check_policy(client.get(route.at(**values)))


def test_error_pages_have_the_policy(browser_of, ada, monkeypatch):
    browser = browser_of(ada)
    browser.raise_request_exception = False
    strict = Client(enforce_csrf_checks=True)

    def broken(*_arguments, **_options):
        raise RuntimeError("broken")

    monkeypatch.setattr(view_models, "RANK", None)
    answers = {
        400: browser.get("/", headers={"Host": "evil.example"}),
        403: strict.post(LOGIN, {}),
        404: browser.get("/nowhere/"),
        405: browser.get(f"{HERE}webhooks/ep_x/test/"),
        500: browser.get("/o/acme/settings/organization/members/"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        check_policy(answer)
        assert "X-Request-ID" in answer


def test_the_api_has_the_policy_too_and_sets_no_cookie(api, acme_key):
    for answer in (api(acme_key).get("/v1/me"), api().get("/v1/me"), api(acme_key).get("/v1/nowhere")):
        assert answer["Content-Type"] == "application/json"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Cache-Control"] == "no-store, private"
        assert "default-src 'none'" in answer["Content-Security-Policy"]
        assert not answer.cookies


def test_no_other_site_may_read_the_api(api, acme_key):
    answer = api(acme_key).get("/v1/me", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]


# Cookies and sessions


def sign_in(client: Client, email: str, path: str = LOGIN, **options: Any) -> Any:
    client.get(path, **options)
    return client.post(path, {"login": email, "password": PASSWORD}, **options)


def test_no_cookie_can_be_read_by_a_script_or_sent_from_elsewhere(client, ada):
    client.get(LOGIN)
    client.post("/language/", {"language": "fr", "next": "/"})
    assert sign_in(client, ada.email).status_code == 302
    assert set(client.cookies) >= {"csrf", "session"}
    check_cookies(client)


def test_a_session_that_somebody_planted_is_not_signed_in(client, ada):
    client.get(LOGIN)
    planted = client.session
    planted["mark"] = 1
    planted.save()
    client.cookies["session"] = planted.session_key
    sign_in(client, ada.email)
    assert client.session.session_key != planted.session_key
    stranger = Client()
    stranger.cookies["session"] = planted.session_key
    assert stranger.get(HERE).status_code == 302


def test_a_session_ends_with_the_sign_out(client, ada):
    sign_in(client, ada.email)
    stolen = Client()
    stolen.cookies["session"] = client.cookies["session"].value
    assert stolen.get(HERE).status_code == 200
    client.post("/account/logout/")
    assert stolen.get(HERE).status_code == 302


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/login/?next=/admin/orgs/user/", "/admin/"])
def test_operators_have_no_second_sign_in_without_limits_and_two_step(client, operator, path):  # noqa: F811
    for answer in (client.get(path), client.post(path, {"username": operator.email, "password": PASSWORD})):
        assert answer.status_code == 302 and "session" not in answer.cookies
        client.cookies.clear()
    while answer.status_code == 302 and not answer["Location"].startswith(LOGIN):
        answer = client.get(answer["Location"])
    assert "_auth_user_id" not in client.session


def test_an_operator_with_two_step_gets_in_by_it_only(client, operator):  # noqa: F811
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DPEHPK3PXP"})
    answer = client.post(LOGIN, {"login": operator.email, "password": PASSWORD, "next": "/admin/"})
    assert answer["Location"].startswith("/account/2fa/authenticate/")
    assert client.get("/admin/").status_code == 302


def test_many_tries_of_a_password_are_stopped(client, operator):  # noqa: F811
    for number in range(30):
        client.post(LOGIN, {"login": operator.email, "password": f"wrong {number}"})
    answer = client.post(LOGIN, {"login": operator.email, "password": PASSWORD})
    assert answer.status_code in (200, 429) and "_auth_user_id" not in client.session


# https


@pytest.fixture
def https(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings as the file makes them where PUBLIC_URL is https."""
    monkeypatch.setenv("PUBLIC_URL", "https://testserver")
    monkeypatch.setattr("apps.base.telemetry.logging.configure_logging", lambda *_arguments: None)
    found = runpy.run_path(str(ROOT / "integrations_portal" / "settings.py"))
    for name, value in found.items():
        starts = ("PUBLIC_URL", "HTTPS", "SECURE_", "SESSION_", "CSRF_", "LANGUAGE_COOKIE", "ACCOUNT_DEFAULT")
        if name.startswith(starts) and getattr(django_settings, name) != value:
            setattr(settings, name, value)
    return settings


def test_over_https_cookies_are_secure_and_bound_to_the_host(https, ada):
    client = Client()
    client.get(LOGIN, secure=True)
    answer = sign_in(client, ada.email, secure=True)
    assert answer.status_code == 302
    assert {"__Host-session", "__Host-csrf"} <= set(client.cookies)
    for cookie in client.cookies.values():
        assert cookie["secure"] and cookie["path"] == "/" and not cookie["domain"]
    check_cookies(client)


def test_over_https_browsers_are_told_to_stay_there(https, client):
    answer = client.get(LOGIN, secure=True)
    assert answer["Strict-Transport-Security"] == "max-age=31536000"


def test_a_page_over_http_leads_to_https(https):
    answer = Client().get(f"{LOGIN}?next=/x")
    assert (answer.status_code, answer["Location"]) == (301, f"https://testserver{LOGIN}?next=/x")
    assert not answer.cookies


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_a_key_over_http_is_refused_and_not_judged(https, api, acme_key, method):
    for key in (acme_key, "ipk_nonsense", None):
        answer = getattr(api(key), method)("/v1/users")
        assert (answer.status_code, answer.json()["code"]) == (403, "https_required")
        assert "RateLimit-Remaining" not in answer and "WWW-Authenticate" not in answer
    assert api(acme_key).get("/v1/me", secure=True)["RateLimit-Remaining"] == "99"


def test_probes_answer_over_http(https, client):
    assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


@pytest.mark.parametrize(
    ("proxies", "proto", "status"),
    [("", "https", 403), ("127.0.0.1/32", "https", 200), ("127.0.0.1/32", "http", 403), ("127.0.0.1/32", "x", 403),
     ("127.0.0.1/32", "https, http", 403), ("127.0.0.1/32", "http, https", 200), ("10.0.0.0/8", "https", 403)],
)  # fmt: skip
def test_the_scheme_is_believed_from_own_proxies_only(https, api, acme_key, proxies, proto, status):
    https.TRUSTED_PROXIES = tuple(ip_network(each) for each in proxies.split(",") if each)
    assert api(acme_key).get("/v1/me", headers={"X-Forwarded-Proto": proto}).status_code == status


# What the caller says of itself


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "testserver.evil.example", "testserver@evil.com"])
def test_another_host_is_refused(client, host):
    page = client.get(LOGIN, headers={"Host": host})
    assert page.status_code == 400 and "evil" not in page.content.decode()
    for key in (None, "ipk_x"):
        headers = {"Host": host, **({"X-API-Key": key} if key else {})}
        answer = client.get("/v1/users", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_forwarded_host_is_not_believed(client):
    page = client.get(LOGIN, headers={"X-Forwarded-Host": "evil.example"})
    assert page.status_code == 200 and "evil" not in page.content.decode()


def test_a_link_in_a_mail_starts_with_the_public_url_whatever_the_host_says(client, ada, settings):
    client.post("/account/password/reset/", {"email": ada.email}, headers={"Host": "localhost"})
    send_due_mail()
    links = re.findall(r"https?://\S+", mail.outbox[0].body)
    assert links
    assert [link for link in links if not link.startswith(f"{settings.PUBLIC_URL}/")] == []


@pytest.mark.parametrize("next_page", ELSEWHERE)
def test_no_link_leads_elsewhere_through_the_portal(client, ada, next_page):
    client.get(LOGIN)
    answer = client.post(LOGIN, {"login": ada.email, "password": PASSWORD, "next": next_page})
    assert (answer.status_code, answer["Location"]) == (302, "/settings/integration/")
    for path, data in (("/language/", {"language": "fr"}), (LOGIN, {}), ("/account/logout/", {})):
        answer = client.post(path, {**data, "next": next_page})
        location = answer.get("Location", "/")
        assert location.startswith("/") and not location.startswith(("//", "/\\")) and "evil" not in location, path


def test_a_next_page_of_the_portal_is_followed(client, ada):
    answer = client.post(LOGIN, {"login": ada.email, "password": PASSWORD, "next": HERE})
    assert answer["Location"] == HERE


# Characters that PostgreSQL does not take

WORDS = (
    "q", "type", "status", "page", "cursor", "event_type", "endpoint", "event", "since", "until", "actor", "action",
    "target", "key", "category", "request_id", "limit", "offset", "organization", "tab", "attempt", "scopes", "name",
)  # fmt: skip


def test_no_character_in_a_query_breaks_a_page_or_a_list(browser_of, ada, api, admin_key, samples):  # noqa: F811
    broken = []
    for client, door in ((browser_of(ada), "page"), (api(admin_key).client, "api")):
        client.raise_request_exception = False
        for route in routes_for(door):
            for word in WORDS if "GET" in route.methods else ():
                path = route.at(slug="acme", **samples.real(route))
                if client.get(f"{path}?{word}=a%00b").status_code >= 500:
                    broken.append(f"{path}?{word}=a%00b")
    assert broken == []


@pytest.mark.parametrize("bad", ["%00", "key_%00", "%ED%A0%80"])
def test_no_character_in_a_path_breaks_it(browser_of, ada, api, admin_key, acme, bad):
    for client, door in ((browser_of(ada), "page"), (api(admin_key).client, "api")):
        client.raise_request_exception = False
        for route in routes_for(door):
            if route.objects and "GET" in route.methods:
                path = route.at(slug="acme", **dict.fromkeys(route.objects, bad))
                assert client.get(path).status_code == 404, path
