"""Figures: attempts by the hour, counters of all workers, and Prometheus metrics."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from apps.base.identifiers import uuid_at
from apps.orgs.models import Organization, User
from apps.webhooks.engine import claims
from apps.webhooks.models import Attempt, AttemptHour, Delivery, Endpoint, EngineTotal, WorkerBeat
from apps.webhooks.stats import counters, delivery_totals, hourly_rollup, prometheus_metrics
from tests.engines import developer, in_threads, make_endpoint, publish

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_counters_of_other_tests() -> None:
    counters._unflushed.clear()


def attempt(endpoint: Endpoint, minutes_old: float, error: str = "", **values: Any) -> Attempt:
    moment = timezone.now() - timedelta(minutes=minutes_old)
    accepted = publish(endpoint.organization)
    base = {
        "pk": uuid_at(moment), "organization_id": endpoint.organization_id, "endpoint_id": endpoint.pk, "number": 1,
        "delivery": Delivery.objects.get(event=accepted.event_id, endpoint=endpoint), "started_at": moment,
        "finished_at": moment, "error": error,
    }  # fmt: skip
    return Attempt.objects.create(**{**base, **values})


def sums(organization: Organization) -> tuple[int, int]:
    rows = [row for series in hourly_rollup.last_24h(developer(organization)).values() for row in series]
    return sum(good for good, _ in rows), sum(bad for _, bad in rows)


# Hours


def test_old_attempts_are_added_up_and_young_ones_counted_and_none_twice(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    for minutes_old, error in ((300, ""), (299, "http_error"), (30, ""), (1, ""), (0.5, "timed_out")):
        attempt(endpoint, minutes_old, error)
    assert sums(acme) == (3, 2)
    assert hourly_rollup.roll_up() == 3 and hourly_rollup.roll_up() == 0
    assert sums(acme) == (3, 2)
    assert sum(row.succeeded + row.failed for row in AttemptHour.objects.all()) == 3
    series = hourly_rollup.last_24h(developer(acme))[endpoint.pk]
    assert len(series) == 24 and sum(good for good, _ in series[-2:]) == 2


def test_the_same_hour_grows(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    moment = timezone.now().replace(minute=30, second=0) - timedelta(hours=3)
    age = (timezone.now() - moment).total_seconds() / 60
    attempt(endpoint, age)
    hourly_rollup.roll_up()
    attempt(endpoint, age - 1)
    attempt(endpoint, age - 2, "dns_failed")
    hourly_rollup.roll_up()
    row = AttemptHour.objects.get()
    assert (row.succeeded, row.failed, row.hour) == (2, 1, moment.replace(minute=0, microsecond=0))


def test_tests_and_our_own_faults_and_yesterday_do_not_count(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    attempt(endpoint, 30, "shutdown")
    tested = attempt(endpoint, 29)
    Delivery.objects.filter(pk=tested.delivery_id).update(test=True)
    attempt(endpoint, 60 * 25)
    assert sums(acme) == (0, 0)
    hourly_rollup.roll_up()
    assert sums(acme) == (0, 0)


def test_what_has_not_ended_holds_up_what_comes_after_it(acme: Organization) -> None:
    endpoint = make_endpoint(acme)
    attempt(endpoint, 40)
    lost = attempt(endpoint, 39, finished_at=None)
    attempt(endpoint, 38)
    assert hourly_rollup.roll_up() == 1 and sums(acme) == (2, 0)
    Attempt.objects.filter(pk=lost.pk).update(finished_at=timezone.now(), error="shutdown")
    assert hourly_rollup.roll_up() == 2 and sums(acme) == (2, 0)


def test_a_stranger_sees_none_of_it(acme: Organization, rival: Organization) -> None:
    attempt(make_endpoint(acme), 30)
    hourly_rollup.roll_up()
    assert hourly_rollup.last_24h(developer(rival)) == {}


@pytest.mark.django_db(transaction=True)
def test_many_workers_add_each_attempt_once(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hourly_rollup, "WINDOW_SIZE", 3)
    endpoint = make_endpoint(acme)
    for minutes_old in range(10, 30):
        attempt(endpoint, minutes_old)
    in_threads(4, lambda _number: [hourly_rollup.roll_up() for _ in range(4)])
    assert sum(AttemptHour.objects.values_list("succeeded", flat=True)) == 20


# Counters


def result(error: str = "", status: str = "succeeded", duration_ms: float | None = 40) -> claims.Result:
    found = claims.Result.__new__(claims.Result)
    found.error, found.status, found.duration_ms = error, status, duration_ms
    found.reason, found.uncounted = ("no_network", 1) if error == "connection_failed" else ("", 0)
    return found


def test_counters_are_written_once_and_added_up(db: None) -> None:
    counters.flush()  # what other tests of this process left to be written
    EngineTotal.objects.all().delete()
    counters.count_attempts(
        [result(), result("timed_out", "pending", 15_000), result("http_error", "exhausted", None)], 2
    )
    assert counters.flush() > 0 and counters.flush() == 0
    counters.count_attempts([result(), result("connection_failed", "pending", None)])
    counters.flush()
    found = dict(EngineTotal.objects.values_list("name", "value"))
    assert found == {
        "attempts:succeeded": 2, "attempts:timed_out": 1, "attempts:http_error": 1, "exhausted": 1,
        "attempts:connection_failed": 1, "uncounted:no_network": 1,
        "lease_conflicts": 2, "duration_sum": pytest.approx(15.08), "duration:0.05": 2, "duration:15.0": 1,
    }  # fmt: skip


def test_counters_that_could_not_be_written_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    counters.count_attempts([result()])
    with monkeypatch.context() as patch:
        patch.setattr(counters, "ADD_VALUE", "INSERT INTO no_such_table (name, value) VALUES (%s, %s)")
        with pytest.raises(DatabaseError):
            counters.flush()
    counters.flush()
    assert EngineTotal.objects.get(name="attempts:succeeded").value == 1


def test_a_worker_leaves_a_sign_of_life(db: None) -> None:
    old = timezone.now() - timedelta(days=2)
    WorkerBeat.objects.create(name="gone", started_at=old, beat_at=old)
    counters.report_worker()
    counters.report_worker()
    (row,) = WorkerBeat.objects.all()
    assert row.started_at <= row.beat_at


# Prometheus metrics


def scrape(settings: Any) -> dict[str, float]:
    answer = Client(headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"}).get("/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.content.decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_the_age_of_the_oldest_due_delivery_comes_first(acme: Organization, settings: Any) -> None:
    endpoint = make_endpoint(acme)
    first = next(iter(scrape(settings).items()))
    assert first == ("portal_webhook_oldest_due_age_seconds", 0)
    publish(acme)
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=90))
    publish(acme)
    found = scrape(settings)
    assert 89 < found["portal_webhook_oldest_due_age_seconds"] < 120
    assert found['portal_webhook_deliveries{status="pending"}'] == found['portal_webhook_deliveries{status="due"}'] == 2
    Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    found = scrape(settings)
    assert found["portal_webhook_oldest_due_age_seconds"] == found['portal_webhook_deliveries{status="due"}'] == 0
    assert endpoint.public_id not in str(found) and "hooks.example.com" not in str(found)


def test_attempts_durations_conflicts_workers_and_the_balance(acme: Organization, settings: Any) -> None:
    make_endpoint(acme)
    publish(acme)
    counters.count_attempts(
        [result(), result("http_error", "pending", 300), result("connection_failed", "pending", None)], 1
    )
    counters.report_worker()
    delivery_totals.count_all()
    found = scrape(settings)
    expected = {
        'portal_webhook_attempts_total{outcome="succeeded"}': 1,
        'portal_webhook_attempts_total{outcome="http_error"}': 1,
        'portal_webhook_uncounted_attempts_total{reason="no_network"}': 1,
        "portal_webhook_lease_conflicts_total": 1,
        'portal_webhook_attempt_duration_seconds_bucket{le="0.05"}': 1,
        'portal_webhook_attempt_duration_seconds_bucket{le="0.5"}': 2,
        'portal_webhook_attempt_duration_seconds_bucket{le="+Inf"}': 2,
        "portal_webhook_attempt_duration_seconds_count": 2,
        "portal_webhook_attempt_duration_seconds_sum": pytest.approx(0.34),
        "portal_workers": 1,
        'portal_webhook_balance{state="accepted"}': 1,
        'portal_webhook_balance{state="waiting"}': 1,
        "portal_webhook_missing": 0,
        "portal_webhook_replays_unfinished": 0,
        "portal_database_up": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["portal_worker_heartbeat_age_seconds"] < 5


def test_counting_stops_at_a_bound(acme: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus_metrics, "MAX_COUNTED", 2)
    make_endpoint(acme)
    for _ in range(4):
        publish(acme)
    assert scrape(settings)['portal_webhook_deliveries{status="pending"}'] == 2


def test_without_the_database_it_says_so(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DatabaseError

    monkeypatch.setattr(prometheus_metrics, "_oldest_due", fail)
    found = scrape(settings)
    assert found["portal_database_up"] == 0 and "portal_workers" not in found


# The overview


def test_the_overview_has_a_line_of_the_balance(acme: Organization, vera: User, browser_of: Any) -> None:
    make_endpoint(acme)
    path = "/o/acme/settings/integration/"
    assert "deliveries accepted" not in browser_of(vera).get(path).content.decode()
    publish(acme)
    attempt(make_endpoint(acme, "https://other.example.com/"), 5, "http_error")
    delivery_totals.count_all()
    page = browser_of(vera).get(path).content.decode()
    assert "3 deliveries accepted: 0 delivered, 3 waiting" in page and "None is missing." in page
    assert "Failed attempts" in page
    Delivery.objects.filter(attempts=None).first().delete()
    delivery_totals.DeliveryBalance.objects.update(count_again_at=None)
    delivery_totals.count_all()
    assert "1 cannot be found" in browser_of(vera).get(path).content.decode()
