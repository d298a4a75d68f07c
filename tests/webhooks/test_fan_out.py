"""Events with very many endpoints: accepted at once, finished in batches, each delivery exactly once."""

from collections.abc import Iterable

import pytest
from django.utils import timezone

from apps.orgs.models import Organization
from apps.webhooks import publishing
from apps.webhooks.jobs import fan_out
from apps.webhooks.models import Delivery, Endpoint, EndpointSecret, FanOutBatch, Subscription
from tests.engines import HOOK, in_threads, publish, statuses

pytestmark = pytest.mark.django_db


def make_endpoints(organization: Organization, count: int, url: str = HOOK) -> list[Endpoint]:
    """Create endpoints in bulk."""
    made = Endpoint.objects.bulk_create(
        [Endpoint(organization=organization, url=url, event_types=["order.*"]) for _ in range(count)], batch_size=60
    )
    add_all(Subscription(organization=organization, endpoint=each, pattern="order.*") for each in made)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    for each in made:
        EndpointSecret.objects.create(organization=organization, endpoint=each, secret=secret)
    return made


def add_all(rows: Iterable[Subscription]) -> None:
    Subscription.objects.bulk_create(rows, batch_size=200)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MAX_DELIVERIES_PER_BATCH", 10)


def test_the_first_are_made_at_once_and_the_rest_in_batches(acme: Organization) -> None:
    made = make_endpoints(acme, 37)
    accepted = publish(acme, client_id="once")
    assert accepted.deliveries == 37 and Delivery.objects.count() == 10
    assert sorted(FanOutBatch.objects.values_list("size", flat=True)) == [7, 10, 10]
    again = publish(acme, client_id="once")
    assert (again.deliveries, again.repeated, FanOutBatch.objects.count()) == (37, True, 3)
    assert fan_out.finish_fan_outs() == 27 and fan_out.finish_fan_outs() == 0
    rows = Delivery.objects.all()
    assert {each.endpoint_id for each in rows} == {each.pk for each in made} and len(rows) == 37
    assert {(each.event_id, each.event_type, each.created_at) for each in rows} == {
        (accepted.event_id, "order.created", rows[0].created_at)
    }
    assert statuses(acme) == ["pending"] * 37
    assert [each for each in rows if each.next_attempt_at is None] == []
    assert not FanOutBatch.objects.exists()


def test_a_small_fan_out_leaves_nothing_for_later(acme: Organization) -> None:
    make_endpoints(acme, 10)
    assert publish(acme).deliveries == 10
    assert Delivery.objects.count() == 10 and not FanOutBatch.objects.exists()


def test_what_happened_to_an_endpoint_meanwhile_counts(acme: Organization) -> None:
    make_endpoints(acme, 20)
    publish(acme)
    late = list(Endpoint.objects.exclude(pk__in=Delivery.objects.values("endpoint")).order_by("pk"))
    Endpoint.objects.filter(pk=late[0].pk).update(status="paused")
    Endpoint.objects.filter(pk=late[1].pk).update(deleted_at=timezone.now())
    make_endpoints(acme, 1)
    assert fan_out.finish_fan_outs() == 10
    found = dict(Delivery.objects.values_list("endpoint_id", "status"))
    assert len(found) == 20
    assert (found.pop(late[0].pk), found.pop(late[1].pk)) == ("held", "dropped")
    assert set(found.values()) == {"pending"}
    assert Delivery.objects.get(status="dropped").finished_at is not None


@pytest.mark.django_db(transaction=True)
def test_several_workers_make_each_delivery_once(acme: Organization) -> None:
    make_endpoints(acme, 100)
    publish(acme)
    made = in_threads(4, lambda _number: fan_out.finish_fan_outs())
    assert sum(made) == 90 and Delivery.objects.count() == 100
    assert Delivery.objects.values("endpoint").distinct().count() == 100
