"""``/v1/webhook-endpoints``, ``/v1/event-types``, ``/v1/events`` and ``/v1/deliveries``."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.orgs.models import Organization
from apps.webhooks.models import Delivery, Endpoint, Event, EventType
from tests.engines import DATA, HOOK, LOOPBACK, add_deliveries, engine, make_endpoint, publish, statuses
from tests.receivers import status as status_of

pytestmark = pytest.mark.django_db
ENDPOINTS = "/v1/webhook-endpoints"
NEW = {"url": HOOK, "event_types": ["order.*"]}


def own_events() -> int:
    """Count the events published through the API; creating a key publishes one of the portal's own."""
    return Event.objects.filter(publisher="own", test=False).count()


@pytest.fixture
def ours(api: Callable[..., Any], acme_key: Any) -> Any:
    return api(acme_key)


def test_an_endpoint_is_made_and_its_secret_shown_once(ours: Any) -> None:
    answer = ours.post(ENDPOINTS, {**NEW, "headers": {"X-Team": "blue"}, "description": "Orders"})
    body = answer.json()
    assert answer.status_code == 201 and body["secret"].startswith("whsec_")
    assert body | {"id": "", "created_at": "", "secret": ""} == {
        "id": "", "url": HOOK, "description": "Orders", "event_types": ["order.*"], "headers": {"X-Team": "••••"},
        "status": "enabled", "health": "healthy", "disabled_reason": None, "rate_limit_per_second": None,
        "max_in_flight": 16, "created_at": "", "held_count": 0, "failing_since": None, "warnings": [],
        "secret": "",
    }  # fmt: skip
    again = ours.get(f"{ENDPOINTS}/{body['id']}").json()
    assert "secret" not in again and again == {name: value for name, value in body.items() if name != "secret"}
    assert AuditEntry.objects.filter(action="endpoint.created", target_id=body["id"]).count() == 1
    stored = Endpoint.objects.values_list("headers", flat=True).get()
    assert "blue" not in stored


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://hooks.example.com"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://0x7f.1/"}, "url"),
        ({"url": 5}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["no.such"]}, "event_types"),
        ({"event_types": ["nope.*"]}, "event_types"),
        ({"event_types": "order.*"}, "event_types"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"X-A": "b\r\nX-B: c"}}, "headers"),
        ({"headers": {f"X-{number}": "v" for number in range(21)}}, "headers"),
        ({"rate_limit_per_second": 0}, "rate_limit_per_second"),
        ({"rate_limit_per_second": 1001}, "rate_limit_per_second"),
        ({"max_in_flight": 65}, "max_in_flight"),
        ({"status": "paused"}, "status"),
        ({"organization_id": "x"}, "organization_id"),
    ],
)
def test_what_a_new_endpoint_may_not_be(ours: Any, change: dict[str, Any], field: str) -> None:
    answer = ours.post(ENDPOINTS, {**NEW, **change})
    assert answer.status_code == 400
    assert field in {name.split(".")[0] for name in answer.json()["fields"]}
    assert Endpoint.objects.count() == 0


def test_the_limit_of_endpoints(ours: Any, acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(endpoint_limit=1)
    first = ours.post(ENDPOINTS, NEW)
    refused = ours.post(ENDPOINTS, NEW)
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_limit_reached")
    assert ours.delete(f"{ENDPOINTS}/{first.json()['id']}").status_code == 204
    assert ours.post(ENDPOINTS, NEW).status_code == 201


def test_change_pause_enable_and_delete(ours: Any, acme: Organization) -> None:
    endpoint = make_endpoint(acme, headers={"X-A": "one", "X-B": "two"})
    path = f"{ENDPOINTS}/{endpoint.public_id}"
    changed = ours.patch(path, {"headers": {"X-A": "••••"}, "event_types": ["*"], "max_in_flight": 2}).json()
    assert (changed["headers"], changed["event_types"], changed["max_in_flight"]) == ({"X-A": "••••"}, ["*"], 2)
    assert Endpoint.objects.get().headers == '{"X-A":"one"}'
    assert publish(acme, "invoice.paid", data={}).deliveries == 1
    assert ours.post(f"{path}/pause", {}).json()["status"] == "paused"
    assert ours.get(path).json()["held_count"] == 1
    assert ours.post(f"{path}/enable", {"held": "nonsense"}).status_code == 400
    assert ours.post(f"{path}/enable", {"held": "keep"}).json()["held_count"] == 1
    assert ours.post(f"{path}/enable", {}).json()["held_count"] == 0
    assert ours.post(f"{path}/rotate-secret", {"overlap_seconds": 60}).json()["secret"].startswith("whsec_")
    assert ours.delete(path).status_code == 204
    assert ours.get(path).status_code == ours.delete(path).status_code == 404
    assert statuses(acme) == ["dropped"]
    entries = AuditEntry.objects.filter(target_id=endpoint.public_id).order_by("pk")
    actions = list(entries.values_list("action", flat=True))
    verbs = ["created", "updated", "paused", "enabled", "enabled", "secret_rotated", "deleted"]
    assert actions == [f"endpoint.{verb}" for verb in verbs]


def test_test_sends_are_limited_and_not_events(ours: Any, acme: Organization) -> None:
    path = f"{ENDPOINTS}/{make_endpoint(acme).public_id}/test"
    answer = ours.post(path, {})
    assert (answer.status_code, answer.json()["test"], answer.json()["status"]) == (202, True, "pending")
    assert answer.json()["event"]["type"].startswith("order.")
    assert ours.get("/v1/events?type=order.created").json() == []
    assert ours.post(path, {"event_type": "no.such"}).status_code == 400
    assert {ours.post(path, {"event_type": "user.created"}).status_code for _ in range(4)} == {202}
    refused = ours.post(path, {})
    assert refused.status_code == 429 and 1 <= int(refused["Retry-After"]) <= 60


def test_the_catalogue(ours: Any) -> None:
    answer = ours.get("/v1/event-types?limit=200")
    names = [row["name"] for row in answer.json()]
    assert names == sorted(names) and "order.created" in names and answer["X-Total-Count"] == str(len(names))
    one = ours.get("/v1/event-types/order.created").json()
    assert set(one) == {"name", "description", "schema", "sample", "origin", "deprecated", "replaced_by"}
    assert ours.get("/v1/event-types/no.such").status_code == 404


def test_an_event_is_accepted_and_read(ours: Any, acme: Organization) -> None:
    make_endpoint(acme)
    sample = EventType.objects.get(name="order.created").sample
    answer = ours.post("/v1/events", {"type": "order.created", "data": sample, "id": "a-1"})
    accepted = answer.json()
    assert answer.status_code == 202 and accepted["deliveries"] == 1 and accepted.pop("repeated") is False
    again = ours.post("/v1/events", {"type": "order.created", "data": sample, "id": "a-1"}).json()
    assert again == {**accepted, "repeated": True}
    assert ours.get("/v1/events?type=order.created").json() == [accepted]
    assert ours.get(f"/v1/events/{accepted['id']}").json() == {**accepted, "data": sample}
    assert ours.get("/v1/events?type=invoice.paid").json() == []


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"type": "no.such", "data": {}}, 400, "type"),
        ({"type": "user.created", "data": {}}, 400, "type"),
        ({"type": "order.created", "data": {"order_id": 5}}, 400, "data"),
        ({"type": "order.created", "data": []}, 400, "data"),
        ({"type": "order.created", "data": DATA, "id": "no spaces"}, 400, "id"),
        ({"type": "order.created", "data": DATA, "organization": "acme"}, 400, "organization"),
        ({"type": "order.created", "data": DATA, "extra": 1}, 400, "extra"),
        ({"type": "order.created", "data": {**DATA, "note": "x" * 262_144}}, 413, None),
    ],
)
def test_what_may_not_be_published(ours: Any, body: dict[str, Any], status: int, field: str | None) -> None:
    answer = ours.post("/v1/events", body)
    assert answer.status_code == status
    assert field is None or field in answer.json()["fields"]
    assert own_events() == 0


def test_a_batch_is_all_or_nothing(ours: Any, acme: Organization) -> None:
    good = {"type": "order.created", "data": DATA}
    refused = ours.post("/v1/events/batch", {"events": [good, {"type": "no.such", "data": {}}]})
    assert refused.status_code == 400 and "1" in refused.json()["error"] and own_events() == 0
    too_large = {"type": "order.created", "data": {**DATA, "note": "x" * 262_144}}
    assert ours.post("/v1/events/batch", {"events": [too_large]}).status_code == 400
    assert ours.post("/v1/events/batch", {"events": []}).status_code == 400
    accepted = ours.post("/v1/events/batch", {"events": [good, good]})
    assert accepted.status_code == 202 and len(accepted.json()["events"]) == own_events() == 2


def test_platform_keys_name_an_organization(api: Callable[..., Any], make_key: Any, acme: Organization) -> None:
    platform, _made = Organization.objects.get_or_create(slug="platform", defaults={"name": "Platform"})
    make_endpoint(acme)
    theirs = api(make_key(platform, "events:write", type="platform"))
    body = {"type": "order.created", "data": DATA}
    for name in (acme.public_id, "acme"):
        assert theirs.post("/v1/events", {**body, "organization": name}).json()["deliveries"] == 1
    assert theirs.post("/v1/events", body).status_code == 400
    assert theirs.post("/v1/events", {**body, "organization": "nobody"}).status_code == 400
    Organization.objects.filter(pk=acme.pk).update(status="suspended")
    assert theirs.post("/v1/events", {**body, "organization": "acme"}).status_code == 202
    assert statuses(acme) == ["held", "pending", "pending"]


def test_deliveries_are_listed_filtered_and_read(ours: Any, acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    accepted = publish(acme)
    publish(acme, "order.updated")
    rows = ours.get("/v1/deliveries?limit=1")
    assert 'rel="next"' in rows["Link"] and rows.json()[0]["event"]["type"] == "order.updated"
    assert set(rows.json()[0]) == {
        "id", "event", "endpoint", "status", "test", "replay_of", "created_at", "attempt_count", "next_attempt_at",
        "next_attempt_reason", "last_status_code",
    }  # fmt: skip
    event = Event.objects.get(pk=accepted.event_id).public_id
    for query, count in (
        (f"event={event}", 1), ("event_type=order.updated", 1), ("status=pending", 2), ("status=held", 0),
        (f"endpoint={endpoint.public_id}", 2), ("since=2020-01-01", 2), ("until=2020-01-01T00:00:00Z", 0),
    ):  # fmt: skip
        assert len(ours.get(f"/v1/deliveries?{query}").json()) == count, query
    for query in ("status=odd", "endpoint=x", "event=evt_1", "since=yesterday", "limit=0", "cursor=%20"):
        assert ours.get(f"/v1/deliveries?{query}").status_code == 400, query
    one = ours.get(f"/v1/deliveries/{rows.json()[0]['id']}").json()
    assert one["attempts"] == [] and one["payload"]["type"] == "order.updated"


@pytest.mark.django_db(transaction=True)
def test_a_delivery_shows_each_attempt_whole(ours: Any, acme: Organization, receiver: Any, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    receiver.behaviour = status_of(503, ("Retry-After", "120"), ("X-Trace", "a"), ("X-Trace", "b"), body=b"busy")
    make_endpoint(acme, receiver.url, headers={"X-Team": "blue secret"})
    publish(acme)
    engine().run_until_idle()
    (row,) = ours.get("/v1/deliveries").json()
    assert (row["status"], row["attempt_count"], row["last_status_code"]) == ("pending", 1, 503)
    assert row["next_attempt_reason"] == "retry_after" and row["next_attempt_at"].endswith("Z")
    whole = ours.get(f"/v1/deliveries/{row['id']}").json()
    (attempt,) = whole.pop("attempts")
    assert whole == {**row, "payload": whole["payload"]} and whole["payload"]["data"] == DATA
    assert set(attempt) == {
        "id", "number", "url", "started_at", "duration_ms", "status_code", "error", "hint", "address", "timings_ms",
        "request", "response",
    }  # fmt: skip
    assert (attempt["number"], attempt["status_code"], attempt["error"]) == (1, 503, "http_error")
    assert attempt["hint"].startswith("The receiver failed by itself.") and attempt["address"] == "127.0.0.1"
    assert set(attempt["timings_ms"]) == {"dns", "connect", "tls", "first_byte", "total"}
    assert attempt["duration_ms"] >= 0 and attempt["timings_ms"]["tls"] is None
    sent = attempt["request"]["headers"]
    assert sent["X-Team"] == "••••" and sent["webhook-id"] == row["event"]["id"]
    assert {"content-type", "user-agent", "webhook-timestamp", "webhook-signature"} <= set(sent)
    assert attempt["response"] == {"headers": attempt["response"]["headers"], "body": "busy", "truncated": False}
    assert attempt["response"]["headers"]["x-trace"] == "a, b"
    assert "blue secret" not in str(whole) + str(attempt)
    receiver.behaviour = status_of(204)
    ours.post(f"/v1/deliveries/{row['id']}/retry")
    engine().run_until_idle()
    done = ours.get(f"/v1/deliveries/{row['id']}").json()
    assert (done["status"], done["next_attempt_at"], done["next_attempt_reason"]) == ("succeeded", None, None)
    assert [(each["number"], each["error"], each["hint"]) for each in done["attempts"]][1] == (2, None, None)


def test_retrying(ours: Any, acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    add_deliveries(endpoint, 1, tries=2, age_seconds=-600)
    delivery = Delivery.objects.get()
    path = f"/v1/deliveries/{delivery.public_id}/retry"
    assert ours.post(path, {}).json()["id"] == delivery.public_id
    for status in ("succeeded", "exhausted", "dropped"):
        Delivery.objects.filter(pk=delivery.pk).update(status=status)
        again = ours.post(path, {})
        assert again.status_code == 202 and again.json()["replay_of"] == delivery.public_id
        assert again.json()["event"] == ours.get(f"/v1/deliveries/{delivery.public_id}").json()["event"]
    for status in ("sending", "held"):
        Delivery.objects.filter(pk=delivery.pk).update(status=status)
        assert ours.post(path, {}).status_code == 409
    Delivery.objects.filter(pk=delivery.pk).update(status="exhausted")
    Endpoint.objects.update(status="paused")
    assert ours.post(path, {}).status_code == 409


def test_objects_of_another_organization_do_not_exist(
    api: Callable[..., Any], rival_key: Any, acme: Organization
) -> None:
    endpoint = make_endpoint(acme)
    accepted = publish(acme, client_id="one")
    theirs = api(rival_key)
    delivery, event = Delivery.objects.get(), Event.objects.get(pk=accepted.event_id)
    path = f"{ENDPOINTS}/{endpoint.public_id}"
    events = "/v1/events?type=order.created"
    assert theirs.get(ENDPOINTS).json() == theirs.get(events).json() == theirs.get("/v1/deliveries").json() == []
    assert theirs.get(f"/v1/deliveries?endpoint={endpoint.public_id}").json() == []
    for method, target in (
        ("get", path), ("patch", path), ("delete", path), ("post", f"{path}/test"), ("post", f"{path}/pause"),
        ("post", f"{path}/enable"), ("post", f"{path}/rotate-secret"), ("get", f"/v1/events/{event.public_id}"),
        ("get", f"/v1/deliveries/{delivery.public_id}"), ("post", f"/v1/deliveries/{delivery.public_id}/retry"),
    ):  # fmt: skip
        assert getattr(theirs, method)(target, None if method == "get" else {}).status_code == 404, target
    assert Endpoint.objects.get().status == "enabled" and statuses(acme) == ["pending"]


def test_scopes_are_needed(api: Callable[..., Any], make_key: Any, acme: Organization) -> None:
    reader = api(make_key(acme, "webhooks:read"))
    endpoint = make_endpoint(acme)
    assert reader.get(ENDPOINTS).status_code == reader.get("/v1/events").status_code == 200
    assert reader.post(ENDPOINTS, NEW).status_code == reader.post("/v1/events", {}).status_code == 403
    assert reader.delete(f"{ENDPOINTS}/{endpoint.public_id}").status_code == 403
    stranger = api(make_key(acme, "users:read"))
    assert stranger.get(ENDPOINTS).status_code == stranger.get("/v1/deliveries").status_code == 403
    assert stranger.get("/v1/event-types").status_code == 200
