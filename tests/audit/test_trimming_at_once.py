"""Two workers that remove the same rows: the slower one, whose rows are gone already, does not take it for the end."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from apps.audit.models import ApiCall, Round, UsageHour
from apps.audit.retention import trimming
from apps.base.identifiers import uuid_at

pytestmark = pytest.mark.django_db(transaction=True)
BATCH, ROWS = 4, 15
LONG_AGO = timedelta(days=200)


def make_calls(organization: Any) -> None:
    for number in range(ROWS):
        moment = timezone.now() - LONG_AGO + timedelta(seconds=number)
        ApiCall.objects.create(
            id=uuid_at(moment), at=moment, organization=organization, actor_kind="user", actor_id="user_x",
            actor_label="A", method="GET", route="/v1/users", status=200, duration_ms=1,
        )  # fmt: skip
    Round.objects.create(name="digest.calls", hour=timezone.now())


def make_figures(organization: Any) -> None:
    hour = (timezone.now() - LONG_AGO).replace(minute=0, second=0, microsecond=0)
    for number in range(ROWS):
        UsageHour.objects.create(
            organization=organization, hour=hour - timedelta(hours=number), method="GET", route="/v1/users",
            status_class="2xx", calls=1, last_at=timezone.now(),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "name", "model"), [(make_calls, "_remove_calls", ApiCall), (make_figures, "_remove_usage", UsageHour)]
)
def test_of_two_workers_none_takes_the_others_work_for_the_end(acme, make, name, model, monkeypatch):
    make(acme)
    monkeypatch.setattr(trimming, "BATCH", BATCH)
    both_have_read, first_is_done = threading.Barrier(2, timeout=20), threading.Event()
    original, results, met = trimming._delete, {}, set()

    def delete(of: Any, keys: list[Any]) -> int:
        me = threading.current_thread().name
        if of is not model or me in met:
            return original(of, keys)
        met.add(me)
        both_have_read.wait()
        if me == "slow":
            assert first_is_done.wait(20)
        gone = original(of, keys)
        if me == "fast":
            first_is_done.set()
        return gone

    monkeypatch.setattr(trimming, "_delete", delete)

    def fast() -> None:
        results["fast"] = getattr(trimming, name)(acme.pk)
        connections.close_all()

    def slow() -> None:
        results["slow"] = trimming._trim_organization(acme.pk, time.monotonic() + 60)
        connections.close_all()

    threads = [threading.Thread(target=each, name=each.__name__) for each in (fast, slow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results["fast"] == BATCH and results["slow"][1] is True
    assert not model.objects.exists()
