"""A worker whose clock is an hour off: what is due, and when it is tried again, follows the database's clock.

On SQLite the database has this machine's clock and no other.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from apps.base import timestamps
from apps.orgs.models import Organization
from apps.webhooks.engine import claims, clock_check
from apps.webhooks.engine.outcomes import _retry_after
from apps.webhooks.models import Attempt, Delivery, WorkerBeat
from apps.webhooks.stats import counters, prometheus_metrics
from tests.engines import LOOPBACK, add_deliveries, engine, make_endpoint, publish
from tests.receivers import Receiver, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _clocks_agree() -> Iterator[None]:
    yield
    clock_check.check()


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_schedule_follows_the_database(acme: Organization, settings: Any, hours: int) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("the database has this machine's clock")
    settings.WEBHOOK_ALLOW_CIDRS, settings.WEBHOOK_RETRY_SCHEDULE = LOOPBACK, (600, 600)
    with Receiver(status(503)) as receiver:
        endpoint = make_endpoint(acme, receiver.url)
        add_deliveries(endpoint, 1)
        add_deliveries(endpoint, 1, age_seconds=-1800)
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
            engine().run_until_idle()
            assert claims.release_expired() == 0
        assert len(receiver.requests) == 1
    tried = Delivery.objects.get(attempt_count=1)
    now = timestamps.database_now()
    assert timedelta(seconds=450) < tried.next_attempt_at - now < timedelta(seconds=721)
    attempt = Attempt.objects.get()
    assert [
        moment for moment in (attempt.started_at, attempt.finished_at) if abs(moment - now) >= timedelta(minutes=1)
    ] == []
    assert Delivery.objects.get(attempt_count=0).status == "pending"


def offset_in_metrics() -> float:
    (family,) = [
        each for each in prometheus_metrics.EngineCollector().collect() if each.name == "portal_clock_offset_seconds"
    ]
    return family.samples[0].value


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_off_raises_an_alarm_until_it_is_set(caplog: pytest.LogCaptureFixture, hours: int) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        for _sweep in range(2):
            counters.report_worker()
    (record,) = [each for each in caplog.records if each.levelno == logging.CRITICAL]
    assert "clock" in record.message and f"{hours * 3600}" in record.message
    assert abs(WorkerBeat.objects.get().clock_offset - hours * 3600) < 2
    assert abs(offset_in_metrics() - hours * 3600) < 2
    counters.report_worker()
    assert abs(WorkerBeat.objects.get().clock_offset) < 2 and abs(offset_in_metrics()) < 2
    assert "agrees" in caplog.records[-1].message
    counters.report_worker()
    assert len([each for each in caplog.records if "clock" in each.message]) == 2


@pytest.mark.parametrize("hours", [-1, 1])
def test_signatures_carry_the_time_of_the_database(acme: Organization, settings: Any, hours: int) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("the database has this machine's clock")
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    with Receiver() as receiver:
        make_endpoint(acme, receiver.url)
        publish(acme)
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
            engine().run_until_idle()
        (request,) = receiver.requests
    assert abs(int(request.headers["webhook-timestamp"]) - timestamps.database_now().timestamp()) < 10


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_date_in_retry_after_is_read_by_the_clock_of_the_database(hours: int) -> None:
    wanted = (timestamps.database_now() + timedelta(minutes=10)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        clock_check.check()
        assert abs((_retry_after([("retry-after", wanted)]) or 0) - 600) < 5
