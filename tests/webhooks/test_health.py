"""Failing, recovered, disabled: each once, and never against what the rules say."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.audit.models import AuditEntry
from apps.notices.models import Notice
from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.engine import endpoint_health
from apps.webhooks.engine.network_watch import NetworkWatch
from apps.webhooks.engine.outcomes import Outcome
from apps.webhooks.models import Delivery, Endpoint, Event
from tests.engines import add_deliveries, developer, in_threads, make_endpoint, statuses

pytestmark = pytest.mark.django_db


def sent_to(endpoint: Endpoint) -> endpoint_health.AttemptTarget:
    return endpoint_health.AttemptTarget(endpoint.pk, endpoint.url)


def record(endpoint: Endpoint, *batches: str) -> Endpoint:
    """Record attempts: ``+`` success, ``-`` failure, ``x`` exhausted, ``g`` gone."""
    for batch in batches:
        endpoint_health.update_health(
            endpoint_health.tally_attempts((sent_to(endpoint), each == "+", each == "x", each == "g") for each in batch)
        )
    endpoint.refresh_from_db()
    return endpoint


def actions_recorded() -> list[str]:
    wanted = ("endpoint.failing", "endpoint.recovered", "endpoint.disabled")
    return list(AuditEntry.objects.filter(action__in=wanted).order_by("pk").values_list("action", flat=True))


def make_old(endpoint: Endpoint, days: float) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).update(failing_since=timezone.now() - timedelta(days=days))


def test_ten_failures_in_a_row_are_failing_and_nine_are_not(acme: Organization) -> None:
    endpoint = make_endpoint(acme, event := "https://hooks.example.com/in", "endpoint.*")
    assert record(endpoint, "-" * 9).health == "healthy"
    assert record(endpoint, "-").health == "failing"
    record(endpoint, "-", "--")
    assert actions_recorded() == ["endpoint.failing"]
    assert Notice.objects.filter(kind="endpoint.failing").count() == 1
    assert Event.objects.filter(type="endpoint.failing").count() == 1
    assert endpoint.url == event and Delivery.objects.get().event_type == "endpoint.failing"


def test_three_exhausted_are_failing(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    assert record(endpoint, "x", "x+", "x", "x").health == "healthy"
    assert record(endpoint, "x").health == "failing"


def test_a_success_recovers_and_closes_the_story(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "-" * 10)
    record(endpoint, "+")
    assert (endpoint.health, endpoint.failures_in_a_row, endpoint.failing_since) == ("healthy", 0, None)
    assert actions_recorded() == ["endpoint.failing", "endpoint.recovered"]
    assert not Notice.objects.open().filter(kind="endpoint.failing").exists()
    record(endpoint, "+", "-" * 10)
    assert actions_recorded() == ["endpoint.failing", "endpoint.recovered", "endpoint.failing"]


def test_five_days_of_failures_disable_and_hold(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "-" * 12)
    add_deliveries(endpoint, 2, tries=3, age_seconds=-60)
    make_old(endpoint, 4.9)
    assert record(endpoint, "-").status == "enabled"
    make_old(endpoint, 5.01)
    assert record(endpoint, "-").status == "disabled"
    assert endpoint.disabled_reason == "failing" and statuses(acme) == ["held", "held"]
    record(endpoint, "-")
    assert actions_recorded() == ["endpoint.failing", "endpoint.disabled"]


def test_an_old_but_short_run_does_not_disable(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "-")
    make_old(endpoint, 30)
    assert record(endpoint, "-" * 8).status == "enabled"
    assert record(endpoint, "-").status == "disabled"


def test_a_success_within_the_window_keeps_the_endpoint_enabled(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "-" * 12)
    make_old(endpoint, 6)
    assert record(endpoint, "+" + "-" * 12).status == "enabled"


def test_a_410_disables_the_endpoint_once(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    assert record(endpoint, "g").status == "disabled"
    record(endpoint, "g")
    assert endpoint.disabled_reason == "gone" and actions_recorded() == ["endpoint.disabled"]


def test_enabling_resets_the_failures(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "-" * 12)
    make_old(endpoint, 6)
    record(endpoint, "-")
    actions.enable_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id)
    assert record(endpoint, "-").status == "enabled"
    assert (endpoint.health, endpoint.failures_in_a_row) == ("healthy", 1)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_the_limit_disable_once(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "-" * 9)
    make_old(endpoint, 6)
    in_threads(
        8,
        lambda _number: endpoint_health.update_health(
            endpoint_health.tally_attempts([(sent_to(endpoint), False, False, False)])
        ),
    )
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.failures_in_a_row) == ("disabled", 17)
    assert sorted(actions_recorded()) == ["endpoint.disabled", "endpoint.failing"]
    assert Notice.objects.filter(kind="endpoint.disabled").count() == 1
    assert Event.objects.filter(type="endpoint.disabled").count() == 1


def test_a_recent_success_of_a_healthy_endpoint_writes_nothing(acme: Organization, django_assert_num_queries) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "+")
    with django_assert_num_queries(1):
        endpoint_health.update_health(endpoint_health.tally_attempts([(sent_to(endpoint), True, False, False)]))


# Announcements, with successes mixed in


@pytest.mark.parametrize("reason", ["failing", "gone"])
def test_after_enabling_the_next_success_ends_the_story_once(acme: Organization, reason: str) -> None:
    endpoint, actor = make_endpoint(acme, "https://hooks.example.com/in"), developer(acme)
    if reason == "failing":
        record(endpoint, "-" * 12)
        make_old(endpoint, 6)
    assert record(endpoint, "-" if reason == "failing" else "g").status == "disabled"
    assert Notice.objects.open().filter(kind="endpoint.disabled").count() == 1
    assert record(endpoint, "+").status == "disabled" and "endpoint.recovered" not in actions_recorded()
    actions.enable_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    assert not Notice.objects.open().exists()
    record(endpoint, "-", "+", "+")
    announced = [each for each in actions_recorded() if each == "endpoint.recovered"]
    assert (announced, endpoint.health, endpoint.is_trouble_told) == (["endpoint.recovered"], "healthy", False)
    assert Event.objects.filter(type="endpoint.recovered").count() == 1


def test_a_paused_and_enabled_failing_endpoint_recovers_too(acme: Organization) -> None:
    endpoint, actor = make_endpoint(acme), developer(acme)
    record(endpoint, "-" * 10)
    actions.pause_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    actions.enable_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    record(endpoint, "+")
    assert actions_recorded() == ["endpoint.failing", "endpoint.recovered"]


def test_a_healthy_endpoint_that_was_paused_recovers_from_nothing(acme: Organization) -> None:
    endpoint, actor = make_endpoint(acme), developer(acme)
    actions.pause_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    actions.enable_endpoint(actor=actor, endpoint_id=endpoint.public_id)
    record(endpoint, "+")
    assert actions_recorded() == []


def test_a_success_whose_worker_died_before_it_counted_saves(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "-" * 12)
    make_old(endpoint, 6)
    add_deliveries(
        endpoint, 1, status="succeeded", finished_at=timezone.now() - timedelta(days=1), next_attempt_at=None
    )
    assert record(endpoint, "-").status == "enabled"
    assert (endpoint.failures_in_a_row, endpoint.health) == (0, "healthy")
    Delivery.objects.update(finished_at=timezone.now() - timedelta(days=30))
    record(endpoint, "-" * 12)
    make_old(endpoint, 6)
    assert record(endpoint, "-").status == "disabled"


def test_a_deleted_endpoint_is_told_of_no_more(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    actions.delete_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id)
    record(endpoint, "-" * 12, "g", "+")
    assert actions_recorded() == []


class Stories(RuleBasedStateMachine):
    """An endpoint's life against the rules written a second time; ``acme`` is set by the test."""

    acme: Organization

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = make_endpoint(self.acme, f"https://{uuid.uuid4().hex}.example.com")
        self.status, self.health, self.is_told = "enabled", "healthy", False
        self.failures, self.exhausted, self.days = 0, 0, None
        self.announced: list[str] = []

    @rule(batch=st.text("+-x", min_size=1, max_size=12))
    def attempts_end(self, batch: str) -> None:
        record(self.endpoint, batch)
        if "+" in batch and self.status != "disabled":
            self._succeed()
        self._fail(batch.rpartition("+")[2])

    @rule()
    def ten_attempts_fail(self) -> None:
        self.attempts_end("-" * 10)

    @rule(days=st.sampled_from([0.5, 2.0, 6.0]))
    def time_passes(self, days: float) -> None:
        if self.days is not None:
            self.days += days
            make_old(self.endpoint, self.days)

    @rule()
    def receiver_is_gone(self) -> None:
        record(self.endpoint, "g")
        self._fail("-")
        self._disable()

    @rule(action=st.sampled_from([actions.pause_endpoint, actions.enable_endpoint]))
    def somebody_acts(self, action: Any) -> None:
        action(actor=developer(self.acme), endpoint_id=self.endpoint.public_id)
        if action is actions.pause_endpoint:
            self.status = "paused" if self.status == "enabled" else self.status
        elif self.status != "enabled":
            self.status, self.health, self.failures, self.exhausted, self.days = "enabled", "healthy", 0, 0, None

    def _succeed(self) -> None:
        self.failures, self.exhausted, self.days, self.health = 0, 0, None, "healthy"
        if self.is_told:
            self.announced.append("endpoint.recovered")
            self.is_told = False

    def _fail(self, batch: str) -> None:
        if not batch:
            return
        self.failures, self.exhausted = self.failures + len(batch), self.exhausted + batch.count("x")
        self.days = self.days or 0.0
        in_trouble = self.failures >= 10 or self.exhausted >= 3
        if in_trouble and self.health == "healthy" and self.status != "disabled":
            self.health, self.is_told = "failing", True
            self.announced.append("endpoint.failing")
        if self.days >= 5 and self.failures >= 10:
            self._disable()

    def _disable(self) -> None:
        if self.status != "disabled":
            self.status, self.is_told = "disabled", True
            self.announced.append("endpoint.disabled")

    @invariant()
    def the_row_is_as_the_rules_say(self) -> None:
        self.endpoint.refresh_from_db()
        found = self.endpoint
        assert (found.status, found.health, found.is_trouble_told) == (self.status, self.health, self.is_told)
        assert (found.failures_in_a_row, found.exhausted_in_a_row) == (self.failures, self.exhausted)

    @invariant()
    def each_story_was_told_once_everywhere(self) -> None:
        about = AuditEntry.objects.filter(target_id=self.endpoint.public_id, actor_kind="system")
        announced = about.filter(action__in=["endpoint.failing", "endpoint.recovered", "endpoint.disabled"])
        assert list(announced.order_by("pk").values_list("action", flat=True)) == self.announced
        assert Notice.objects.filter(dedupe_key__contains=self.endpoint.public_id).count() == len(self.announced)
        assert Event.objects.filter(body__contains=self.endpoint.public_id).count() == len(self.announced)


def test_the_stories_follow_the_rules_whatever_happens(acme: Organization) -> None:
    Stories.acme = acme
    steps = settings(max_examples=25, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(Stories, settings=steps)


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
        watch.add(url, key, Outcome(None, status_code=200))
    clock.now += 61
    return watch, clock, known


def test_no_network_needs_three_hosts_that_answered() -> None:
    watch, _clock, known = watch_that_saw(3)
    for url, key in known[:2]:
        watch.add(url, key, unreached())
    assert not watch.is_down()
    watch.add(*known[2], unreached("dns_failed"))
    assert watch.is_down()


def test_one_answer_within_the_minute_means_there_is_a_network() -> None:
    watch, clock, known = watch_that_saw(4)
    watch.add(*known[3], Outcome(None, error="http_error", status_code=500))
    for url, key in known[:3]:
        watch.add(url, key, unreached())
    assert not watch.is_down()
    clock.now += 61
    for url, key in known[:3]:
        watch.add(url, key, unreached())
    assert watch.is_down()


def test_hosts_that_never_answered_or_long_ago_prove_nothing() -> None:
    watch, clock, known = watch_that_saw(3)
    for number in range(5):
        watch.add(f"https://new{number}.example.com/", uuid.uuid4(), unreached())
    assert not watch.is_down()
    clock.now += 24 * 3600
    for url, key in known:
        watch.add(url, key, unreached())
    assert not watch.is_down()


def test_a_fresh_process_asks_the_rows(acme: Organization) -> None:
    endpoints = [make_endpoint(acme, f"https://h{number}.example.com") for number in range(3)]
    watch = NetworkWatch(endpoint_health.responded_recently, Clock())
    for endpoint in endpoints:
        record(endpoint, "+")
        watch.add(endpoint.url, endpoint.pk, unreached())
    assert watch.is_down()


def test_a_refused_address_is_not_our_network() -> None:
    watch, _clock, known = watch_that_saw(3)
    for url, key in known:
        watch.add(url, key, Outcome(None, error="connection_failed", refused=True))
    assert not watch.is_down()


@pytest.mark.parametrize("attempts", ["g", "-" * 12, "x" * 4])
def test_what_the_old_url_still_answers_says_nothing_of_the_new_one(acme: Organization, attempts: str) -> None:
    endpoint = make_endpoint(acme)
    old = sent_to(endpoint)
    actions.update_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id, url="https://new.example.com/in")
    endpoint_health.update_health(
        endpoint_health.tally_attempts((old, False, each == "x", each == "g") for each in attempts)
    )
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.health, endpoint.failures_in_a_row) == ("enabled", "healthy", 0)
    record(endpoint, "-" * 9)
    endpoint_health.update_health(endpoint_health.tally_attempts([(old, True, False, False)]))
    assert record(endpoint, "-").health == "failing" and actions_recorded() == ["endpoint.failing"]


def test_another_url_begins_anew_and_its_first_success_ends_the_story(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "-" * 12)
    make_old(endpoint, 4.99)
    actions.update_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id, description="The same URL")
    endpoint.refresh_from_db()
    assert endpoint.health == "failing" and endpoint.failures_in_a_row == 12
    actions.update_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id, url="https://new.example.com/in")
    endpoint.refresh_from_db()
    assert endpoint.health == "healthy" and endpoint.failing_since is None
    assert not Notice.objects.filter(kind="endpoint.failing").open()
    record(endpoint, "-" * 9)
    make_old(endpoint, 5.01)
    assert record(endpoint, "+").status == "enabled"
    assert actions_recorded() == ["endpoint.failing", "endpoint.recovered"]


def test_a_disabled_endpoint_that_moves_stays_disabled_and_says_why(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    record(endpoint, "g")
    actions.update_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id, url="https://new.example.com/in")
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.disabled_reason) == ("disabled", "gone") and endpoint.failing_since
