"""Claims: each delivery once, fair shares for all endpoints."""

import time
import uuid
from collections import Counter

import pytest
from django.utils import timezone

from apps.orgs.models import Organization, OrganizationStatus
from apps.webhooks.engine import claims
from apps.webhooks.models import Attempt, Delivery, Endpoint, EndpointStatus
from tests.engines import add_deliveries, flat, in_threads, make_endpoint, publish, result_of, statuses

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_sixteen_threads_never_claim_one_row_twice(acme: Organization, rival: Organization) -> None:
    for number in range(20):
        endpoint = make_endpoint((acme, rival)[number % 2], f"https://a{number}.example.com", max_in_flight=64)
        add_deliveries(endpoint, 100)

    def work(_number: int) -> list[uuid.UUID]:
        mine, empty = [], 0
        while empty < 5:
            claimed = claims.claim(40)
            empty = 0 if claimed else empty + 1
            mine += [each.id for each in claimed]
            assert claims.finish([result_of(each) for each in claimed]) == {each.id for each in claimed}
            time.sleep(0 if claimed else 0.05)
        return mine

    taken = flat(in_threads(16, work))
    assert len(taken) == len(set(taken)) == 2000
    assert Attempt.objects.count() == 2000
    assert set(statuses(acme)) == {"succeeded"}


@pytest.mark.django_db(transaction=True)
def test_the_cap_of_an_endpoint_is_exact_over_threads(acme: Organization) -> None:
    add_deliveries(make_endpoint(acme, max_in_flight=7), 100)
    assert len(flat(in_threads(8, lambda _number: claims.claim(50)))) <= 7
    claims.claim(50)
    assert Delivery.objects.filter(status="sending").count() == 7


def test_what_is_claimed_carries_all_that_sending_needs(acme: Organization) -> None:
    endpoint = make_endpoint(acme, headers={"X-Team": "blue"})
    accepted = publish(acme)
    (claimed,) = claims.claim(10)
    delivery = Delivery.objects.get()
    assert (claimed.id, claimed.event_id, claimed.number, claimed.counted_attempts) == (
        delivery.pk,
        accepted.event_id,
        1,
        1,
    )
    assert claimed.body == delivery.event.body and claimed.endpoint.url == endpoint.url
    assert [secret_id for secret_id, _sealed in claimed.endpoint.secrets] == [endpoint.secrets.get().pk]
    assert (delivery.status, delivery.lease_token, delivery.attempt_count) == ("sending", claimed.lease_token, 1)
    lease = (delivery.lease_until - timezone.now()).total_seconds()
    assert claims.lease_seconds() - 5 < lease <= claims.lease_seconds()
    assert abs(claimed.started_at - time.time()) < 5 and not Attempt.objects.exists()


def test_one_backlog_does_not_hide_the_others(acme: Organization) -> None:
    busy = make_endpoint(acme, "https://busy.example.com")
    add_deliveries(busy, 200, age_seconds=3600)
    quiet = [make_endpoint(acme, f"https://quiet{number}.example.com") for number in range(5)]
    for endpoint in quiet:
        add_deliveries(endpoint, 1, age_seconds=0)
    counts = Counter(each.endpoint.id for each in claims.claim(30))
    assert counts[busy.pk] <= 16
    assert [counts[endpoint.pk] for endpoint in quiet] == [1] * len(quiet)


def test_first_tries_go_before_retries_and_the_oldest_first(acme: Organization) -> None:
    endpoint = make_endpoint(acme, max_in_flight=4)
    add_deliveries(endpoint, 3, tries=2, age_seconds=100)
    add_deliveries(endpoint, 1, age_seconds=5)
    add_deliveries(endpoint, 1, age_seconds=50)
    oldest, newer = Delivery.objects.filter(attempt_count=0).order_by("next_attempt_at")
    claimed = claims.claim(10)
    assert sorted(each.number for each in claimed) == [1, 1, 3, 3]
    claims.finish([result_of(each) for each in claimed])
    assert {oldest.pk, newer.pk} <= {each.id for each in claimed}


def test_an_organization_has_at_most_two_hundred_in_flight(acme: Organization, rival: Organization) -> None:
    for number in range(8):
        add_deliveries(make_endpoint(acme, f"https://a{number}.example.com", max_in_flight=64), 64)
    add_deliveries(make_endpoint(rival), 3)
    taken = flat(claims.claim(400) for _ in range(3))
    counts = Counter(each.endpoint.organization_id for each in taken)
    assert counts == {acme.pk: 200, rival.pk: 3}


def test_the_rate_of_an_endpoint_is_kept(acme: Organization) -> None:
    add_deliveries(make_endpoint(acme, rate_limit_per_second=20, max_in_flight=64), 60)
    started, taken = time.monotonic(), 0
    while time.monotonic() - started < 1.0:
        claimed = claims.claim(50)
        taken += len(claimed)
        claims.finish([result_of(each) for each in claimed])
        time.sleep(0.01)
    assert 17 <= taken <= 24


def test_what_is_not_due_waits(acme: Organization) -> None:
    add_deliveries(make_endpoint(acme), 1, age_seconds=-30, tries=1)
    assert claims.claim(10) == []
    assert 25 < (claims.next_due_in() or 0) < 31
    Delivery.objects.all().delete()
    assert claims.next_due_in() is None


@pytest.mark.parametrize("status", [EndpointStatus.PAUSED, EndpointStatus.DISABLED])
def test_only_tests_go_to_a_closed_endpoint_and_the_rest_is_settled(acme: Organization, status: str) -> None:
    endpoint = make_endpoint(acme)
    add_deliveries(endpoint, 2)
    add_deliveries(endpoint, 1, test=True)
    Endpoint.objects.filter(pk=endpoint.pk).update(status=status)
    (claimed,) = claims.claim(10)
    assert claimed.test
    assert statuses(acme) == ["held", "held", "sending"]


def test_a_suspended_organization_and_a_deleted_endpoint_get_nothing(acme: Organization, rival: Organization) -> None:
    add_deliveries(make_endpoint(acme), 1)
    deleted = make_endpoint(rival)
    add_deliveries(deleted, 1)
    Organization.objects.filter(pk=acme.pk).update(status=OrganizationStatus.SUSPENDED)
    Endpoint.objects.filter(pk=deleted.pk).update(deleted_at=timezone.now())
    assert claims.claim(10) == []
    assert (statuses(acme), statuses(rival)) == (["held"], ["dropped"])
