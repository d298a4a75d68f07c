"""Finishing: only with a valid lease, and what each result leads to."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.engine import claims
from apps.webhooks.models import Attempt, Delivery, Endpoint
from tests.engines import add_deliveries, developer, make_endpoint, publish, result_of, statuses

pytestmark = pytest.mark.django_db


def _expire() -> None:
    Delivery.objects.filter(status="sending").update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_success_is_recorded_with_its_attempt(acme: Organization) -> None:
    make_endpoint(acme)
    publish(acme)
    (claimed,) = claims.claim(10)
    result = result_of(
        claimed, status_code=204, address="127.0.0.1", duration_ms=12.5, timings_ms={"total": 12},
        request_headers={"webhook-id": "x"}, response_headers=[["a", "ü"]], response_body="ok 😀 \\u0000",
        truncated=True,
    )  # fmt: skip
    assert claims.finish([result]) == {claimed.id}
    delivery, attempt = Delivery.objects.get(), Attempt.objects.get()
    assert (delivery.status, delivery.last_status_code, delivery.lease_token) == ("succeeded", 204, None)
    assert delivery.finished_at is not None and delivery.next_attempt_at is None
    assert (attempt.status_code, attempt.duration_ms, attempt.timings_ms) == (204, 12.5, {"total": 12})
    assert attempt.request_headers == {"webhook-id": "x"} and attempt.response_headers == [["a", "ü"]]
    assert (attempt.response_body, attempt.truncated, attempt.error) == ("ok 😀 \\u0000", True, "")
    assert attempt.finished_at is not None


def test_a_retry_waits_as_long_as_it_was_told(acme: Organization) -> None:
    make_endpoint(acme)
    publish(acme)
    (claimed,) = claims.claim(10)
    failure = {"reason": "retry", "error": "http_error", "status_code": 503}
    claims.finish([result_of(claimed, "pending", wait_seconds=42.5, **failure)])
    delivery = Delivery.objects.get()
    wait = (delivery.next_attempt_at - timezone.now()).total_seconds()
    assert 40 < wait <= 42.6
    assert (delivery.status, delivery.next_attempt_reason, delivery.last_error) == ("pending", "retry", "http_error")
    assert (delivery.attempt_count, delivery.finished_at) == (1, None)


def test_a_lost_lease_touches_nothing(acme: Organization) -> None:
    make_endpoint(acme)
    publish(acme)
    (first,) = claims.claim(10)
    _expire()
    assert claims.release_expired() == 1
    (second,) = claims.claim(10)
    before = (list(Delivery.objects.values()), list(Attempt.objects.order_by("number").values()))
    assert claims.finish([result_of(first, status_code=200)]) == set()
    assert before == (list(Delivery.objects.values()), list(Attempt.objects.order_by("number").values()))
    assert claims.finish([result_of(second, status_code=200)]) == {second.id}


def test_an_ended_lease_makes_the_delivery_due_and_does_not_count(acme: Organization) -> None:
    make_endpoint(acme)
    publish(acme)
    (claimed,) = claims.claim(10)
    assert claims.release_expired() == 0
    _expire()
    assert claims.release_expired() == 1
    delivery, attempt = Delivery.objects.get(), Attempt.objects.get()
    assert (delivery.status, delivery.uncounted_attempts, delivery.lease_token) == ("pending", 1, None)
    assert (attempt.error, attempt.hint) == ("shutdown", "lost")
    (again,) = claims.claim(10)
    assert (again.id, again.number, again.counted_attempts) == (claimed.id, 2, 1)


def test_a_finisher_after_its_lease_but_before_anybody_else_still_counts(acme: Organization) -> None:
    make_endpoint(acme)
    publish(acme)
    (claimed,) = claims.claim(10)
    _expire()
    assert claims.finish([result_of(claimed)]) == {claimed.id}


@pytest.mark.parametrize(("verb", "expected"), [("pause_endpoint", "held"), ("delete_endpoint", "dropped")])
def test_a_retry_of_an_endpoint_that_closed_meanwhile(acme: Organization, verb: str, expected: str) -> None:
    endpoint = make_endpoint(acme)
    publish(acme)
    (claimed,) = claims.claim(10)
    getattr(actions, verb)(actor=developer(acme), endpoint_id=endpoint.public_id)
    assert statuses(acme) == ["sending"]
    claims.finish([result_of(claimed, "pending", wait_seconds=5.0, error="timed_out")])
    assert statuses(acme) == [expected]


def test_pausing_holds_and_enabling_releases_keeps_or_drops(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    actor, key = developer(acme), endpoint.public_id
    add_deliveries(endpoint, 1)
    add_deliveries(endpoint, 1, tries=3, age_seconds=-600)
    actions.pause_endpoint(actor=actor, endpoint_id=key)
    assert statuses(acme) == ["held", "held"]
    actions.enable_endpoint(actor=actor, endpoint_id=key, held="keep")
    assert statuses(acme) == ["held", "held"]
    actions.enable_endpoint(actor=actor, endpoint_id=key, held="send")
    assert statuses(acme) == ["pending", "pending"] and len(claims.claim(10)) == 2
    Delivery.objects.update(status="held")
    actions.enable_endpoint(actor=actor, endpoint_id=key, held="drop")
    assert statuses(acme) == ["dropped", "dropped"]


def test_holding_and_releasing_an_organization(acme: Organization, rival: Organization) -> None:
    paused = make_endpoint(acme, "https://paused.example.com")
    Endpoint.objects.filter(pk=paused.pk).update(status="paused")
    add_deliveries(make_endpoint(acme), 1)
    add_deliveries(paused, 1, status="held", next_attempt_at=None)
    add_deliveries(make_endpoint(rival), 1)
    assert claims.hold_organization(acme.pk) == 1
    assert (statuses(acme), statuses(rival)) == (["held", "held"], ["pending"])
    assert claims.release_organization(acme.pk) == 1
    assert statuses(acme) == ["held", "pending"]
