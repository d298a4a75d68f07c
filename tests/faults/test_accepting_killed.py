"""A web process that dies while it accepts an event: stored or not, the caller's repeat makes it exactly one."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.orgs.models import Organization
from apps.webhooks.models import Delivery, Event
from tests.engines import LOOPBACK, make_endpoint, statuses
from tests.faults.processes import wait_until, web, worker
from tests.receivers import Receiver

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(("point", "stored"), [("after_accept_before_commit", 0), ("after_commit_before_answer", 1)])
def test_a_killed_acceptor_and_a_repeat_make_one_event(
    acme: Organization, make_key: Callable[..., Any], settings: Any, point: str, stored: int
) -> None:
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    key = make_key(acme, "events:write").text
    with Receiver() as receiver:
        make_endpoint(acme, receiver.url)
        with web(PORTAL_CRASH_AT=point) as killed:
            assert killed.publish(key, "one")[0] == 0
        assert Event.objects.filter(type="order.created").count() == Delivery.objects.count() == stored
        with web() as second, worker():
            assert second.publish(key, "one")[0] == 202
            wait_until(lambda: statuses(acme) == ["succeeded"])
        assert len(receiver.requests) == 1
