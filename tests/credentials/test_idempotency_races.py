"""Equal requests at the same moment, late ones, and what follows a commit: one effect (promise 22)."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.audit.calls import recording
from apps.audit.models import AuditEntry
from apps.base.crypto.secrets import PasswordHasher
from apps.credentials import idempotency_store
from apps.credentials.models import IdempotencyRecord
from apps.orgs.models import User
from apps.webhooks.api import events as api_views
from apps.webhooks.engine import wakeup
from apps.webhooks.models import Delivery, Event
from tests.conftest import Api, Key
from tests.engines import DATA, flat, in_threads, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

EVENT = {"type": "order.created", "data": DATA}
NEW_KEY = {"name": "Made", "type": "internal", "scopes": ["users:read"]}
USER = {"name": "Jo", "email": "jo@example.com", "password": "password1"}
THREADS, CALLS_EACH = 25, 4


def post(key: Key, path: str, body: Any, text: str = "one") -> Any:
    return Api(key).post(path, body, headers={"Idempotency-Key": text})


def kind_of(answer: Any) -> str:
    """``first``, ``replayed``, or the code of a refusal."""
    if answer.status_code >= 300:
        return answer.json()["code"]
    return "replayed" if "Idempotency-Replayed" in answer else "first"


def a_hundred(key: Key, path: str, body: Any) -> list[Any]:
    """The same request a hundred times, as many at once as the servers of the tests take."""

    def send(_number: int) -> list[Any]:
        return [post(key, path, body) for _ in range(CALLS_EACH)]

    answers = flat(in_threads(THREADS, send))
    assert len(answers) == 100
    return answers


def check_once(answers: list[Any], status: int) -> None:
    kinds = Counter(map(kind_of, answers))
    assert kinds["first"] == 1
    assert set(kinds) <= {"first", "replayed", "idempotency_in_progress"}
    assert {answer.status_code for answer in answers} <= {status, 409}


def test_a_hundred_equal_events_are_one(acme, admin_key):
    endpoint = make_endpoint(acme)
    answers = a_hundred(admin_key, "/v1/events", EVENT)
    check_once(answers, 202)
    assert Event.objects.filter(type="order.created").count() == 1
    assert Delivery.objects.filter(endpoint=endpoint).count() == 1
    last = post(admin_key, "/v1/events", EVENT)
    assert kind_of(last) == "replayed"
    assert {answer.content for answer in answers if answer.status_code == 202} == {last.content}


def test_a_hundred_equal_keys_are_one(admin_key):
    answers = a_hundred(admin_key, "/v1/api-keys", NEW_KEY)
    check_once(answers, 201)
    assert ApiKey.objects.filter(name="Made").count() == 1
    assert AuditEntry.objects.filter(action="api_key.created", target_label__startswith="Made").count() == 1
    with_key = [answer for answer in answers if "key" in answer.json()]
    assert [kind_of(answer) for answer in with_key] == ["first"]


def test_different_bodies_at_once_have_one_effect(admin_key):
    def send(number: int) -> Any:
        return post(admin_key, "/v1/events", {**EVENT, "data": {**DATA, "order_id": f"ORD-{number}"}})

    kinds = Counter(map(kind_of, in_threads(20, send)))
    assert kinds == {"first": 1, "idempotency_conflict": 19}
    assert Event.objects.filter(type="order.created").count() == 1


# Too late


def test_a_request_overtaken_before_the_change_gets_the_stored_response(admin_key, monkeypatch):
    reserve, others = idempotency_store.Record.reserve, []

    def slow(record: idempotency_store.Record) -> Any:
        answer = reserve(record)
        if not others:
            others.append(None)
            IdempotencyRecord.objects.update(reserved_at=timezone.now() - timedelta(seconds=61))
            others[0] = post(admin_key, "/v1/events", EVENT)
        return answer

    monkeypatch.setattr(idempotency_store.Record, "reserve", slow)
    late = post(admin_key, "/v1/events", EVENT)
    assert (kind_of(others[0]), kind_of(late)) == ("first", "replayed")
    assert late.content == others[0].content
    assert Event.objects.filter(type="order.created").count() == 1


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="on SQLite nobody writes beside an open transaction")
def test_a_request_overtaken_within_the_change_rolls_back(admin_key, monkeypatch):
    write, others = api_views.AcceptedEventSerializer.write, []

    def overtake() -> None:
        IdempotencyRecord.objects.update(reserved_at=timezone.now() - timedelta(seconds=61))
        others[0] = post(admin_key, "/v1/events", EVENT)
        connections.close_all()

    def slow(accepted: Any) -> Any:
        if not others:
            others.append(None)
            thread = threading.Thread(target=overtake)
            thread.start()
            thread.join(20)
        return write(accepted)

    monkeypatch.setattr(api_views.AcceptedEventSerializer, "write", slow)
    late = post(admin_key, "/v1/events", EVENT)
    assert (kind_of(others[0]), kind_of(late)) == ("first", "replayed")
    assert late.content == others[0].content
    assert Event.objects.filter(type="order.created").count() == 1


def test_who_was_overtaken_by_one_that_still_runs_is_told_so(admin_key, monkeypatch):
    reserve = idempotency_store.Record.reserve

    def slow(record: idempotency_store.Record) -> Any:
        answer = reserve(record)
        IdempotencyRecord.objects.update(token="00000000-0000-0000-0000-000000000000")
        return answer

    monkeypatch.setattr(idempotency_store.Record, "reserve", slow)
    assert kind_of(post(admin_key, "/v1/events", EVENT)) == "idempotency_in_progress"
    assert not Event.objects.filter(type="order.created").exists()
    assert IdempotencyRecord.objects.get().status is None


# What follows the commit


def test_an_error_after_the_commit_is_answered_by_the_repeat(admin_key, monkeypatch):
    """The change is there, and the connection broke before the answer came."""

    def broken(_call: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setitem(recording.PERSIST, "strict", broken)
        with pytest.raises(ConnectionResetError):
            post(admin_key, "/v1/events", EVENT)
    assert Event.objects.filter(type="order.created").count() == 1
    assert kind_of(post(admin_key, "/v1/events", EVENT)) == "replayed"
    assert Event.objects.filter(type="order.created").count() == 1


def test_workers_are_notified_once_and_after_the_commit(acme, admin_key):
    make_endpoint(acme)
    seen: list[tuple[bool, int]] = []

    def wake() -> None:
        seen.append((connection.in_atomic_block, Delivery.objects.count()))

    wakeup.listen(wake)
    try:
        assert [kind_of(post(admin_key, "/v1/events", EVENT)) for _ in range(2)] == ["first", "replayed"]
    finally:
        wakeup.stop_listening(wake)
    assert seen == [(False, 1)]


def test_a_revocation_holds_at_the_next_call(admin_key, acme_key):
    assert Api(acme_key).get("/v1/me").status_code == 200
    path = f"/v1/api-keys/{acme_key.row.public_id}/revoke"
    assert post(admin_key, path, {}).status_code == 200
    assert Api(acme_key).get("/v1/me").status_code == 401


def test_passwords_are_hashed_before_the_transaction(admin_key, monkeypatch):
    hash_it, open_transactions = PasswordHasher.encode, []

    def watched(hasher: PasswordHasher, password: str, salt: str) -> str:
        open_transactions.append(connection.in_atomic_block)
        return hash_it(hasher, password, salt)

    monkeypatch.setattr(PasswordHasher, "encode", watched)
    assert post(admin_key, "/v1/users", USER).status_code == 201
    batch = {"users": [{**USER, "email": f"{number}@example.com"} for number in range(3)]}
    assert post(admin_key, "/v1/users/batch", batch).status_code == 200
    assert open_transactions == [False] * 4
    assert User.objects.filter(email__endswith="@example.com").count() == 4
