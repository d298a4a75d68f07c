"""Zed of Rival, a removed member and nobody at all, on every page and every API route, with Acme's own ids.

Promise 15: whatever is somebody else's looks as if it were not there, and stays as it is.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.apps import apps
from django.test import Client
from django.urls import reverse

from apps.api_keys.models import ApiKey
from apps.audit.models import LastUse
from apps.base.actor import system
from apps.orgs.models import Organization, User
from apps.sdk_keys import actions as sdk_actions
from apps.sdk_keys.models import SdkKey
from tests.conftest import ALL_SCOPES, Key
from tests.conventions.conftest import NO_PATH, OPEN, SHARED, Samples
from tests.conventions.routes import METHODS, Route, routes_for

pytestmark = pytest.mark.django_db

PAGES = routes_for("page")
OBJECTS = [route for route in routes_for("page", "api") if route.objects and route.name not in SHARED]
API_OBJECTS = [route for route in OBJECTS if route.interface == "api"]
LISTS = [route for route in routes_for("api") if not route.parameters and "GET" in route.methods]
# What a list does not answer without.
NEEDED = {"api-audit-log-export": "format=jsonl", "api-descendants": "of=user_01JD2V8Q4ZK7M3X9T5B6CW"}
HTML = {"Accept": "text/html"}
# Written by whoever calls, about himself: sessions, spent forms, counted refusals.
TRACES = ("sessions.Session", "usersessions.UserSession", "base.SpentForm", "audit.RefusedCalls")


def each(routes: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=lambda route: route.name)


@pytest.fixture
def keys(make_key: Callable[..., Key], rival: Organization) -> dict[str, Key]:
    """The strongest keys that Rival can have."""
    return {
        "every scope": make_key(rival, *ALL_SCOPES, type="internal"),
        "admin": make_key(rival, "admin", type="internal"),
    }


@pytest.fixture
def untouched(samples: Samples, rival: Organization) -> Callable[[], AbstractContextManager[None]]:
    """``with untouched():`` every row that is not Rival's is afterwards what it was before."""

    def rows() -> dict[tuple[str, str], str]:
        own = [kind.objects.filter(organization=rival) for kind in (ApiKey, SdkKey)]
        keys = {str(key.pk) for rows in own for key in rows}
        found = {}
        for model in apps.get_models():
            for row in model._base_manager.values() if model._meta.label not in TRACES else ():
                pk = str(row[model._meta.pk.attname])
                is_use_of_rival = model is LastUse and pk in keys
                if row.get("organization_id") != rival.pk and not is_use_of_rival:
                    found[model._meta.label, pk] = repr(row)
        return found

    @contextmanager
    def unchanged() -> Iterator[None]:
        before = rows()
        yield
        assert rows() == before

    return unchanged


def refusal(route: Route, method: str) -> int:
    """Return 405 where the route has no such method, else 404."""
    return 405 if method not in route.methods else 404


def call(client: Client, method: str, path: str, **options: Any) -> Any:
    if method == "GET":
        return client.get(path, **options)
    return client.generic(method, path, b"{}", content_type="application/json", **options)


def without_chance(answer: Any, *ids: str) -> str:
    """Return a body less what differs from answer to answer: request id, form token, nonce, the asked id."""
    text = answer.content.decode()
    for word in (answer["X-Request-ID"], *ids):
        text = text.replace(word, "…")
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)
    return re.sub(r'nonce="[^"]+"', "", text)


# Pages


@each(PAGES)
@pytest.mark.parametrize("who", ["zed", "removed"])
def test_it_is_not_found_under_acmes_path(request, route, who, samples, untouched, browser_of):
    browser = browser_of(request.getfixturevalue(who))
    with untouched():
        for method in METHODS:
            answer = call(browser, method, route.at(slug="acme", **samples.real(route)))
            assert answer.status_code == 404, method


@each([route for route in PAGES if route.objects])
def test_it_is_not_found_under_the_own_path(route, samples, untouched, browser_of, zed):
    browser = browser_of(zed)
    with untouched():
        for method in METHODS:
            answer = call(browser, method, route.at(slug="rival", **samples.real(route)))
            assert answer.status_code == refusal(route, method), method


@each(PAGES)
def test_it_leads_nobody_in_without_a_sign_in(route, samples, untouched, client):
    with untouched():
        for method in METHODS:
            path = route.at(slug="acme", **samples.real(route))
            answer = call(client, method, path)
            assert answer.status_code == 302, method
            assert answer["Location"] == f"{reverse('account_login')}?next={path}", method


# The API


@each(API_OBJECTS)
def test_it_is_not_found_with_a_key_of_rival(route, samples, untouched, keys, api):
    with untouched():
        for name, key in keys.items():
            for method in METHODS:
                answer = call(api(key).client, method, route.at(**samples.real(route)))
                assert answer.status_code == refusal(route, method), (name, method)
                assert answer.json()["code"] == {404: "not_found", 405: "method_not_allowed"}[answer.status_code]


@each(API_OBJECTS)
@pytest.mark.parametrize("who", ["zed", "removed"])
def test_it_is_not_found_with_a_session(request, route, who, samples, untouched, browser_of):
    browser = browser_of(request.getfixturevalue(who))
    with untouched():
        for query in ("?organization=acme", "?organization=rival", ""):
            # Who acts nowhere is refused before path and method are looked at.
            acts_somewhere = who == "zed" and query != "?organization=acme"
            for method in METHODS:
                answer = call(browser, method, route.at(**samples.real(route)) + query, headers=HTML)
                assert answer.status_code == (refusal(route, method) if acts_somewhere else 404), (query, method)


@each([route for route in routes_for("api", "sdk") if route.name not in (*NO_PATH, *OPEN)])
def test_it_is_401_for_nobody(route, samples, untouched, client):
    with untouched():
        for method in METHODS:
            answer = call(client, method, route.at(**samples.real(route)))
            assert (answer.status_code, answer.json()["code"]) == (401, "missing_api_key"), method


@each([route for route in routes_for("sdk") if route.objects])
def test_a_device_of_acme_is_not_found_with_an_sdk_key_of_rival(route, samples, untouched, rival, api):
    new = sdk_actions.NewSdkKey(name="Theirs", platform="ios", app_id="com.rival.app")
    _row, text = sdk_actions.create_sdk_key(actor=system(rival.pk), new=new)
    with untouched():
        for method in METHODS:
            for token in ({}, {"X-Activation-Token": "x" * 43}):
                answer = call(api(text).client, method, route.at(**samples.real(route)), headers=token)
                assert answer.status_code == refusal(route, method), method


# What the answers tell


@each(OBJECTS)
def test_somebody_elses_id_looks_like_an_unknown_one(route, samples, keys, api, browser_of, zed):
    client = browser_of(zed) if route.interface == "page" else api(keys["admin"]).client
    for method in route.methods:
        real, unknown = samples.real(route), samples.unknown(route)
        theirs = call(client, method, route.at(slug="rival", **real))
        nobodys = call(client, method, route.at(slug="rival", **unknown))
        assert theirs.status_code == nobodys.status_code == 404, method
        assert without_chance(theirs, *real.values()) == without_chance(nobodys, *unknown.values()), method
        assert sorted(theirs.headers) == sorted(nobodys.headers), method


@each([route for route in PAGES if not route.objects])
def test_an_unknown_organization_looks_like_somebody_elses(route, browser_of, acme, zed):
    browser = browser_of(zed)
    for method in route.methods:
        theirs = call(browser, method, route.at(slug="acme"))
        nobodys = call(browser, method, route.at(slug="nowhere"))
        assert theirs.status_code == nobodys.status_code == 404
        assert without_chance(theirs, "acme") == without_chance(nobodys, "nowhere")


@each(LISTS)
def test_a_list_of_rival_holds_nothing_of_acme(route, samples, keys, api):
    for key in keys.values():
        takes_limit = "limit" in route.view.view_class.operations["GET"].query_names
        for query, status in (("?", 200), ("?limit=200", 200 if takes_limit else 400), ("?organization=acme", 400)):
            answer = api(key).get(f"{route.path}{query}&{NEEDED.get(route.name, '')}")
            assert answer.status_code == status
            assert [text for text in (*samples.ids, "Acme", "acme") if text in answer.getvalue().decode()] == []


@each([route for route in PAGES if not route.objects and "GET" in route.methods])
def test_a_page_of_rival_holds_nothing_of_acme(route, samples, browser_of, zed):
    page = browser_of(zed).get(route.at(slug="rival")).getvalue().decode()
    assert [text for text in (*samples.ids, "Acme", "@acme.") if text in page] == []


@pytest.mark.parametrize(
    ("path", "parameter", "kind"),
    [
        ("/v1/deliveries", "endpoint", "endpoint"),
        ("/v1/deliveries", "event", "event"),
        ("/v1/audit-log", "key", "key"),
        ("/v1/audit-log", "actor", "key"),
        ("/v1/audit-log", "target", "endpoint"),
        ("/v1/audit-log", "target", "export"),
    ],
)
def test_a_filter_by_somebody_elses_id_matches_nothing(path, parameter, kind, samples, keys, api):
    answer = api(keys["admin"]).get(f"{path}?{parameter}={samples.rows[kind].public_id}")
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/users", {"name": "Jo", "email": "jo@example.com", "password": "password1"}),
        ("/v1/invitations", {"email": "jo@example.com", "role": "viewer"}),
        ("/v1/api-keys", {"name": "x", "type": "partner", "scopes": ["users:read"]}),
        ("/v1/webhook-endpoints", {"url": "https://hooks.rival.example/", "event_types": ["*"]}),
        ("/v1/events", {"type": "order.created", "data": {"order_id": "ORD-1", "status": "placed"}}),
    ],
)
def test_no_body_writes_into_another_organization(path, body, untouched, keys, api, acme):
    with untouched():
        for name in ("organization", "organization_id", "org_id"):
            for value in ("acme", acme.public_id, str(acme.pk)):
                answer = api(keys["admin"]).post(path, {**body, name: value})
                assert (answer.status_code, list(answer.json()["fields"])) == (400, [name])


def test_somebody_elses_second_factor_is_not_found(samples, untouched, browser_of, zed, ada: User):
    browser = browser_of(zed)
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time.time(), "reauthenticated": True}]
    session.save()
    hers = ada.authenticator_set.get().pk
    routes = [route for route in routes_for("account") if "pk" in route.parameters]
    with untouched():
        for route in routes:
            for method in route.methods:
                assert call(browser, method, route.at(pk=hers)).status_code == 404, (route.name, method)
    assert routes


def test_the_walk_notices_a_change(samples, untouched):
    with pytest.raises(AssertionError), untouched():
        samples.rows["key"].name = "Changed"
        samples.rows["key"].save()


def test_the_walk_covers_pages_and_api():
    names = [route.name for route in routes_for("page", "api")]
    assert len(names) == len(set(names))
    assert {"overview", "api_key", "webhook", "audit", "api-users", "api-webhook-endpoint"} <= set(names)
