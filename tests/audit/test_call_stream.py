"""The call log by way of Redis: in the stream before the answer, in the database once, counted once, come what may."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import OperationalError

from apps.audit.calls import group_commit, redis_stream, store
from apps.audit.calls.store import Call
from apps.audit.models import ApiCall, LastUse, RefusedCalls, UsageHour
from apps.base import redis as portal_redis
from apps.base.identifiers import new_uuid
from apps.base.rest.request_identity import AuthResult
from tests.audit.conftest import key_actor
from tests.audit.test_group_commit import call, in_threads, wait_for
from tests.servers import RedisServer, redis_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("writer")]
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def stream(server: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """The portal with this file's Redis, empty, and API_CALL_LOG=stream."""
    before = settings.REDIS_URL
    settings.REDIS_URL, settings.API_CALL_LOG = server.url, "stream"
    monkeypatch.setattr(redis_stream, "STREAM_KEY", "portal:calls")
    _forget()
    client = redis.Redis.from_url(server.url)
    client.flushall()
    yield client
    client.config_set("maxmemory", 0)
    client.close()
    monkeypatch.undo()
    settings.REDIS_URL = before
    _forget()


def _forget() -> None:
    portal_redis.client.cache_clear()
    portal_redis._reset_connections()
    portal_redis.breaker._open_until = 0.0
    redis_stream._reset_after_fork()


def make_call(organization: Any, key: Any, **changed: Any) -> Call:
    given = {
        "id": new_uuid(), "at": NOON, "organization_id": organization.pk, "actor_kind": "api_key", "actor_id": key.id,
        "actor_label": 'Söme "name"\n', "credential_id": key.pk, "method": "GET", "route": "/v1/users", "status": 200,
        "code": "", "duration_ms": 0.25, "address": "203.0.113.9", "user_agent": "curl\t☃", "request_id": "12345678",
    }  # fmt: skip
    return Call(**{**given, **changed})


def counted() -> int:
    return sum(UsageHour.objects.values_list("calls", flat=True))


def test_a_call_waits_in_redis_and_is_moved_by_a_worker(organization, stream):
    key = key_actor(organization)
    for _ in range(3):
        call(AuthResult(actor=key))
    assert (stream.xlen("portal:calls"), ApiCall.objects.count()) == (3, 0)
    assert redis_stream.drain() == 3
    assert (stream.xlen("portal:calls"), ApiCall.objects.count(), counted()) == (0, 3, 3)
    assert LastUse.objects.get(pk=key.pk).address == "203.0.113.9"
    assert redis_stream.drain() == 0


def test_more_than_a_batch_is_moved_in_one_go(organization, stream, monkeypatch):
    monkeypatch.setattr(redis_stream, "DRAIN_BATCH", 10)
    key = key_actor(organization)
    in_threads(lambda number: [call(AuthResult(actor=key)) for _ in range(5)] and None)
    assert redis_stream.drain() == 40
    assert ApiCall.objects.count() == counted() == 40


def test_every_field_arrives_as_it_was(organization):
    use = (organization.pk.hex, new_uuid().hex, "GET", "/v1/users", 200, "users:read", "203.0.113.9", "agent")
    for changed in ({}, {"credential_id": None, "flagged": True, "scopes": "a:read b:write", "uses": (use,)}):
        made = make_call(organization, key_actor(organization), **changed)
        found = redis_stream.read_call(redis_stream.write_call(made).encode())
        assert found._replace(uses=tuple(map(tuple, found.uses))) == made


def test_a_row_of_another_version_is_read(organization):
    given = json.loads(redis_stream.write_call(make_call(organization, key_actor(organization))))
    for name in ("scopes", "flagged", "uses", "user_agent"):
        del given[name]
    found = redis_stream.read_call(json.dumps({**given, "of_a_later_version": 1}).encode())
    assert (found.scopes, found.flagged, found.uses, found.user_agent) == ("", False, (), "")
    assert found.route == "/v1/users"


def test_two_who_move_the_same_rows_count_them_once(organization, stream):
    calls = [make_call(organization, key_actor(organization)) for _ in range(50)]
    in_threads(lambda number: redis_stream._store(calls), threads=4)
    assert ApiCall.objects.count() == counted() == 50


def test_a_crash_before_the_trim_counts_nothing_twice(organization, stream, monkeypatch):
    for _ in range(5):
        call(AuthResult(actor=key_actor(organization)))
    trim, crashes = redis_stream._trim, [RuntimeError("killed")]

    def once(last_id: bytes) -> bool:
        if crashes:
            raise crashes.pop()
        return trim(last_id)

    monkeypatch.setattr(redis_stream, "_trim", once)
    with pytest.raises(RuntimeError):
        redis_stream.drain()
    assert stream.xlen("portal:calls") == 5
    assert redis_stream.drain() == 5
    assert ApiCall.objects.count() == counted() == 5


def test_nothing_is_trimmed_while_the_database_is_away(organization, stream, monkeypatch):
    call(AuthResult(actor=key_actor(organization)))

    def away(calls: Any, refused: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(store, "store", away)
    with pytest.raises(OperationalError):
        redis_stream.drain()
    assert stream.xlen("portal:calls") == 1


def test_a_bad_row_holds_up_nobody(organization, stream, caplog):
    key = key_actor(organization)
    homeless = make_call(organization, key, organization_id=new_uuid())
    for each in (make_call(organization, key), homeless, make_call(organization, key)):
        redis_stream.persist(each)
    stream.xadd("portal:calls", {"call": "{"})
    assert redis_stream.drain() == 4
    assert (ApiCall.objects.count(), counted(), stream.xlen("portal:calls")) == (2, 2, 0)
    assert caplog.text.count("could not be recorded") == 2


def test_callers_share_round_trips(organization, stream, monkeypatch):
    sizes: list[int] = []
    send = portal_redis.PersistentConnection.send

    def noted(line: portal_redis.PersistentConnection, packed: bytes, answers: int = 1) -> Any:
        sizes.append(answers - 1)
        time.sleep(0.005)
        return send(line, packed, answers)

    monkeypatch.setattr(portal_redis.PersistentConnection, "send", noted)
    key = key_actor(organization)
    in_threads(lambda number: [call(AuthResult(actor=key)) for _ in range(20)] and None)
    assert sum(sizes) == 160 and len(sizes) < 80


def test_strangers_are_counted_as_ever(stream, monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_REFUSED_DELAY_SECONDS", 0.05)
    call(AuthResult(), status=401, code="invalid_api_key")
    assert wait_for(lambda: sum(RefusedCalls.objects.values_list("calls", flat=True)) == 1)
    assert stream.xlen("portal:calls") == 0


def test_a_full_redis_makes_calls_slower_and_loses_none(organization, stream):
    stream.config_set("maxmemory", 1)
    call(AuthResult(actor=key_actor(organization)))
    assert ApiCall.objects.count() == counted() == 1


def test_a_stream_that_nobody_empties_stops_growing(organization, stream, monkeypatch, caplog):
    monkeypatch.setattr(redis_stream, "MAX_PENDING", 3)
    for _ in range(10):
        call(AuthResult(actor=key_actor(organization)))
    assert (stream.xlen("portal:calls"), ApiCall.objects.count()) == (4, 6)
    assert "is a worker running?" in caplog.text
    assert redis_stream.drain() == 4
    redis_stream._reset_after_fork()
    call(AuthResult(actor=key_actor(organization)))
    assert stream.xlen("portal:calls") == 1


def test_an_acknowledgement_that_was_lost_makes_no_second_row(organization, stream, monkeypatch):
    send = portal_redis.PersistentConnection.send
    monkeypatch.setattr(portal_redis.PersistentConnection, "send", lambda line, *given: send(line, *given) and None)
    call(AuthResult(actor=key_actor(organization)))
    assert (stream.xlen("portal:calls"), ApiCall.objects.count()) == (1, 1)
    assert redis_stream.drain() == 1
    assert ApiCall.objects.count() == counted() == 1


@pytest.mark.faults
def test_a_redis_that_goes_is_done_without_and_comes_back(organization, stream, tmp_path: Path, settings):
    own = RedisServer(tmp_path)
    own.start()
    try:
        settings.REDIS_URL = own.url
        _forget()
        key = key_actor(organization)
        call(AuthResult(actor=key))
        own.stop()
        started = time.monotonic()
        for _ in range(5):
            call(AuthResult(actor=key))
        assert time.monotonic() - started < 2
        assert ApiCall.objects.count() == 5
        own.start()
        assert wait_for(lambda: (call(AuthResult(actor=key)), own.command("XLEN", "portal:calls"))[1] == b":1")
    finally:
        own.stop()


@pytest.mark.faults
def test_a_silent_redis_holds_a_call_for_a_third_of_a_second(organization, stream, server):
    key = key_actor(organization)
    call(AuthResult(actor=key))
    slowest: list[float] = []

    def timed(number: int) -> None:
        started = time.monotonic()
        call(AuthResult(actor=key))
        slowest.append(time.monotonic() - started)

    with server.frozen():
        in_threads(timed)
    assert max(slowest) < 1.5
    time.sleep(1.1)
    redis_stream.drain()
    assert ApiCall.objects.count() == counted() == 9
