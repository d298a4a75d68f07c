"""Publishing events: matching endpoints, held deliveries, and repeated ids."""

import json

import pytest
from django.db import connection, transaction

from apps.orgs.models import Organization, OrganizationStatus
from apps.webhooks import actions, publishing
from apps.webhooks.models import Delivery, Endpoint, EndpointStatus, Event, EventType
from apps.webhooks.types import catalogue, schemas
from apps.webhooks.types.builtin_types import PORTAL_EVENTS
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS
from tests.engines import DATA, developer, in_threads, make_endpoint, publish, statuses

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("pattern", ["order.created", "order.*", "*"])
def test_a_pattern_matches(acme: Organization, pattern: str) -> None:
    make_endpoint(acme, "https://a.example.com", pattern)
    assert publish(acme).deliveries == 1
    assert statuses(acme) == ["pending"]


def test_other_types_and_other_organizations_are_not_matched(acme: Organization, rival: Organization) -> None:
    make_endpoint(acme, "https://a.example.com", "invoice.*", "order.updated")
    make_endpoint(rival, "https://b.example.com", "*")
    assert publish(acme).deliveries == 0
    assert Delivery.objects.count() == 0


def test_an_endpoint_that_matches_twice_gets_one_delivery(acme: Organization) -> None:
    make_endpoint(acme, "https://a.example.com", "order.created", "order.*", "*")
    assert publish(acme).deliveries == 1


@pytest.mark.parametrize("status", [EndpointStatus.PAUSED, EndpointStatus.DISABLED])
def test_a_closed_endpoint_holds(acme: Organization, status: str) -> None:
    endpoint = make_endpoint(acme)
    Endpoint.objects.filter(pk=endpoint.pk).update(status=status)
    assert publish(acme).deliveries == 1
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.next_attempt_at) == ("held", None)


def test_a_suspended_organization_holds_everything(acme: Organization) -> None:
    make_endpoint(acme)
    Organization.objects.filter(pk=acme.pk).update(status=OrganizationStatus.SUSPENDED)
    assert publish(acme).deliveries == 1
    assert statuses(acme) == ["held"]


def test_ids_are_version_7_and_follow_time(acme: Organization) -> None:
    for number in range(3):
        make_endpoint(acme, f"https://a{number}.example.com")
    first, second = publish(acme), publish(acme)
    keys = list(Delivery.objects.values_list("pk", flat=True))
    assert {key.version for key in keys} == {7} and len(set(keys)) == 6
    assert {key.variant for key in keys} == {"specified in RFC 4122"}
    assert abs((keys[0].int >> 80) - (first.event_id.int >> 80)) < 5000
    assert first.event_id < second.event_id


def test_the_body_is_exact(acme: Organization) -> None:
    data = {"z": 1, "a": "é€😀", "n": 1.1, "list": [None, True]}
    accepted = publish(acme, data=data)
    event = Event.objects.get()
    expected = '{"type":"order.created","timestamp":"%s","data":{"z":1,"a":"é€😀","n":1.1,"list":[null,true]}}'
    moment = accepted.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert event.body == expected % moment
    assert list(json.loads(event.body)["data"]) == ["z", "a", "n", "list"]


def test_a_repeated_id_returns_the_first_event(acme: Organization, rival: Organization) -> None:
    make_endpoint(acme)
    first = publish(acme, client_id="one")
    again = publish(acme, client_id="one")
    assert (again.event_id, again.deliveries, again.repeated) == (first.event_id, 1, True)
    other = publishing.publish(
        organization_id=acme.pk, event_type="order.created", data=DATA, publisher="platform", client_id="one"
    )
    assert not other.repeated and not publish(rival, client_id="one").repeated
    assert Event.objects.filter(organization=acme).count() == 2


@pytest.mark.django_db(transaction=True)
def test_one_id_from_twenty_threads_is_one_event(acme: Organization) -> None:
    make_endpoint(acme)
    accepted = in_threads(20, lambda _number: publish(acme, client_id="same"))
    assert len({each.event_id for each in accepted}) == 1
    assert sum(not each.repeated for each in accepted) == 1
    assert Event.objects.count() == Delivery.objects.count() == 1


def test_a_batch_is_all_or_nothing(acme: Organization) -> None:
    event = {"organization_id": acme.pk, "event_type": "order.created", "data": DATA}
    with pytest.raises(ValueError, match="JSON"):
        publishing.publish_batch([event, {**event, "data": float("nan")}])
    assert Event.objects.count() == 0
    assert len(publishing.publish_batch([event, event])) == 2


def test_workers_hear_of_it_after_the_commit(acme: Organization, django_capture_on_commit_callbacks) -> None:
    make_endpoint(acme)
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        publish(acme)
        publish(acme, "invoice.paid", data={})
    assert len(callbacks) == 1


@pytest.mark.django_db(transaction=True)
def test_deliveries_held_during_enabling_are_released(acme: Organization) -> None:
    """When publishers saw the endpoint paused while it was being enabled, no delivery stays held."""
    if connection.vendor == "sqlite":
        pytest.skip("one writer at a time")
    endpoint = make_endpoint(acme)
    for _round in range(10):
        actions.pause_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id)

        def work(number: int) -> None:
            if number == 4:
                actions.enable_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id)
            else:
                publish(acme)

        in_threads(8, work)
        assert "held" not in statuses(acme)


def test_the_catalogue_is_complete_and_repeatable() -> None:
    catalogue.ensure_catalogue()
    assert set(EventType.objects.values_list("name", flat=True)) == {*PORTAL_EVENTS, *HOST_PRODUCT_EVENTS}
    EventType.objects.filter(name="order.created").update(description="Mine")
    EventType.objects.filter(name="user.created").update(description="Changed")
    catalogue.ensure_catalogue()
    assert EventType.objects.get(name="order.created").description == "Mine"
    assert EventType.objects.get(name="user.created").description != "Changed"


def test_every_sample_keeps_its_schema() -> None:
    for row in EventType.objects.all():
        schemas.check_schema(row.schema)
        schemas.check_data(row, row.sample)


def test_the_statement_is_planned_once_for_a_connection_unless_that_is_switched_off(acme: Organization) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL")
    make_endpoint(acme)
    raw = connection.connection
    before = raw.prepare_threshold
    assert before is not None

    def planned() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%matched%'")
            return cursor.fetchone()[0]

    for threshold in (None, before):
        raw.prepare_threshold, count = threshold, planned()
        for client_id in (None, f"id-{threshold}", None):
            assert publish(acme, client_id=client_id).deliveries == 1
        assert planned() - count == 0 if threshold is None else planned() >= 1
