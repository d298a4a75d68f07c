"""The pages of refusals and faults: the right status, the right language, what to do next, and nothing else."""

import html
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client

from apps.base.errors import Conflict, PortalError, RateLimited
from apps.orgs.models import Membership
from tests.base.test_pages_security import check_policy
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/"
MEMBERS = "/o/acme/settings/organization/members/"
ROLES = MEMBERS + "roles/"
CREATE = f"{HERE}api-keys/create/?type=partner"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
INSIDES = ("Traceback", "RuntimeError", "OperationalError", "apps/", "SELECT", "django", "site-packages", "canary")


def text_of(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def forgiving(client: Client) -> Client:
    client.raise_request_exception = False
    return client


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the page of members raise."""

    def use(error: Exception) -> None:
        def fail(*_arguments: Any, **_options: Any) -> None:
            raise error

        monkeypatch.setattr(Membership.objects.__class__, "for_actor", fail)

    return use


# 403


def test_a_refusal_names_the_role_that_is_needed_and_who_can_give_it(browser_of, dev, ada, ann):
    answer = browser_of(dev).get(CREATE)
    page = text_of(answer)
    assert answer.status_code == 403
    assert re.search(r"Your role</dt><dd>\s*Developer", page) and re.search(r"Role needed</dt><dd><b>\s*Admin", page)
    assert "Ada, Ann" in page and f'href="{ROLES}"' in page and answer["X-Request-ID"] in page


def test_it_is_told_in_the_readers_language(browser_of, vera, ada):
    vera.language = "fr"
    vera.save()
    answer = browser_of(vera).get(CREATE)
    assert (answer.status_code, answer["Content-Language"]) == (403, "fr")
    assert '<html lang="fr"' in answer.content.decode()


def test_another_refusal_says_its_reason(browser_of, ada, broken):
    broken(PortalError("Two-step sign-in is required here.", "forbidden"))
    page = text_of(browser_of(ada).get(MEMBERS))
    assert "Two-step sign-in is required here." in page and "Role needed" not in page


# 404, 405, 409, 413, 429


@pytest.mark.parametrize("path", ["/nowhere/", "/o/acme/", "/o/nobody/settings/integration/", f"{HERE}webhooks/ep_x/"])
def test_what_is_not_there(browser_of, ada, path):
    answer = browser_of(ada).get(path)
    assert answer.status_code == 404 and "There is nothing at this address" in text_of(answer)


@pytest.mark.parametrize(("method", "path"), [("get", f"{HERE}webhooks/ep_x/test/"), ("get", "/language/")])
def test_what_takes_no_such_method_says_what_it_is(browser_of, ada, client, method, path):
    answer = getattr(client if path == "/language/" else browser_of(ada), method)(path)
    assert answer.status_code == 405 and answer["Allow"] and "This address is no page" in text_of(answer)


def test_what_cannot_be_done_now_says_why(browser_of, ada, broken):
    broken(Conflict("It is running already."))
    answer = browser_of(ada).get(MEMBERS)
    assert answer.status_code == 409 and "It is running already." in text_of(answer)


def test_what_is_too_large_is_refused_by_its_head(client):
    answer = client.generic("POST", "/account/login/", b"x", CONTENT_LENGTH=str(1024 * 1024 + 1))
    assert answer.status_code == 413 and "1 MiB" in text_of(answer)
    check_policy(answer)
    answer = client.post("/account/login/", {"login": "x" * (1024 * 1024)})
    assert answer.status_code == 413


def test_too_fast_says_how_long_to_wait(browser_of, ada, broken):
    for seconds, words in ((12, "Try again in 12 seconds."), (1, "Try again in 1 second.")):
        broken(RateLimited("Too fast.", seconds))
        answer = browser_of(ada).get(MEMBERS)
        assert (answer.status_code, answer["Retry-After"]) == (429, str(seconds)) and words in text_of(answer)


def test_a_limit_of_the_sign_in_says_so_too(client, db):
    cache.clear()
    for number in range(40):
        answer = client.post("/account/password/reset/", {"email": f"{number}@example.com"})
    assert answer.status_code == 429 and 0 < int(answer["Retry-After"]) <= 60
    assert "That was too fast" in text_of(answer)


# CSRF


def strict(user: Any) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def test_a_form_without_its_token_keeps_what_was_typed(ada):
    data = {"name": 'Jo "<b>', "scopes": ["users:read", "orders:read"], "confirm_password": PASSWORD, "token": "t1"}
    answer = strict(ada).post(CREATE, data, headers=SAME_SITE)
    page = answer.content.decode()
    assert answer.status_code == 403 and PASSWORD not in page and "<b>" not in page.partition('name="name"')[2][:40]
    for name, value in (("name", "Jo &quot;&lt;b&gt;"), ("scopes", "orders:read"), ("token", "t1")):
        assert f'<input type="hidden" name="{name}" value="{value}">' in page
    assert f'action="{CREATE}"' in page and page.count('value="users:read"') == 1


def test_what_was_kept_can_be_sent(ada):
    browser = strict(ada)
    answer = browser.post("/language/", {"language": "fr", "next": HERE}, headers=SAME_SITE)
    form = answer.content.decode().partition('<form method="post" action="/language/"><input')[2]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    values = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form.partition("</form>")[0]))
    assert values["language"] == "fr"
    again = browser.post("/language/", {**values, "csrfmiddlewaretoken": token})
    assert (again.status_code, again["Location"]) == (302, HERE)


@pytest.mark.parametrize("site", [None, "cross-site", "same-site", "none"])
def test_what_another_site_sent_is_never_offered_again(ada, site):
    headers = {"Sec-Fetch-Site": site} if site else {}
    page = text_of(strict(ada).post(CREATE, {"name": "planted"}, headers=headers))
    assert "planted" not in page and "Send it again" not in page and "Open the page again" in page


# 500 and 503


def test_our_fault_says_nothing_but_the_id_of_the_request(browser_of, ada, broken):
    broken(RuntimeError("canary"))
    answer = forgiving(browser_of(ada)).get(MEMBERS)
    page = text_of(answer)
    assert answer.status_code == 500 and answer["X-Request-ID"] in page
    assert [word for word in INSIDES if word in page] == []


def test_it_needs_no_database_and_knows_the_browsers_language(client, monkeypatch):
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise OperationalError("canary")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", fail)
    client.cookies["session"] = "a" * 32
    answer = forgiving(client).get(HERE, headers={"Accept-Language": "fr"})
    page = text_of(answer)
    assert (answer.status_code, answer["Retry-After"], answer["Content-Language"]) == (503, "30", "fr")
    assert '<html lang="fr"' in page and answer["X-Request-ID"] in page
    assert [word for word in INSIDES if word in page] == []


def test_it_is_plain_text_where_even_the_template_fails(browser_of, ada, broken, monkeypatch):
    broken(RuntimeError("canary"))

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("canary of the template")

    monkeypatch.setattr("integrations_portal.error_pages.render_to_string", fail)
    answer = forgiving(browser_of(ada)).get(MEMBERS)
    assert (answer.status_code, answer["Content-Type"]) == (500, "text/plain; charset=utf-8")
    assert "canary" not in text_of(answer) and answer["X-Request-ID"] in text_of(answer)


def test_a_frame_that_fails_becomes_the_plain_page(browser_of, ada, monkeypatch):
    browser = forgiving(browser_of(ada))

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr("apps.orgs.members.page_context.own_memberships", fail)
    for path in (MEMBERS, "/nowhere/"):
        answer = browser.get(path)
        assert answer.status_code == 500 and "canary" not in text_of(answer), path


def test_the_api_keeps_its_shape(client, monkeypatch, api, acme_key):
    answer = client.get("/v1/nowhere", headers={"Accept": "text/html", "Host": "evil.example"})
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PROPFIND", "/docs/start", 405), ("TRACE", "/healthz", 405), ("GET", "/o/nowhere/settings/integration/x", 404)],
)
def test_programs_get_every_error_as_json_in_english(client, method, path, status):
    headers = {"Accept": "application/json", "Accept-Language": "fr"}
    answer = client.generic(method, path, headers=headers)
    said = answer.json()
    assert (answer.status_code, set(said)) == (status, {"error", "code", "request_id", "docs"})
    assert said["error"] in (f"This path does not take {method}.", "Not found.")
