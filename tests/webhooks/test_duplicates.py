"""Duplicates: events that repeat an id, and endpoints that repeat a URL."""

from typing import Any

import pytest

from apps.orgs.models import Organization
from apps.webhooks.models import Delivery, Endpoint, Event
from apps.webhooks.publishing import content_digest
from tests.engines import in_threads, make_endpoint

EVENTS, BATCH, ENDPOINTS = "/v1/events", "/v1/events/batch", "/v1/webhook-endpoints"
DATA = {
    "order_id": "ORD-1",
    "status": "placed",
    "total": {"amount": "1.50", "currency": "EUR"},
    "extra": [1, 2.5, None],
}
ONE = {"type": "order.created", "data": DATA, "id": "order-1"}


@pytest.fixture
def ours(api: Any, acme_key: Any) -> Any:
    return api(acme_key)


def own() -> Any:
    """The events that the organization published, without the portal's own."""
    return Event.objects.filter(publisher="own")


@pytest.mark.parametrize(
    "other",
    [
        {"type": "order.updated"}, {"data": {**DATA, "status": "shipped"}}, {"data": {**DATA, "extra": [2.5, 1, None]}},
        {"data": {**DATA, "extra": [True, 2.5, None]}}, {"data": {**DATA, "extra": ["1", 2.5, None]}},
        {"data": {**DATA, "note": None}}, {"data": {name: DATA[name] for name in ("order_id", "status", "total")}},
        {"data": {**DATA, "extra": [1, 2.5]}}, {"data": {**DATA, "status": "placed "}},
    ],
)  # fmt: skip
def test_the_same_id_for_something_else_is_a_conflict(ours: Any, acme: Organization, other: dict[str, Any]) -> None:
    make_endpoint(acme)
    first = ours.post(EVENTS, ONE)
    assert first.status_code == 202 and first.json()["repeated"] is False
    refused = ours.post(EVENTS, {**ONE, **other})
    assert (refused.status_code, refused.json()["code"], list(refused.json()["fields"])) == (409, "conflict", ["id"])
    assert own().count() == Delivery.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"id":"order-1","data":{"extra":[1,2.5,null],"total":{"currency":"EUR","amount":"1.50"},"status":"placed",'
        '"order_id":"ORD-1"},"type":"order.created"}',
        '{"type": "order.created", "id": "order-1", "data": {"order_id": "ORD\\u002d1", "status": "placed",'
        ' "total": {"amount": "1.50", "currency": "EUR"}, "extra": [1.0, 25e-1, null]}}',
        '{"type": "order.created", "id": "order-1", "data": {"order_id": "ORD-1", "status": "placed",'
        ' "total": {"amount": "1.50", "currency": "EUR"}, "extra": [1e0, 2.50, null]}}',
    ],
)
def test_another_spelling_of_the_same_json_is_the_same_event(ours: Any, acme: Organization, text: str) -> None:
    make_endpoint(acme)
    first = ours.post(EVENTS, ONE).json()
    again = ours.client.post(EVENTS, text, content_type="application/json")
    assert again.status_code == 202 and again.json() == {**first, "repeated": True}
    assert own().count() == Delivery.objects.count() == 1


def test_a_batch_with_a_conflict_is_refused_whole(ours: Any, acme: Organization) -> None:
    make_endpoint(acme)
    ours.post(EVENTS, ONE)
    new = {**ONE, "id": "order-2"}
    for batch, index in (
        ([new, {**ONE, "type": "order.updated"}], 1),
        ([new, {"type": "order.created", "data": DATA}, {**new, "data": {**DATA, "status": "x"}}], 2),
    ):
        refused = ours.post(BATCH, {"events": batch})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert list(refused.json()["fields"]) == [f"events.{index}.id"]
        assert own().count() == Delivery.objects.count() == 1
    taken = ours.post(BATCH, {"events": [ONE, new, {"type": "order.created", "data": DATA}, new]})
    assert taken.status_code == 202 and taken.json()["deliveries"] == 2
    assert [each["repeated"] for each in taken.json()["events"]] == [True, False, False, True]
    assert own().count() == Delivery.objects.count() == 3


def test_an_id_is_kept_apart_from_its_payload_and_free_once_its_event_is_gone(ours: Any, acme: Organization) -> None:
    ours.post(EVENTS, ONE)
    own().update(body=None)
    assert ours.post(EVENTS, ONE).json()["repeated"] is True
    assert ours.post(EVENTS, {**ONE, "data": {**DATA, "status": "shipped"}}).status_code == 409
    own().delete()
    again = ours.post(EVENTS, {**ONE, "data": {**DATA, "status": "shipped"}})
    assert again.status_code == 202 and again.json()["repeated"] is False


def test_events_from_before_digests_are_compared_by_their_bodies(ours: Any, acme: Organization) -> None:
    ours.post(EVENTS, ONE)
    own().update(content_digest=None)
    assert ours.post(EVENTS, ONE).json()["repeated"] is True
    assert ours.post(EVENTS, {**ONE, "data": {**DATA, "status": "shipped"}}).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_under_one_id_all_agree_on_one_event(api: Any, acme_key: Any, acme: Organization) -> None:
    make_endpoint(acme)
    bodies = [ONE, {**ONE, "data": {**DATA, "status": "shipped"}}]
    found = in_threads(10, lambda number: api(acme_key).post(EVENTS, bodies[number % 2]))
    assert sorted(each.status_code for each in found) == [202] * 5 + [409] * 5
    assert sum(not each.json()["repeated"] for each in found if each.status_code == 202) == 1
    assert own().count() == Delivery.objects.count() == 1


@pytest.mark.pure
def test_the_digest_of_numbers_is_that_of_their_values() -> None:
    same = [1, 1.0], [0, -0.0], [10**22, 1e22], [10**23, 1e23], [100, 1e2]
    for one, other in same:
        assert content_digest("a.b", {"n": [one]}) == content_digest("a.b", {"n": [other]})
    apart = [1, True], [0, False], [0, None], ["1", 1], [1.5, 1.25], [{}, []], ["é", "e\u0301"], [10**22, 10**22 + 1]
    for one, other in apart:
        assert content_digest("a.b", {"n": one}) != content_digest("a.b", {"n": other})


def test_a_url_that_is_there_is_taken_and_named(ours: Any, acme: Organization, rival: Organization) -> None:
    body = {"url": "https://hooks.acme.example/in", "event_types": ["order.*"]}
    make_endpoint(rival, body["url"])
    first = ours.post(ENDPOINTS, body).json()
    assert first["warnings"] == []
    second = ours.post(ENDPOINTS, {**body, "url": "https://HOOKS.acme.example:443/in"}).json()
    warning = {"code": "duplicate_url", "endpoint": first["id"]}
    assert second["warnings"] == [warning] == ours.get(f"{ENDPOINTS}/{second['id']}").json()["warnings"]
    other = {"code": "duplicate_url", "endpoint": second["id"]}
    assert [each["warnings"] for each in ours.get(ENDPOINTS).json()] == [[other], [warning]]
    moved = ours.patch(f"{ENDPOINTS}/{second['id']}", {"url": body["url"] + "?x=1"})
    assert moved.json()["warnings"] == []
    third = ours.patch(f"{ENDPOINTS}/{second['id']}", {"url": body["url"]})
    assert third.json()["warnings"] == [warning]
    assert third["ETag"] == ours.get(f"{ENDPOINTS}/{second['id']}")["ETag"]
    ours.delete(f"{ENDPOINTS}/{first['id']}")
    assert ours.get(f"{ENDPOINTS}/{second['id']}").json()["warnings"] == []


def test_the_page_of_an_endpoint_names_the_other_one(browser_of: Any, acme: Organization, dev: Any) -> None:
    first, second = make_endpoint(acme), make_endpoint(acme, description="The copy")
    here = "/o/acme/settings/integration/webhooks/"
    page = browser_of(dev).get(f"{here}{first.public_id}/?tab=settings").content.decode()
    assert f'href="{here}{second.public_id}/">The copy</a>' in page
    Endpoint.objects.filter(pk=second.pk).update(url="https://other.example/")
    assert "The copy" not in browser_of(dev).get(f"{here}{first.public_id}/?tab=settings").content.decode()


def test_a_replay_of_no_type_is_refused(ours: Any, acme: Organization) -> None:
    path = f"{ENDPOINTS}/{make_endpoint(acme).public_id}/replay"
    for body in ({"event_types": []}, {"event_types": None}, {"event_types": [], "dry_run": True}):
        refused = ours.post(path, body)
        assert refused.status_code == 400 and list(refused.json()["fields"]) == ["event_types"], body
    assert ours.post(path, {"dry_run": True}).json() == {"count": 0}
