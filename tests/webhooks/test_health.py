"""Failing, recovered, disabled: each once, and never against what the rules say."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.audit.models import AuditEntry
from apps.notices.models import Notice
from apps.orgs.models import Organization
from apps.webhooks import actions, health
from apps.webhooks.models import Delivery, Endpoint, Event
from apps.webhooks.network import NetworkWatch
from apps.webhooks.outcomes import Outcome
from tests.engines import add_deliveries, developer, in_threads, make_endpoint, statuses

pytestmark = pytest.mark.django_db


def judge(endpoint: Endpoint, *verdicts: str) -> Endpoint:
    """Judge attempts: ``+`` success, ``-`` failure, ``x`` exhausted, ``g`` gone."""
    for verdict in verdicts:
        health.judge(health.tallies_of((endpoint.pk, each == "+", each == "x", each == "g") for each in verdict))
    endpoint.refresh_from_db()
    return endpoint


def actions_recorded() -> list[str]:
    wanted = ("endpoint.failing", "endpoint.recovered", "endpoint.disabled")
    return list(AuditEntry.objects.filter(action__in=wanted).order_by("pk").values_list("action", flat=True))


def make_old(endpoint: Endpoint, days: float) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).update(failing_since=timezone.now() - timedelta(days=days))


def test_ten_failures_in_a_row_are_failing_and_nine_are_not(acme: Organization) -> None:
    endpoint = make_endpoint(acme, event := "https://hooks.example.com/in", "endpoint.*")
    assert judge(endpoint, "-" * 9).health == "healthy"
    assert judge(endpoint, "-").health == "failing"
    judge(endpoint, "-", "--")
    assert actions_recorded() == ["endpoint.failing"]
    assert Notice.objects.filter(kind="endpoint.failing").count() == 1
    assert Event.objects.filter(type="endpoint.failing").count() == 1
    assert endpoint.url == event and Delivery.objects.get().event_type == "endpoint.failing"


def test_three_exhausted_are_failing(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    assert judge(endpoint, "x", "x+", "x", "x").health == "healthy"
    assert judge(endpoint, "x").health == "failing"


def test_a_success_recovers_and_closes_the_story(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    judge(endpoint, "-" * 10)
    judge(endpoint, "+")
    assert (endpoint.health, endpoint.failures_in_a_row, endpoint.failing_since) == ("healthy", 0, None)
    assert actions_recorded() == ["endpoint.failing", "endpoint.recovered"]
    assert not Notice.objects.open().filter(kind="endpoint.failing").exists()
    judge(endpoint, "+", "-" * 10)
    assert actions_recorded() == ["endpoint.failing", "endpoint.recovered", "endpoint.failing"]


def test_five_days_of_failures_disable_and_hold(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    judge(endpoint, "-" * 12)
    add_deliveries(endpoint, 2, tries=3, age_seconds=-60)
    make_old(endpoint, 4.9)
    assert judge(endpoint, "-").status == "enabled"
    make_old(endpoint, 5.01)
    assert judge(endpoint, "-").status == "disabled"
    assert endpoint.disabled_reason == "failing" and statuses(acme) == ["held", "held"]
    judge(endpoint, "-")
    assert actions_recorded() == ["endpoint.failing", "endpoint.disabled"]


def test_an_old_but_short_run_does_not_disable(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    judge(endpoint, "-")
    make_old(endpoint, 30)
    assert judge(endpoint, "-" * 8).status == "enabled"
    assert judge(endpoint, "-").status == "disabled"


def test_a_success_inside_the_window_saves(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    judge(endpoint, "-" * 12)
    make_old(endpoint, 6)
    assert judge(endpoint, "+" + "-" * 12).status == "enabled"


def test_gone_disables_once(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    assert judge(endpoint, "g").status == "disabled"
    judge(endpoint, "g")
    assert endpoint.disabled_reason == "gone" and actions_recorded() == ["endpoint.disabled"]


def test_enabling_starts_anew(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    judge(endpoint, "-" * 12)
    make_old(endpoint, 6)
    judge(endpoint, "-")
    actions.enable_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id)
    assert judge(endpoint, "-").status == "enabled"
    assert (endpoint.health, endpoint.failures_in_a_row) == ("healthy", 1)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_the_limit_disable_once(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    judge(endpoint, "-" * 9)
    make_old(endpoint, 6)
    in_threads(8, lambda _number: health.judge(health.tallies_of([(endpoint.pk, False, False, False)])))
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.failures_in_a_row) == ("disabled", 17)
    assert sorted(actions_recorded()) == ["endpoint.disabled", "endpoint.failing"]
    assert Notice.objects.filter(kind="endpoint.disabled").count() == 1


def test_a_recent_success_of_a_healthy_endpoint_writes_nothing(acme: Organization, django_assert_num_queries) -> None:
    endpoint = make_endpoint(acme)
    judge(endpoint, "+")
    with django_assert_num_queries(1):
        health.judge(health.tallies_of([(endpoint.pk, True, False, False)]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.text("+-x", min_size=1, max_size=12), min_size=1, max_size=8))
def test_the_state_follows_the_rules_whatever_happens(acme: Organization, batches: list[str]) -> None:
    endpoint = make_endpoint(acme, f"https://{uuid.uuid4().hex}.example.com")
    failures, exhausted, is_failing = 0, 0, False
    for batch in batches:
        for each in batch:
            failures = 0 if each == "+" else failures + 1
            exhausted = 0 if each == "+" else exhausted + (each == "x")
        judge(endpoint, batch)
        is_failing = (is_failing and "+" not in batch) or failures >= 10 or exhausted >= 3
        assert (endpoint.failures_in_a_row, endpoint.exhausted_in_a_row) == (failures, exhausted)
        assert (endpoint.health == "failing") == is_failing
        assert endpoint.status == "enabled"


# Is it us?


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def unreached(error: str = "connection_failed") -> Outcome:
    return Outcome(None, error=error)


def watch_that_saw(hosts: int) -> tuple[NetworkWatch, Clock, list[tuple[str, uuid.UUID]]]:
    clock = Clock()
    watch = NetworkWatch(lambda _ids: set(), clock)
    known = [(f"https://h{number}.example.com/", uuid.uuid4()) for number in range(hosts)]
    for url, key in known:
        watch.see(url, key, Outcome(None, status_code=200))
    clock.now += 61
    return watch, clock, known


def test_no_network_needs_three_hosts_that_answered() -> None:
    watch, _clock, known = watch_that_saw(3)
    for url, key in known[:2]:
        watch.see(url, key, unreached())
    assert not watch.is_down()
    watch.see(*known[2], unreached("dns_failed"))
    assert watch.is_down()


def test_one_answer_within_the_minute_means_there_is_a_network() -> None:
    watch, clock, known = watch_that_saw(4)
    watch.see(*known[3], Outcome(None, error="http_error", status_code=500))
    for url, key in known[:3]:
        watch.see(url, key, unreached())
    assert not watch.is_down()
    clock.now += 61
    for url, key in known[:3]:
        watch.see(url, key, unreached())
    assert watch.is_down()


def test_hosts_that_never_answered_or_long_ago_prove_nothing() -> None:
    watch, clock, known = watch_that_saw(3)
    for number in range(5):
        watch.see(f"https://new{number}.example.com/", uuid.uuid4(), unreached())
    assert not watch.is_down()
    clock.now += 24 * 3600
    for url, key in known:
        watch.see(url, key, unreached())
    assert not watch.is_down()


def test_a_fresh_process_asks_the_rows(acme: Organization) -> None:
    endpoints = [make_endpoint(acme, f"https://h{number}.example.com") for number in range(3)]
    watch = NetworkWatch(health.answered_lately, Clock())
    for endpoint in endpoints:
        judge(endpoint, "+")
        watch.see(endpoint.url, endpoint.pk, unreached())
    assert watch.is_down()


def test_a_refused_address_is_not_our_network() -> None:
    watch, _clock, known = watch_that_saw(3)
    for url, key in known:
        watch.see(url, key, Outcome(None, error="connection_failed", refused=True))
    assert not watch.is_down()
