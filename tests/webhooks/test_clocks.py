"""A worker whose clock is an hour off: what is due, and when it is tried again, follows the database's clock.

On SQLite the database has this machine's clock and no other.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from apps.orgs.models import Organization
from apps.webhooks import claims
from apps.webhooks.models import Attempt, Delivery
from tests.engines import LOOPBACK, add_deliveries, engine, make_endpoint
from tests.receivers import Receiver, status

pytestmark = pytest.mark.django_db(transaction=True)


def now_of_the_database() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]


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
            engine().drain()
            assert claims.release_expired() == 0
        assert len(receiver.requests) == 1
    tried = Delivery.objects.get(attempt_count=1)
    now = now_of_the_database()
    assert timedelta(seconds=450) < tried.next_attempt_at - now < timedelta(seconds=721)
    attempt = Attempt.objects.get()
    assert all(abs(moment - now) < timedelta(minutes=1) for moment in (attempt.started_at, attempt.finished_at))
    assert Delivery.objects.get(attempt_count=0).status == "pending"
