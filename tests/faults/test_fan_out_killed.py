"""A worker that dies between the batches of a big fan-out: the next one goes on, no delivery is made twice."""

import pytest

from apps.orgs.models import Organization
from apps.webhooks import publishing
from apps.webhooks.models import Delivery, FanOutBatch
from tests.engines import publish
from tests.faults.processes import was_killed, worker
from tests.webhooks.test_fan_out import make_endpoints

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


def test_a_worker_killed_between_batches_leaves_the_rest_to_the_next(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "MAX_DELIVERIES_PER_BATCH", 20)
    make_endpoints(acme, 100, "https://203.0.113.1/")
    assert publish(acme).deliveries == 100
    for left in (3, 2):
        with worker("--once", PORTAL_CRASH_AT="after_fan_out_batch") as killed:
            assert was_killed(killed)
        assert FanOutBatch.objects.count() == left
    with worker("--once") as last:
        assert last.wait(60) == 0
    assert not FanOutBatch.objects.exists() and Delivery.objects.count() == 100
    assert Delivery.objects.values("endpoint").distinct().count() == 100
