"""Whoever goes on from the newest time that they saw misses no row that was committed later."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.audit.calls import store
from apps.audit.calls.recording import record_call
from apps.audit.models import ApiCall
from apps.audit.timeline import changes_and_calls
from apps.audit.timeline.sources import Filters, timeline
from apps.base.identifiers import new_uuid, uuid_time
from apps.base.rest.request_identity import AuthResult
from tests.audit.conftest import call_arguments, change, key_actor, person

SINCE_2020 = timedelta(days=2000)


def in_another_thread(work) -> None:
    def run() -> None:
        work()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_the_log_is_read_at_one_moment(organization, monkeypatch):
    """Changes are read before calls: what is committed in between is not half in it."""
    ada, key = person(organization), key_actor(organization)
    change(ada, target_label="Seen")
    read = changes_and_calls.Calls.newest

    def late(self, *given):
        in_another_thread(lambda: change(ada, target_label="Missed"))
        in_another_thread(lambda: record_call(**call_arguments(AuthResult(actor=key))))
        return read(self, *given)

    # The sources are read in the order of their names: calls are first there.
    monkeypatch.setattr("apps.audit.timeline.sources.categories", lambda: ["change", "api_call"])
    monkeypatch.setattr(changes_and_calls.Calls, "newest", late)
    seen = timeline(ada, Filters(), None, 50).rows
    monkeypatch.undo()
    assert [row.target.label for row in seen] == ["Seen"]
    again = timeline(ada, Filters(since=seen[0].at), None, 50).rows
    assert [row.category for row in again] == ["api_call", "change", "change"]
    assert not connection.in_atomic_block and change(ada).pk


@pytest.mark.django_db
def test_a_call_that_waited_for_the_database_gets_its_time_when_it_is_committed(organization):
    key, waited = key_actor(organization), timezone.now() - SINCE_2020
    call = store.Call(
        new_uuid(),
        waited,
        organization.pk,
        "api_key",
        key.id,
        "Sync",
        key.pk,
        "GET",
        "/v1/me",
        200,
        "",
        1.0,
        "",
        "",
        "r-1",
    )
    before, calls = timezone.now(), [call, call]
    store.store_with_current_time(calls, {})
    rows = list(ApiCall.objects.order_by("pk"))
    assert [row.pk for row in rows] == [each.id for each in calls] and store.is_stored(calls)
    assert [row for row in rows if not before <= row.at <= timezone.now()] == []
    assert [row for row in rows if abs(uuid_time(row.pk) - row.at) >= timedelta(milliseconds=1)] == []
