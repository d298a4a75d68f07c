"""Events about users and keys reach only callers with the scopes to read those: by endpoint, list and replay."""

from typing import Any

import pytest

from apps.api_keys.models import Package
from apps.orgs.models import Organization
from apps.webhooks.models import Delivery, Endpoint, ReplayJob
from apps.webhooks.types.builtin_types import PORTAL_EVENTS
from apps.webhooks.types.scopes import SCOPES
from tests.engines import DATA, make_endpoint, publish

ENDPOINTS = "/v1/webhook-endpoints"
ELSEWHERE = "https://elsewhere.example/in"
USER = {"id": "user_01KAN3Zx8Qw2Rt5Yu7Io9P", "name": "Ada Canary", "email": "ada@example.com"}


@pytest.fixture
def plain(api: Any, make_key: Any, acme: Organization) -> Any:
    """A key with scopes for webhooks and events, but not for users."""
    return api(make_key(acme, "webhooks:write", "events:write"))


@pytest.fixture
def knowing(api: Any, make_key: Any, acme: Organization) -> Any:
    return api(make_key(acme, "webhooks:write", "users:read", "api_keys:read", "sdk_keys:read"))


def at(endpoint: Endpoint, verb: str = "") -> str:
    return f"{ENDPOINTS}/{endpoint.public_id}{verb}"


def refused(answer: Any, scope: str = "users:read") -> bool:
    found = answer.json()
    return answer.status_code == 403 and found["code"] == "insufficient_scope" and scope in found["error"]


@pytest.mark.pure
def test_every_type_of_the_portal_has_a_scope() -> None:
    assert {name.partition(".")[0] for name in PORTAL_EVENTS} == set(SCOPES)


@pytest.mark.parametrize(
    ("pattern", "scope"),
    [
        ("user.created", "users:read"), ("user.*", "users:read"), ("api_key.leaked", "api_keys:read"),
        ("api_key.*", "api_keys:read"), ("sdk_key.activated", "sdk_keys:read"), ("*", "users:read"),
    ],
)  # fmt: skip
def test_subscribing_takes_the_scope(plain: Any, knowing: Any, acme: Organization, pattern: str, scope: str) -> None:
    body = {"url": "https://hooks.acme.example/in", "event_types": ["order.*", pattern]}
    assert refused(plain.post(ENDPOINTS, body), scope) and not Endpoint.objects.exists()
    assert plain.post(ENDPOINTS, {**body, "event_types": ["order.*", "endpoint.*"]}).status_code == 201
    endpoint = Endpoint.objects.get()
    assert refused(plain.patch(at(endpoint), {"event_types": ["order.*", pattern]}), scope)
    endpoint.refresh_from_db()
    assert endpoint.event_types == ["order.*", "endpoint.*"]
    assert knowing.patch(at(endpoint), {"event_types": [pattern]}).status_code == 200
    assert knowing.post(ENDPOINTS, body).status_code == 201


@pytest.mark.parametrize("scopes", [("users:write",), ("admin",)])
def test_write_and_admin_hold_it(api: Any, make_key: Any, acme: Organization, scopes: tuple[str, ...]) -> None:
    type_ = "internal" if scopes == ("admin",) else "partner"
    key = api(make_key(acme, *scopes, *(() if type_ == "internal" else ("webhooks:write",)), type=type_))
    assert key.post(ENDPOINTS, {"url": "https://hooks.acme.example/in", "event_types": ["user.*"]}).status_code == 201


def test_reading_takes_the_scope(plain: Any, knowing: Any, acme: Organization) -> None:
    make_endpoint(acme, "https://hooks.acme.example/in", "*")
    order, user = publish(acme), publish(acme, "user.created", data=USER)
    types = ("order.created", "user.created")
    order_path, user_path = (f"/v1/events/{knowing.get(f'/v1/events?type={each}').json()[0]['id']}" for each in types)
    assert plain.get(order_path).json()["data"] == DATA and knowing.get(user_path).json()["data"] == USER
    assert refused(plain.get(user_path)) and refused(plain.get("/v1/events?type=user.created"))
    assert [each["type"] for each in plain.get("/v1/events").json()] == ["order.created"]
    of_user, of_order = knowing.get("/v1/deliveries").json()
    assert [each["id"] for each in plain.get("/v1/deliveries").json()] == [of_order["id"]]
    assert refused(plain.get("/v1/deliveries?event_type=user.created"))
    assert plain.get(f"/v1/deliveries?event={of_user['event']['id']}").json() == []
    for verb in ("get", "post"):
        path = f"/v1/deliveries/{of_user['id']}" + ("/retry" if verb == "post" else "")
        assert refused(getattr(plain, verb)(path)), verb
    assert knowing.get(f"/v1/deliveries/{of_user['id']}").json()["payload"]["data"] == USER
    assert plain.post(f"/v1/deliveries/{of_order['id']}/retry").status_code == 202
    assert (order.deliveries, user.deliveries) == (1, 1)


def test_a_key_that_reads_events_alone_reads_none_about_endpoints(api: Any, make_key: Any, acme: Organization) -> None:
    publish(acme, "endpoint.recovered", data={})
    publish(acme)
    reader = api(make_key(acme, "events:read"))
    assert [each["type"] for each in reader.get("/v1/events").json()] == ["order.created"]
    assert refused(reader.get("/v1/events?type=endpoint.recovered"), "webhooks:read")


def test_a_key_with_fewer_scopes_cannot_change_the_url(plain: Any, knowing: Any, acme: Organization) -> None:
    endpoint = make_endpoint(acme, "https://hooks.acme.example/in", "order.*", "user.*")
    publish(acme, "user.created", data=USER)
    assert refused(plain.patch(at(endpoint), {"url": ELSEWHERE}))
    # Fewer event types first: pending deliveries would still go to the new URL.
    assert plain.patch(at(endpoint), {"event_types": ["order.*"], "description": "Orders"}).status_code == 200
    assert refused(plain.patch(at(endpoint), {"url": ELSEWHERE}))
    Delivery.objects.update(status="held", next_attempt_at=None)
    assert refused(plain.patch(at(endpoint), {"url": ELSEWHERE}))
    assert refused(plain.patch(at(endpoint), {"url": ELSEWHERE, "event_types": ["order.*"]}))
    Delivery.objects.update(status="exhausted", next_attempt_at=None)
    assert knowing.post(at(endpoint, "/replay"), {}).status_code == 202
    assert refused(plain.patch(at(endpoint), {"url": ELSEWHERE}))
    ReplayJob.objects.update(status="done")
    assert plain.patch(at(endpoint), {"url": ELSEWHERE}).status_code == 200
    assert refused(plain.post(f"/v1/deliveries/{Delivery.objects.get().public_id}/retry"))
    for body in ({}, {"event_types": ["user.*"]}, {"dry_run": True}, {"status": ["succeeded", "exhausted"]}):
        assert refused(plain.post(at(endpoint, "/replay"), body)), body
    assert plain.post(at(endpoint, "/replay"), {"event_types": ["order.*"], "dry_run": True}).json() == {"count": 0}
    assert knowing.post(at(endpoint, "/replay"), {"dry_run": True}).json() == {"count": 1}


def test_an_endpoint_that_is_there_keeps_its_events_and_its_other_settings(plain: Any, acme: Organization) -> None:
    endpoint = make_endpoint(acme, "https://hooks.acme.example/in", "*")
    for body in ({"max_in_flight": 2}, {"event_types": ["*", "order.*"]}, {"url": endpoint.url, "description": "x"}):
        assert plain.patch(at(endpoint), body).status_code == 200, body
    assert publish(acme, "user.created", data=USER).deliveries == 1
    assert plain.post(at(endpoint, "/test"), {"event_type": "user.created"}).status_code == 202
    test = Delivery.objects.get(test=True)
    assert plain.get(f"/v1/deliveries/{test.public_id}").status_code == 200
    assert [each["id"] for each in plain.get("/v1/deliveries").json()] == [test.public_id]


def test_a_scope_that_was_switched_off_does_not_count(api: Any, admin_key: Any, acme: Organization) -> None:
    publish(acme, "user.created", data=USER)
    Package.objects.create(organization=acme, scopes_off=["users:read"])
    assert refused(api(admin_key).get("/v1/events?type=user.created"))


@pytest.mark.parametrize("role", ["vera", "dev", "ann", "ada"])
def test_every_role_reads_people_and_keys_and_so_their_events(
    browser_of: Any, acme: Organization, request: Any, role: str
) -> None:
    make_endpoint(acme, "https://hooks.acme.example/in", "*")
    publish(acme, "user.created", data=USER)
    browser = browser_of(request.getfixturevalue(role))
    page = browser.get(f"/o/acme/settings/integration/deliveries/{Delivery.objects.get().public_id}/?tab=request")
    assert page.status_code == 200 and "Ada Canary" in page.content.decode()
