"""``GET /v1/audit-log``: shape, permission, parameters, pages."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.audit.api import AuditLog
from apps.audit.calls.recording import record_call
from apps.audit.models import ApiCall, RefusedCalls
from apps.base.actor import Actor
from apps.base.rest.request_identity import AuthResult
from tests.audit import request_identity
from tests.audit.conftest import call_arguments, change, key_actor, make_request, person

pytestmark = pytest.mark.django_db
view = AuditLog.as_view(route="/v1/audit-log")


def get(actor: Actor, query: str = "") -> tuple[int, Any, str]:
    request_identity.callers.append(AuthResult(actor=actor))
    with override_settings(PORTAL_KEY_AUTHENTICATION="tests.audit.request_identity.authenticate"):
        response = view(make_request(f"/v1/audit-log?{query}"))
    request_identity.callers.clear()
    response.render()
    return response.status_code, json.loads(response.content), response.headers.get("Link", "")


def test_a_change_in_full(organization):
    ada = person(organization)
    entry = change(ada, "api_key.updated", "key_x", target_label="Sync", changes={"name": ["Old", "Sync"]})
    status, body, link = get(key_actor(organization))
    assert status == 200 and link == ""
    at = entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert body == [
        {
            "id": entry.public_id,
            "seq": None,
            "hash": None,
            "category": "change",
            "at": at,
            "actor": {"kind": "user", "id": ada.id, "label": "Ada"},
            "action": "api_key.updated",
            "sentence": "Ada changed the API key Sync",
            "target": {"kind": "api_key", "id": "key_x", "label": "Sync"},
            "changes": {"name": ["Old", "Sync"]},
            "outcome": "success",
            "source": {"address": "203.0.113.24", "user_agent": "Browser/1"},
            "request_id": "request-12345678",
            "http": None,
        }
    ]


def test_a_call_shows_its_request(organization):
    key = key_actor(organization)
    record_call(**call_arguments(AuthResult(actor=key), status=403, duration_ms=1.23456))
    _status, (row,), _link = get(key)
    assert row["http"] == {"method": "GET", "route": "/v1/users", "status": 403, "duration_ms": 1.235}
    assert (row["category"], row["outcome"], row["changes"]) == ("api_call", "denied", {})


def test_the_call_of_the_log_is_logged_itself(organization):
    key = key_actor(organization)
    get(key, "category=change")
    call = ApiCall.objects.get()
    assert (call.route, call.status, call.credential_id) == ("/v1/audit-log", 200, key.pk)


def test_pages_by_cursor_keep_the_filters(organization):
    ada = person(organization)
    for number in range(5):
        change(ada, target_label=str(number))
    _status, first, link = get(ada, "category=change&limit=2")
    assert link.endswith('rel="next"') and link.startswith(
        "<http://127.0.0.1:8000/v1/audit-log?category=change&limit=2&"
    )
    _status, second, link = get(ada, link.partition("?")[2].partition(">")[0])
    _status, third, link = get(ada, link.partition("?")[2].partition(">")[0])
    assert [row["target"]["label"] for row in (*first, *second, *third)] == ["4", "3", "2", "1", "0"]
    assert link == ""


def test_another_organization_sees_nothing(organization, other):
    entry = change(person(organization), target_id="key_" + "0" * 22)
    assert get(key_actor(other), "category=change")[1] == []
    assert get(key_actor(other), f"category=change&target={entry.target_id}")[1] == []


def test_a_key_needs_the_scope(organization):
    status, body, _link = get(replace(key_actor(organization), permissions=frozenset({"users:read"})))
    assert (status, body["code"]) == (403, "insufficient_scope") and "audit:read" in body["error"]


@pytest.mark.parametrize(
    "query",
    ["category=x", "category=", "actor=a%00b", "actor=Ada+B", "action=key.made", "action=api_key.*", "target=",
     "target=a%00", "target=x", "target=2026-11-24", "target=12345678901234567890", "target=/v1/" + "x" * 121,
     "target=/v2/users", "actor=key", "actor=", "actor=key_00000000000000000000", "actor=ep_0000000000000000000000",
     "key=sdk_", "key=user_0000000000000000000000", "key=x", "request_id=short",
     "request_id=a%20b%20c%20d%20e", "since=yesterday", "until=2026-13-01", "limit=0", "limit=201", "limit=x",
     "cursor=x", "cursor=%00", "cursor=" + "A" * 300],
)  # fmt: skip
def test_a_bad_parameter_is_named(organization, query: str):
    status, body, _link = get(key_actor(organization), query)
    assert (status, body["code"]) == (400, "invalid_request")
    assert list(body["fields"]) == [query.partition("=")[0]]


def test_an_unknown_parameter_is_refused(organization):
    status, body, _link = get(person(organization), "category=change&from=2030-01-01")
    assert (status, list(body["fields"])) == (400, ["from"])


def test_kinds_and_actions_are_lists_by_commas_or_by_repeats(organization):
    ada = person(organization)
    for action in ("api_key.created", "api_key.updated", "api_key.revoked"):
        change(ada, action)
    for query in (
        "category=change,api_call&action=api_key.created,api_key.revoked",
        "category=api_call&category=change&action=api_key.revoked&action=api_key.created",
        "category=change&category=change,api_call&action=api_key.revoked,api_key.created&action=api_key.created",
    ):
        status, body, _link = get(ada, query)
        assert status == 200 and [row["action"] for row in body] == ["api_key.revoked", "api_key.created"], query
    for query in ("category=change,", "category=change,x", "action=api_key.created,x.y", "category=change,+api_call"):
        assert get(ada, query)[0] == 400, query


@pytest.mark.parametrize(
    ("query", "found"),
    [("action=api_key.revoked", 1), ("target=key_1111111111111111111111", 1),
     ("target=key_3333333333333333333333", 0), ("since=2020-01-01T00:00:00Z", 2),
     ("until=2020-01-01T00:00:00Z", 0), ("since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z", 2),
     ("request_id=request-12345678", 2), ("request_id=request-00000000", 0), ("actor=system", 0)],
)  # fmt: skip
def test_filters(organization, query: str, found: int):
    change(person(organization), target_id="key_" + "0" * 22)
    change(person(organization), "api_key.revoked", target_id="key_" + "1" * 22)
    status, body, _link = get(person(organization), f"category=change&{query}")
    assert status == 200 and len(body) == found


def test_a_request_over_http_is_logged_without_its_key(api, acme_key, rival_key):
    mine = api(acme_key).get("/v1/audit-log")
    changes = [row for row in mine.json() if row["category"] == "change"]
    assert mine.status_code == 200
    assert [(row["action"], row["target"]["id"]) for row in changes] == [("api_key.created", acme_key.row.public_id)]
    (call,) = api(acme_key).get("/v1/audit-log?category=api_call").json()
    assert (call["actor"]["id"], call["target"]["id"]) == (acme_key.row.public_id, "/v1/audit-log")
    assert call["request_id"] == mine["X-Request-ID"]
    assert acme_key.text not in mine.content.decode()


def test_a_revoked_key_leaves_its_rows_and_a_stranger_only_counts(api, acme_key):
    ApiKey.objects.filter(pk=acme_key.row.pk).update(revoked_at=timezone.now())
    assert api(acme_key).get("/v1/me").status_code == 401
    assert api().get("/v1/me").status_code == 401
    call = ApiCall.objects.get()
    assert (call.status, call.code, call.credential_id) == (401, "revoked_api_key", acme_key.row.pk)
    assert RefusedCalls.objects.get().code == "missing_api_key"
