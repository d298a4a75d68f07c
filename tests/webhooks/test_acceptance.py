"""Validation of event data by schemas and formats, deprecated types, signing secrets, and the endpoint limit."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.base.errors import Conflict, Invalid
from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.models import Delivery, Endpoint, EndpointSecret, Event, EventType
from apps.webhooks.types import schemas
from tests.engines import HOOK, developer, in_threads, make_endpoint

pytestmark = pytest.mark.django_db
FORMATS = {
    "email": ("ada@acme.example", "nobody"),
    "date-time": ("2026-11-22T10:00:00Z", "yesterday"),
    "date": ("2026-11-22", "2026-13-01"),
    "uri": ("https://acme.example/", "::"),
    "ipv4": ("192.0.2.1", "999.1.1.1"),
    "uuid": ("01890a5d-ac96-774b-bcce-b302099a8057", "1"),
}


@pytest.fixture
def ours(api: Callable[..., Any], acme_key: Any) -> Any:
    return api(acme_key)


def make_type(**values: Any) -> EventType:
    return EventType.objects.create(name="parcel.sent", description="A parcel left", **values)


# Data and schemas


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_checked_on_acceptance(ours: Any, name: str) -> None:
    make_type(schema={"type": "object", "properties": {"value": {"type": "string", "format": name}}})
    right, wrong = FORMATS[name]
    assert ours.post("/v1/events", {"type": "parcel.sent", "data": {"value": right}}).status_code == 202
    refused = ours.post("/v1/events", {"type": "parcel.sent", "data": {"value": wrong}})
    assert refused.status_code == 400 and "value" in refused.json()["fields"]["data"][0]
    batch = ours.post("/v1/events/batch", {"events": [{"type": "parcel.sent", "data": {"value": wrong}}]})
    assert batch.status_code == 400 and list(batch.json()["fields"]) == ["events.0.data"]
    assert Event.objects.filter(type="parcel.sent").count() == 1


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:9/x.json", "https://example.com/x", "file:///etc/passwd", "other.json", "//host/x"]
)
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_references_lead_nowhere(ours: Any, keyword: str, target: str) -> None:
    schema = {"type": "object", "properties": {"value": {keyword: target}}}
    with pytest.raises(Invalid):
        schemas.check_schema(schema)
    make_type(schema=schema)
    refused = ours.post("/v1/events", {"type": "parcel.sent", "data": {"value": 1}})
    assert refused.status_code == 400 and list(refused.json()["fields"]) == ["type"]
    assert not Event.objects.filter(type="parcel.sent").exists()


def test_references_into_the_schema_itself_hold(ours: Any) -> None:
    schema = {"$defs": {"weight": {"type": "number", "minimum": 0}}, "properties": {"kg": {"$ref": "#/$defs/weight"}}}
    schemas.check_schema(schema)
    make_type(schema=schema)
    assert ours.post("/v1/events", {"type": "parcel.sent", "data": {"kg": 1}}).status_code == 202
    assert ours.post("/v1/events", {"type": "parcel.sent", "data": {"kg": -1}}).status_code == 400


def test_a_deprecated_type_is_accepted_and_names_its_successor(ours: Any, acme: Organization) -> None:
    make_endpoint(acme)
    make_type(is_deprecated=True, deprecated_at=timezone.localdate(), replaced_by="order.created")
    found = ours.get("/v1/event-types/parcel.sent").json()
    assert (found["deprecated"], found["replaced_by"]) == (True, "order.created")
    endpoint = {"url": "https://parcels.example.com/", "event_types": ["parcel.sent"]}
    assert ours.post("/v1/webhook-endpoints", endpoint).status_code == 201
    assert ours.post("/v1/events", {"type": "parcel.sent", "data": {}}).json()["deliveries"] == 1


# Endpoints


def valid_until(endpoint: Endpoint) -> list[float | None]:
    """Return how many hours each secret is still valid, newest first."""
    ends = endpoint.secrets.order_by("-created_at", "-pk").values_list("expires_at", flat=True)
    return [end and round((end - timezone.now()).total_seconds() / 3600) for end in ends]


def test_several_secrets_during_rotations_each_with_its_own_end(acme: Organization) -> None:
    endpoint, actor = make_endpoint(acme), developer(acme)

    def rotate(hours: int) -> list[float | None]:
        actions.rotate_secret(actor=actor, endpoint_id=endpoint.public_id, overlap_seconds=hours * 3600)
        return valid_until(endpoint)

    assert rotate(24) == [None, 24]
    assert rotate(48) == [None, 48, 24]
    assert rotate(12) == [None, 12, 12, 12]
    assert rotate(0)[0] is None and endpoint.secrets.filter(expires_at__gt=timezone.now()).count() == 0
    assert len(rotate(720)) == 2
    for _ in range(8):
        rotate(1)
    assert endpoint.secrets.count() == 5 and EndpointSecret.objects.filter(expires_at=None).count() == 1


def test_what_is_held_is_sent_kept_or_dropped_also_afterwards(acme: Organization, ours: Any) -> None:
    path = f"/v1/webhook-endpoints/{make_endpoint(acme).public_id}"
    event = {"type": "order.created", "data": EventType.objects.get(name="order.created").sample}
    ours.post(f"{path}/pause")
    assert [ours.post("/v1/events", event).json()["deliveries"] for _ in range(2)] == [1, 1]
    kept = ours.post(f"{path}/enable", {"held": "keep"}).json()
    assert (kept["status"], kept["held_count"]) == ("enabled", 2)
    ours.post("/v1/events", event)
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["held", "held", "pending"]
    assert ours.post(f"{path}/enable", {"held": "drop"}).json()["held_count"] == 0
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["dropped", "dropped", "pending"]


@pytest.mark.django_db(transaction=True)
def test_the_limit_of_endpoints_is_exact_for_many_at_once(acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(endpoint_limit=3)
    make_endpoint(acme)
    make_endpoint(acme)

    def create(_number: int) -> str:
        try:
            return make_endpoint(acme, HOOK).public_id
        except Conflict as refused:
            return refused.code

    answers = in_threads(12, create)
    assert answers.count("endpoint_limit_reached") == 11 and Endpoint.objects.count() == 3


def test_an_overlap_of_more_than_thirty_days_is_refused(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    longest = int(timedelta(days=30).total_seconds())
    for seconds in (-1, longest + 1):
        with pytest.raises(Invalid):
            actions.rotate_secret(actor=developer(acme), endpoint_id=endpoint.public_id, overlap_seconds=seconds)
    assert endpoint.secrets.count() == 1
