"""No operation passes over a part of its query string: by the URLconf, so that none is left out."""

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests.conftest import Api, Key
from tests.conventions.conftest import NO_PATH, OPEN, Samples
from tests.conventions.routes import Route, routes_for
from tests.conventions.test_mass_assignment import GOOD, everything

pytestmark = pytest.mark.django_db

ROUTES = [route for route in routes_for("api", "sdk") if route.name not in NO_PATH]
EVERY = [(route, method) for route in ROUTES for method in route.methods]
HTML = {"Accept": "text/html"}


def call(route: Route, method: str, query: str, samples: Samples, key: Key) -> Any:
    caller: Any = samples.app_key if route.interface == "sdk" else key
    body = GOOD.get(route.name, {}) if method in ("POST", "PUT", "PATCH") else None
    return getattr(Api(caller), method.lower())(f"{route.at(**samples.real(route))}?{query}", body)


def names_of(route: Route, method: str) -> dict[str, bool]:
    return route.view.view_class.operations[method].query_names  # type: ignore[attr-defined]


def test_every_operation_names_what_it_does_not_know_and_what_it_knows(samples, admin_key):
    before = everything()
    for route, method in EVERY:
        answer = call(route, method, "surely_unknown=1&format[]=csv", samples, admin_key)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), (route, method)
        assert set(answer.json()["fields"]) == {"surely_unknown", "format[]"}, (route, method)
        assert all(name in answer.json()["error"] for name in names_of(route, method)), (route, method)
    assert everything() == before and len(EVERY) > 50


def test_every_parameter_is_sent_once_unless_it_lists_words(samples, admin_key):
    words = set()
    for route, method in EVERY:
        for name, is_list in names_of(route, method).items():
            answer = call(route, method, f"{name}=1&{name}=1", samples, admin_key)
            refused = "times" in answer.json()["fields"].get(name, [""])[0]
            assert answer.status_code == 400 and refused != is_list, (route, method, name)
            words |= {(route.name, name)} if is_list else set()
    assert {("api-deliveries", "status"), ("api-events", "type"), ("api-audit-log", "category")} <= words


def test_those_who_need_no_key_are_told_too(client: Client):
    for name in OPEN:
        route = next(route for route in ROUTES if route.name == name)
        answer = client.post(f"{route.path}?colour=green", GOOD[name], "application/json")
        assert answer.status_code == 400 and list(answer.json()["fields"]) == ["colour"]


@pytest.mark.parametrize(
    ("query", "blamed"),
    [("Limit=1", "Limit"), ("LIMIT=1", "LIMIT"), ("limit[]=1", "limit[]"), ("=1", ""), ("=", ""),
     ("limit%5B0%5D=1", "limit[0]"), ("_=1732961130", "_"), ("a=1&a=1", "a"), ("limit=1&limit=", "limit"),
     ("limit=1;offset=2", "limit"), ("limit", "limit"), ("%6Cimit=1&limit=1", "limit"), ("l%00=1", "l\0"),
     ("\uff4cimit=1", "\uff4cimit"), ("limit=%EF%BC%91", "limit"), ("limit=%FF", "limit"), ("offset=", "offset"),
     ("organization=acme", "organization"), ("cursor=", "cursor"), ("limit=+1", "limit"), ("limit=1+", "limit"),
     ("limit=1.0", "limit"), ("limit=0x1", "limit"), (" limit=1", " limit"), ("x" * 5000, "x" * 64)],
)  # fmt: skip
def test_malformed_and_misspelled_parameters_are_refused(admin_key, query: str, blamed: str):
    for headers in ({}, HTML):
        answer = Client(headers={**admin_key.headers, **headers}).get(f"/v1/users?{quote(query, safe='=&%+;[]')}")
        assert answer.status_code == 400, query
        if not headers:
            assert list(answer.json()["fields"]) == [blamed], answer.json()
            assert "\0" not in answer.json()["error"]


def test_more_parameters_than_anybody_needs_are_400(admin_key):
    answer = Client(headers=admin_key.headers).get("/v1/users?" + "&".join(f"p{number}=1" for number in range(1200)))
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_request"


def test_a_near_name_is_suggested(api, admin_key):
    for query, meant in (("Limit=1", "limit"), ("ofset=1", "offset"), ("limits=1", "limit"), ("cursor[]=1", "cursor")):
        assert f"Did you mean {meant}?" in api(admin_key).get(f"/v1/users?{query}").json()["error"]
    assert "Did you mean since?" in api(admin_key).get("/v1/audit-log/export?format=csv&from=2030").json()["error"]
    assert "Did you mean" not in api(admin_key).get("/v1/me?from=2030").json()["error"]


def test_a_person_is_told_on_the_page(browser_of, ada, acme):
    browser = browser_of(ada)
    assert browser.get("/v1/users?organization=acme&limit=&offset=", headers=HTML).status_code == 200
    for query in ("since=2030-01-01", "organization=acme&organization=acme", "limit=1&limit=2"):
        answer = browser.get(f"/v1/users?{query}", headers=HTML)
        assert answer.status_code == 400 and query.partition("=")[0] in answer.content.decode(), query
