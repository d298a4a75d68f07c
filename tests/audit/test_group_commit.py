"""The row is durable before the answer leaves; many callers share one commit; trouble loses as little as it can."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection

from apps.audit.calls import group_commit
from apps.audit.calls import store as call_store
from apps.audit.calls.recording import record_call
from apps.audit.models import ApiCall, LastUse, RefusedCalls, UsageHour
from apps.base.identifiers import new_uuid
from apps.base.rest.request_identity import AuthResult
from tests.audit.conftest import call_arguments, key_actor, make_request

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("writer")]
THREADS, EACH = 8, 200
ROW_TIME = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def call(caller: AuthResult, **changed: Any) -> None:
    record_call(**call_arguments(caller, **changed))


def in_threads(work: Callable[[int], None], threads: int = THREADS) -> None:
    def once(number: int) -> None:
        try:
            work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(once, range(threads)))


def test_the_row_is_there_when_the_call_returns(organization):
    key = key_actor(organization)
    for count in range(1, 11):
        call(AuthResult(actor=key))
        assert ApiCall.objects.count() == count


def test_the_answer_waits_for_the_commit(organization, monkeypatch):
    order: list[str] = []
    gate = threading.Event()
    store = call_store.store

    def slow_store(calls: Any, refused: Any) -> None:
        gate.wait(5)
        store(calls, refused)
        order.append("row")

    monkeypatch.setattr(group_commit, "store", slow_store)
    answer = threading.Thread(target=lambda: (call(AuthResult(actor=key_actor(organization))), order.append("answer")))
    answer.start()
    time.sleep(0.1)
    assert order == [] and answer.is_alive()
    gate.set()
    answer.join(5)
    assert order == ["row", "answer"]


def test_every_call_of_every_thread_is_one_row_and_counted_once(organization):
    keys = [key_actor(organization) for _ in range(THREADS)]
    in_threads(lambda number: [call(AuthResult(actor=keys[number % 4])) for _ in range(EACH)] and None)
    assert ApiCall.objects.count() == THREADS * EACH
    for key in keys[:4]:
        rows = ApiCall.objects.filter(credential_id=key.pk)
        assert rows.count() == 2 * EACH
        counted = UsageHour.objects.filter(credential_id=key.pk).values_list("calls", flat=True)
        assert sum(counted) == 2 * EACH
        assert LastUse.objects.get(pk=key.pk).at == rows.latest("at").at


def test_callers_share_commits(organization, monkeypatch):
    sizes: list[int] = []
    store = call_store.store

    def noted(calls: Any, refused: Any) -> None:
        sizes.append(len(calls))
        time.sleep(0.005)
        store(calls, refused)

    monkeypatch.setattr(group_commit, "store", noted)
    key = key_actor(organization)
    in_threads(lambda number: [call(AuthResult(actor=key)) for _ in range(20)] and None)
    assert sum(sizes) == THREADS * 20 and len(sizes) < THREADS * 20 / 2


def test_a_batch_larger_than_a_statement_is_stored_whole(organization):
    key = key_actor(organization)
    calls = [
        call_store.Call(
            new_uuid(), ROW_TIME, organization.pk, "api_key", key.id, "Sync", new_uuid(), "GET", f"/v1/{number}", 200,
            "", 1.0, "203.0.113.9", "", "",
        )
        for number in range(1000)
    ]  # fmt: skip
    call_store.store(calls, {})
    assert ApiCall.objects.count() == UsageHour.objects.count() == LastUse.objects.count() == 1000


def test_strangers_are_flushed_without_waiting_for_a_call(monkeypatch, db):
    monkeypatch.setattr(group_commit, "MAX_REFUSED_DELAY_SECONDS", 0.05)
    for _ in range(50):
        call(AuthResult(), status=401, code="missing_api_key")
    assert wait_for(lambda: sum(RefusedCalls.objects.values_list("calls", flat=True)) == 50)


def test_a_flood_from_many_addresses_is_counted_in_bounded_memory(monkeypatch, db):
    monkeypatch.setattr(group_commit, "MAX_REFUSED_KEYS", 5)
    monkeypatch.setattr(group_commit, "MAX_REFUSED_DELAY_SECONDS", 60)
    for number in range(20):
        call(AuthResult(), status=401, code="invalid_api_key", request=make_request(address=f"198.51.100.{number}"))
    group_commit.stop()
    counts = dict(RefusedCalls.objects.values_list("address", "calls"))
    assert sum(counts.values()) == 20 and len(counts) <= 7 and counts[""] >= 14


def test_a_short_trouble_of_the_database_loses_nothing(organization, monkeypatch):
    store, troubles = call_store.store, [OperationalError("gone"), OperationalError("gone")]

    def shaky(calls: Any, refused: Any) -> None:
        if troubles:
            raise troubles.pop()
        store(calls, refused)

    monkeypatch.setattr(group_commit, "store", shaky)
    call(AuthResult(actor=key_actor(organization)))
    assert ApiCall.objects.count() == UsageHour.objects.get().calls == 1


def test_a_commit_whose_answer_was_lost_is_not_repeated(organization, monkeypatch):
    store, lost = call_store.store, [OperationalError("server closed the connection")]

    def committed_then_cut(calls: Any, refused: Any) -> None:
        store(calls, refused)
        if lost:
            raise lost.pop()

    monkeypatch.setattr(group_commit, "store", committed_then_cut)
    call(AuthResult(actor=key_actor(organization)))
    assert ApiCall.objects.count() == UsageHour.objects.get().calls == 1


def test_a_database_that_stays_away_lets_the_answer_go_and_says_so(organization, monkeypatch, caplog):
    def away(calls: Any, refused: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(group_commit, "store", away)
    monkeypatch.setattr(group_commit, "RETRY_SECONDS", 0.2)
    lost_before = group_commit.LOST._value.get()
    call(AuthResult(actor=key_actor(organization)))
    assert "could not be recorded" in caplog.text
    assert group_commit.LOST._value.get() == lost_before + 1
    monkeypatch.undo()
    call(AuthResult(actor=key_actor(organization)))
    assert ApiCall.objects.count() == 1


def test_one_bad_row_does_not_take_the_others_with_it(organization, monkeypatch, caplog):
    monkeypatch.setattr(group_commit, "RETRY_SECONDS", 0.2)
    key = key_actor(organization)
    good = [call_store.Call(new_uuid(), ROW_TIME, organization.pk, "api_key", key.id, "Sync", key.pk, "GET", "/v1/me",
                            200, "", 1.0, "203.0.113.9", "", "") for _ in range(9)]  # fmt: skip
    homeless = good[0]._replace(id=new_uuid(), organization_id=new_uuid())
    refused = {call_store.RefusalKey("203.0.113.9", ROW_TIME, "not_found"): 2}
    assert group_commit.write([*good[:4], homeless, *good[4:]], refused, 0.2)
    assert ApiCall.objects.count() == UsageHour.objects.get().calls == 9
    assert RefusedCalls.objects.get().calls == 2
    assert caplog.text.count("could not be recorded") == 1


def test_a_thread_that_dies_is_replaced(organization, monkeypatch):
    class Death(BaseException):
        pass

    deaths = [Death()]
    write = group_commit.write

    def deadly(*values: Any) -> bool:
        if deaths:
            raise deaths.pop()
        return write(*values)

    monkeypatch.setattr(group_commit, "write", deadly)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    key = key_actor(organization)
    call(AuthResult(actor=key))
    call(AuthResult(actor=key))
    assert ApiCall.objects.count() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_writer_of_its_own(organization):
    key = key_actor(organization)
    call(AuthResult(actor=key))
    connection.close()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            call(AuthResult(actor=key))
            group_commit.stop()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    call(AuthResult(actor=key))
    assert ApiCall.objects.count() == 3


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
