# ruff: noqa: E501 - the tables are wide
"""Who may do what: one literal table for pages, one for the API. A route without a row fails the test.

`ok` is anything but 401, 403, 404, 405 and 5xx: allowed, whatever the empty body then comes to. `in` is the way to
the sign-in page. Under `scope` stands what is enough for a key; `-`: any key.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from apps.base.crypto.secrets import new_key
from apps.orgs.models import User
from tests.conftest import Api, Key
from tests.conventions.conftest import NO_PATH, OPEN, Samples
from tests.conventions.routes import Route, routes, routes_for

pytestmark = pytest.mark.django_db

PEOPLE = ("nobody", "viewer", "developer", "admin", "owner", "stranger", "removed")
KEYS = ("no_scope", "scope", "admin_key", "sdk_key")

# route                methods    nobody viewer developer admin owner stranger removed
PAGES = """
  overview             GET        in     ok     ok        ok    ok    404      404
  members              GET        in     ok     ok        ok    ok    404      404
  organization_settings GET       in     403    403       ok    ok    404      404
  organization_general GET,POST   in     403    403       ok    ok    404      404
  organization_security GET,POST  in     403    403       ok    ok    404      404
  organization_retention GET,POST in     403    403       ok    ok    404      404
  organization_mail    GET,POST   in     403    403       ok    ok    404      404
  organization_export  GET,POST   in     403    403       403   ok    404      404
  organization_close   GET,POST   in     403    403       403   ok    404      404
  roles                GET        in     ok     ok        ok    ok    404      404
  leave                GET,POST   in     ok     ok        ok    ok    404      404
  invite               GET,POST   in     403    403       ok    ok    404      404
  member               GET,POST   in     403    403       ok    ok    404      404
  member_remove        GET,POST   in     403    403       ok    ok    404      404
  invitation_resend    POST       in     403    403       ok    ok    404      404
  invitation_revoke    POST       in     403    403       ok    ok    404      404
  api_keys             GET        in     ok     ok        ok    ok    404      404
  api_key              GET        in     ok     ok        ok    ok    404      404
  api_key_create       GET,POST   in     403    403       ok    ok    404      404
  api_key_edit         GET,POST   in     403    403       ok    ok    404      404
  api_key_rotate       GET,POST   in     403    403       ok    ok    404      404
  api_key_disable      GET,POST   in     403    403       ok    ok    404      404
  api_key_enable       GET,POST   in     403    403       ok    ok    404      404
  api_key_release      GET,POST   in     403    403       ok    ok    404      404
  api_key_revoke       GET,POST   in     403    403       ok    ok    404      404
  created_by           GET,POST   in     403    ok        ok    ok    404      404
  api_key_inventory    GET        in     ok     ok        ok    ok    404      404
  api_key_inventory_csv GET       in     ok     ok        ok    ok    404      404
  api_key_usage        GET        in     ok     ok        ok    ok    404      404
  api_key_drain        GET        in     ok     ok        ok    ok    404      404
  usage                GET        in     ok     ok        ok    ok    404      404
  sdk_keys             GET        in     ok     ok        ok    ok    404      404
  sdk_keys_ios         GET        in     ok     ok        ok    ok    404      404
  sdk_keys_android     GET        in     ok     ok        ok    ok    404      404
  sdk_keys_web         GET        in     ok     ok        ok    ok    404      404
  sdk_key              GET        in     ok     ok        ok    ok    404      404
  sdk_key_create_ios   GET,POST   in     403    403       ok    ok    404      404
  sdk_key_create_android GET,POST   in     403    403       ok    ok    404      404
  sdk_key_create_web   GET,POST   in     403    403       ok    ok    404      404
  sdk_key_edit         GET,POST   in     403    403       ok    ok    404      404
  sdk_key_rotate       GET,POST   in     403    403       ok    ok    404      404
  sdk_key_disable      GET,POST   in     403    403       ok    ok    404      404
  sdk_key_enable       GET,POST   in     403    403       ok    ok    404      404
  sdk_key_release      GET,POST   in     403    403       ok    ok    404      404
  sdk_key_revoke       GET,POST   in     403    403       ok    ok    404      404
  sdk_key_free         POST       in     403    ok        ok    ok    404      404
  webhooks             GET        in     ok     ok        ok    ok    404      404
  webhook              GET        in     ok     ok        ok    ok    404      404
  webhook_inbox        GET        in     ok     ok        ok    ok    404      404
  webhook_inbox_open   POST       in     403    ok        ok    ok    404      404
  webhook_edit         GET,POST   in     403    ok        ok    ok    404      404
  webhook_create       GET,POST   in     403    ok        ok    ok    404      404
  webhook_test         POST       in     403    ok        ok    ok    404      404
  webhook_pause        POST       in     403    ok        ok    ok    404      404
  webhook_enable       POST       in     403    ok        ok    ok    404      404
  webhook_delete       GET,POST   in     403    ok        ok    ok    404      404
  webhook_rotate_secret GET,POST  in     403    ok        ok    ok    404      404
  webhook_end_secret   POST       in     403    ok        ok    ok    404      404
  webhook_subscribe    POST       in     403    ok        ok    ok    404      404
  webhook_send_again   POST       in     403    ok        ok    ok    404      404
  webhook_replay       GET,POST   in     403    ok        ok    ok    404      404
  replay               GET        in     ok     ok        ok    ok    404      404
  replay_cancel        POST       in     403    ok        ok    ok    404      404
  delivery             GET        in     ok     ok        ok    ok    404      404
  delivery_retry       POST       in     403    ok        ok    ok    404      404
  events               GET        in     ok     ok        ok    ok    404      404
  notices              GET        in     ok     ok        ok    ok    404      404
  notice_dismiss       POST       in     403    ok        ok    ok    404      404
  audit                GET        in     403    ok        ok    ok    404      404
  audit_export         POST       in     403    403       ok    ok    404      404
  audit_checkpoint     POST       in     403    403       ok    ok    404      404
  audit_export_job     GET        in     403    403       ok    ok    404      404
  audit_export_cancel  POST       in     403    403       ok    ok    404      404
  audit_export_file    POST       in     403    403       ok    ok    404      404
"""

# Sessions ask for text/html and act in Acme; keys send no Accept.
# An SDK key without the device's own token is refused at that device's place.
# To rotate, enable or release a key takes every scope that the key holds, which Acme's key has more of.
# route                          methods        scope            nobody viewer developer admin owner stranger removed | no_scope scope admin_key sdk_key
API = """
  api-me                             GET            -                401    403    403       403   403   404      404     | ok       ok    ok        403
  api-users                          GET            users:read       401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-users                          POST           users:write      401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-users-batch                    POST           users:write      401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-user                           GET            users:read       401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-user                           PUT,PATCH      users:write      401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-user                           DELETE         users:write      401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-api-keys                       GET            api_keys:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-api-keys                       POST           api_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-api-key                        GET            api_keys:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-api-key                        PATCH          api_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-api-key-rotate                 POST           api_keys:write   401    403    403       ok    ok    404      404     | 403      403   ok        403
  api-api-key-revoke                 POST           api_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-api-key-disable                POST           api_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-api-key-enable                 POST           api_keys:write   401    403    403       ok    ok    404      404     | 403      403   ok        403
  api-api-key-release                POST           api_keys:write   401    403    403       ok    ok    404      404     | 403      403   ok        403
  api-api-keys-verify                POST           api_keys:verify  401    403    403       403   403   404      404     | 403      ok    ok        403
  api-api-key-usage                  GET            api_keys:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-api-key-usage                  GET            usage:read       401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-usage                          GET            usage:read       401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-invitations                    GET            users:read       401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-invitations                    POST           users:write      401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-invitation                     DELETE         users:write      401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-descendants                    GET            api_keys:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-descendants                    GET            users:read       401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-descendants                    GET            sdk_keys:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-descendants                    GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-descendants-end                POST           api_keys:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-descendants-end                POST           users:write      401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-descendants-end                POST           sdk_keys:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-descendants-end                POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-leaked-keys                    POST           -                ok     ok     ok        ok    ok    ok       ok      | ok       ok    ok        ok
  api-webhook-endpoints              GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-webhook-endpoints              POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-webhook-endpoint               GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-webhook-endpoint               PATCH,DELETE   webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-webhook-endpoint-test          POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-webhook-endpoint-pause         POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-webhook-endpoint-enable        POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-webhook-endpoint-rotate-secret POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-webhook-endpoint-replay        POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-event-types                    GET            -                401    ok     ok        ok    ok    404      404     | ok       ok    ok        403
  api-event-type                     GET            -                401    ok     ok        ok    ok    404      404     | ok       ok    ok        403
  api-events                         GET            events:read      401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-events                         GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-events                         POST           events:write     401    403    403       403   403   404      404     | 403      ok    ok        403
  api-events-batch                   POST           events:write     401    403    403       403   403   404      404     | 403      ok    ok        403
  api-event                          GET            events:read      401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-event                          GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-deliveries                     GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-delivery                       GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-delivery-retry                 POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-replays                        GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-replay                         GET            webhooks:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-replay-cancel                  POST           webhooks:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-audit-log                      GET            audit:read       401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-sdk-keys                       GET            sdk_keys:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-sdk-keys                       POST           sdk_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key                        GET            sdk_keys:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key                        PATCH          sdk_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key-rotate                 POST           sdk_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key-revoke                 POST           sdk_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key-disable                POST           sdk_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key-enable                 POST           sdk_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key-release                POST           sdk_keys:write   401    403    403       ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key-activations            GET            sdk_keys:read    401    ok     ok        ok    ok    404      404     | 403      ok    ok        403
  api-sdk-key-activation             DELETE         sdk_keys:write   401    403    ok        ok    ok    404      404     | 403      ok    ok        403
  api-sdk-activations                POST           -                401    403    403       403   403   404      404     | 403      403   403       ok
  api-sdk-activation                 GET,DELETE     -                401    403    403       403   403   404      404     | 403      403   403       403
  api-sdk-heartbeat                  POST           -                401    403    403       403   403   404      404     | 403      403   403       403
  api-audit-log-export               GET            audit:read       401    403    403       ok    ok    404      404     | 403      ok    ok        403
"""


@dataclass(frozen=True)
class Row:
    """One line of a table, for one method."""

    name: str
    method: str
    scope: str
    expected: dict[str, str]

    @property
    def route(self) -> Route:
        """The route that the row is about."""
        return next(route for route in routes() if route.name == self.name)

    def __str__(self) -> str:
        return " ".join((self.name, self.method, *(self.scope,) * (self.scope != "")))


def rows(table: str, callers: tuple[str, ...], has_scope: bool) -> Iterator[Row]:
    for line in table.strip().splitlines():
        name, methods, *words = line.replace("|", "").split()
        scope = words.pop(0) if has_scope else ""
        for method in methods.split(","):
            yield Row(name, method, scope, dict(zip(callers, words, strict=True)))


PAGE_ROWS = list(rows(PAGES, PEOPLE, has_scope=False))
API_ROWS = list(rows(API, PEOPLE + KEYS, has_scope=True))


def outcome(answer: Any) -> str:
    """Put an answer into a word of the tables."""
    if answer.status_code == 302 and answer["Location"].startswith(reverse("account_login")):
        return "in"
    is_refusal = answer.status_code in (401, 403, 404, 405) or answer.status_code >= 500
    return str(answer.status_code) if is_refusal else "ok"


def call_and_undo(client: Client, method: str, path: str, **options: Any) -> str:
    """Make a call and take back what it did, so that the next caller finds everything as it was."""
    with transaction.atomic():
        answer = client.generic(method, path, b"{}", content_type="application/json", **options)
        transaction.set_rollback(True)
    return outcome(answer)


@pytest.fixture
def people(
    browser_of: Callable[[User], Client], vera: User, dev: User, ann: User, ada: User, zed: User, removed: User
) -> dict[str, Client]:
    everybody = dict(zip(PEOPLE[1:], (vera, dev, ann, ada, zed, removed), strict=True))
    return {"nobody": Client(), **{name: browser_of(user) for name, user in everybody.items()}}


@pytest.mark.parametrize("row", PAGE_ROWS, ids=str)
def test_pages(row: Row, people: dict[str, Client], samples: Samples):
    path = row.route.at(slug="acme", **samples.real(row.route))
    assert {name: call_and_undo(client, row.method, path) for name, client in people.items()} == row.expected


@pytest.mark.parametrize("row", API_ROWS, ids=str)
def test_the_api(row: Row, people: dict[str, Client], samples: Samples, make_key: Callable[..., Key], acme, admin_key):
    path = row.route.at(**samples.real(row.route))
    found = {
        name: call_and_undo(client, row.method, f"{path}?organization=acme", headers={"Accept": "text/html"})
        for name, client in people.items()
    }
    unrelated = make_key(acme, "licenses:read")
    texts = {
        "no_scope": unrelated.text,
        "scope": unrelated.text if row.scope == "-" else make_key(acme, row.scope).text,
        "admin_key": admin_key.text,
        "sdk_key": samples.app_key,
    }
    found |= {name: call_and_undo(Api(text).client, row.method, path) for name, text in texts.items()}
    assert found == row.expected


def test_a_lower_scope_of_the_same_resource_is_not_enough(samples, make_key, acme):
    for row in API_ROWS:
        if row.scope.endswith(":write"):
            key = make_key(acme, row.scope.replace(":write", ":read"))
            path = row.route.at(**samples.real(row.route))
            assert call_and_undo(Api(key).client, row.method, path) == "403", row


def test_every_page_has_a_row():
    declared = {(row.name, row.method) for row in PAGE_ROWS}
    assert declared == {(route.name, method) for route in routes_for("page") for method in route.methods}


def test_every_route_of_the_api_has_a_row():
    declared = {(row.name, row.method) for row in API_ROWS}
    existing = [route for route in routes_for("api", "sdk") if route.name not in NO_PATH]
    assert declared == {(route.name, method) for route in existing for method in route.methods}


@pytest.mark.parametrize("path", NO_PATH.values())
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_is_no_path_is_404_for_everybody(path, method, people, acme_key, admin_key):
    clients = [*people.values(), Api(acme_key).client, Api(admin_key).client, Api(new_key("ips_").plaintext).client]
    assert {call_and_undo(client, method, path) for client in clients} == {"404"}


# Sessions on the API


def test_a_session_counts_only_where_a_page_is_asked_for(people):
    for accept in ("*/*", "application/json", ""):
        assert people["owner"].get("/v1/users", headers={"Accept": accept}).json()["code"] == "missing_api_key"


@pytest.mark.parametrize("row", [row for row in API_ROWS if row.method != "GET" and row.name not in OPEN], ids=str)
def test_a_session_changes_nothing_without_the_token_of_its_form(row: Row, samples: Samples, ada: User):
    """The views of DRF are exempt from Django's check: the authentication of sessions has to make it."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    path = row.route.at(**samples.real(row.route)) + "?organization=acme"
    for content_type, body in (("application/json", b"{}"), ("application/x-www-form-urlencoded", b"")):
        answer = browser.generic(row.method, path, body, content_type=content_type, headers={"Accept": "text/html"})
        assert answer.status_code == 403, content_type


def test_a_key_needs_no_token(acme_key):
    client = Client(enforce_csrf_checks=True, headers=acme_key.headers)
    body = {"name": "Jo", "email": "jo@example.com", "password": "password1"}
    assert client.post("/v1/users", body, content_type="application/json").status_code == 201


# The admin


def test_no_customer_signs_in_to_the_admin(people, samples):
    values = {"object_id": samples.rows["key"].pk, "content_type_id": 1, "app_label": "orgs", "url": "nowhere"}
    for route in routes_for("admin"):
        if route.name in ("admin:login", "admin:logout"):
            continue
        for name, client in people.items():
            for method in ("GET", "POST"):
                answer = client.generic(method, route.at(**values))
                assert answer.status_code in (302, 403, 404, 405), (name, route.path, answer.status_code)
                if answer.status_code == 302:
                    assert "/login/" in answer["Location"], (name, route.path)
