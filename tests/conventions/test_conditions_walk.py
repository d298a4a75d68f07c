"""``ETag``, ``If-None-Match`` and ``If-Match`` on every route of the API: by the URLconf, so that none is left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from tests.conftest import Api, Key
from tests.conventions.conftest import NO_PATH, Samples
from tests.conventions.routes import Route, routes_for
from tests.conventions.test_mass_assignment import GOOD, everything

pytestmark = pytest.mark.django_db

ROUTES = [route for route in routes_for("api", "sdk") if route.name not in NO_PATH]
# What answers something else each time, and a file that is read while it is sent.
UNTAGGED = {"api-me", "api-usage", "api-api-key-usage", "api-audit-log-export"}
# The list of what the caller does meanwhile holds the call itself.
QUERY = {
    "api-audit-log": "?category=change",
    "api-audit-log-export": "?format=jsonl",
    "api-descendants": "?of=user_01JD2V8Q4ZK7M3X9T5B6CW",
}
STATES = ("rotate", "revoke", "disable", "enable", "release")
TAKES_IF_MATCH = {
    ("api-user", "PUT"), ("api-user", "PATCH"), ("api-user", "DELETE"),
    ("api-api-key", "PATCH"), ("api-sdk-key", "PATCH"),
    ("api-webhook-endpoint", "PATCH"), ("api-webhook-endpoint", "DELETE"),
    ("api-webhook-endpoint-pause", "POST"), ("api-webhook-endpoint-enable", "POST"),
    ("api-webhook-endpoint-rotate-secret", "POST"), ("api-replay-cancel", "POST"),
    *((f"api-api-key-{state}", "POST") for state in STATES),
    *((f"api-sdk-key-{state}", "POST") for state in STATES),
}  # fmt: skip
CHANGES = [(route, method) for route in ROUTES for method in route.methods if method != "GET"]
STALE = '"AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA"'


def key_for(route: Route, samples: Samples, admin_key: Key) -> Any:
    return samples.app_key if route.interface == "sdk" else admin_key


def call(route: Route, method: str, samples: Samples, key: Any, **headers: str) -> Any:
    path = route.at(**samples.real(route)) + QUERY.get(route.name, "")
    body = GOOD.get(route.name, {}) if method in ("POST", "PUT", "PATCH") else None
    return getattr(Api(key), method.lower())(path, body, headers=headers)


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def one_moment() -> Iterator[None]:
    """The keys' list shows when the calling key was last used, to the second."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


def test_every_read_is_tagged_and_not_sent_twice(samples, admin_key, one_moment):
    for route in (route for route in ROUTES if "GET" in route.methods and route.interface == "api"):
        first = call(route, "GET", samples, admin_key)
        assert first.status_code == 200, route
        assert ("ETag" not in first.headers) == (route.name in UNTAGGED), route
        if route.name in UNTAGGED:
            continue
        again = call(route, "GET", samples, admin_key, if_none_match=first["ETag"])
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"]), route
        assert not {"Content-Type", "Content-Length"} & set(again.headers), route
        assert "X-Request-ID" in again.headers and again["Cache-Control"] == "no-store, private"
        # What else a list says in headers holds for the copy that the caller has.
        assert [again.headers.get(name) for name in ("Link", "X-Total-Count")] == [
            first.headers.get(name) for name in ("Link", "X-Total-Count")
        ], route


def test_every_change_keeps_the_condition_or_refuses_it(samples, admin_key):
    """A condition that is passed over would be taken for kept."""
    for route, method in CHANGES:
        key, before = key_for(route, samples, admin_key), everything()
        answer = call(route, method, samples, key, if_match=STALE)
        if (route.name, method) in TAKES_IF_MATCH:
            assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed"), (route, method)
        else:
            assert (answer.status_code, list(answer.json().get("fields", {}))) == (400, ["If-Match"]), (route, method)
        assert everything() == before, (route, method)
        other = call(route, method, samples, key, if_none_match=STALE)
        assert (other.status_code, list(other.json()["fields"])) == (400, ["If-None-Match"]), (route, method)
    assert {(route.name, method) for route, method in CHANGES} >= TAKES_IF_MATCH


def test_every_change_goes_through_with_the_tag_that_was_read(samples, admin_key):
    readable = {route.path: route for route in ROUTES if "GET" in route.methods}
    for route, method in CHANGES:
        if (route.name, method) not in TAKES_IF_MATCH:
            continue
        one = readable[route.path[: route.path.index("}") + 1]]
        tag = call(one, "GET", samples, admin_key)["ETag"]
        with undone():
            answer = call(route, method, samples, admin_key, if_match=tag)
            assert answer.status_code < 300 or answer.json()["code"] == "conflict", (route, method, answer.content)
            now = call(one, "GET", samples, admin_key)
            says_tag = method != "DELETE" and answer.status_code == 200 and "secret" not in answer.json()
            assert answer.headers.get("ETag") == (now["ETag"] if says_tag else None), (route, method)


def test_the_order_of_refusals(samples, admin_key, rival_key, make_key, acme):
    """Scope 403, object 404, malformed and bad body 400, and only then 412."""
    weak = make_key(acme, "events:read")
    for route, method in CHANGES:
        if (route.name, method) not in TAKES_IF_MATCH:
            continue
        assert call(route, method, samples, weak, if_match=STALE).status_code == 403, (route, method)
        theirs = call(route, method, samples, rival_key, if_match="unquoted")
        assert theirs.status_code == 404, (route, method)
        malformed = call(route, method, samples, admin_key, if_match="unquoted")
        assert (malformed.status_code, list(malformed.json()["fields"])) == (400, ["If-Match"]), (route, method)
        if method != "DELETE":
            path = route.at(**samples.real(route))
            bad = getattr(Api(admin_key), method.lower())(path, {"no_such": 1}, headers={"If-Match": STALE})
            assert bad.status_code == 400 and "no_such" in bad.json()["fields"], (route, method)
