"""The call log by way of Redis (``API_CALL_LOG=stream``): an answer leaves when Redis has its row, workers move it on.

Callers that wait at the same time share a round trip, without a thread in between: one of them sends what all of them
have put down. Where Redis cannot take a row (gone, silent, full) or holds too many already, the group commit
of ``call_writer`` takes it: slower, never less. What Redis loses before a worker has moved it, is lost.
"""

import json
import logging
import os
import threading
import time
import typing
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import DatabaseError

from apps.audit.calls import group_commit, store
from apps.audit.calls.store import Call
from apps.base import redis as shared

logger = logging.getLogger(__name__)

KEY = "portal:calls"
MAX_PENDING = 100_000
# How long a stream that is too long is left alone before somebody asks again whether it is shorter.
FULL_BACKOFF_SECONDS = 5.0
MAX_PIPELINED = 200
DRAIN_BATCH = 1000
LOCK_MS = 10_000
# One round of the sweep; others wait for the same thread.
MAX_SECONDS = 5.0


class PendingCall:
    """A call that somebody put down, whether Redis has it, and the lock that its thread sleeps on."""

    __slots__ = ("is_kept", "packed", "woken")

    def __init__(self, call: Call) -> None:
        self.packed: bytes = shared.pack("XADD", KEY, "*", "call", write_call(call))
        self.is_kept: bool | None = None
        self.woken: threading.Lock | None = None


class Sender:
    """Sends what this process's threads put down: one of them leads, the others sleep until theirs was sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line = shared.PersistentConnection()
        self._put_down: list[PendingCall] = []
        self._has_leader = False
        self._full_until = 0.0

    def keep(self, call: Call) -> bool:
        """Return when Redis has acknowledged the call, or tell that it cannot take it."""
        mine = PendingCall(call)
        with self._lock:
            self._put_down.append(mine)
            if self._has_leader:
                mine.woken = threading.Lock()
                mine.woken.acquire()
            self._has_leader = True
        if mine.woken is not None:
            mine.woken.acquire()
        if mine.is_kept is None:  # nobody has sent it: it is for this thread to lead
            self._lead()
        return bool(mine.is_kept)

    def _lead(self) -> None:
        """Send what was put down so far, wake its threads, and have the next one lead."""
        with self._lock:
            batch, self._put_down = self._put_down[:MAX_PIPELINED], self._put_down[MAX_PIPELINED:]
        is_kept = False
        try:
            is_kept = time.monotonic() >= self._full_until and self._ask([each.packed for each in batch])
        finally:
            with self._lock:
                following = self._put_down[:1]
                self._has_leader = bool(following)
            for each in batch:
                each.is_kept = is_kept
            for each in (*batch, *following):
                if each.woken is not None:
                    each.woken.release()

    def _ask(self, packed: list[bytes]) -> bool:
        answers = self._line.send(b"".join([*packed, shared.pack("XLEN", KEY)]), len(packed) + 1)
        if answers is None:
            return False
        if answers[-1] > MAX_PENDING:
            self._full_until = time.monotonic() + FULL_BACKOFF_SECONDS
            logger.warning("the call log in Redis holds %d rows: is a worker running?", answers[-1])
        return True


_sender = Sender()


def persist(call: Call) -> None:
    """Return when the call is in Redis, or else committed."""
    if not _sender.keep(call):
        group_commit.persist(call)


def _reset_after_fork() -> None:
    global _sender
    _sender = Sender()


os.register_at_fork(after_in_child=_reset_after_fork)


# A row as Redis holds it: JSON by the names of the fields, so that processes of two versions can share a stream.


class FieldCodec(NamedTuple):
    """How values of one type are written, read, and what stands for one that a version did not know."""

    write: Callable[[Any], str]
    read: Callable[[Any], Any]
    empty: Any


def _as_is(value: Any) -> Any:
    return value


def _nullable(form: FieldCodec) -> FieldCodec:
    return FieldCodec(
        lambda value: "null" if value is None else form.write(value),
        lambda value: None if value is None else form.read(value),
        None,
    )


CODECS: dict[Any, FieldCodec] = {
    str: FieldCodec(encode_basestring_ascii, _as_is, ""),
    int: FieldCodec(str, _as_is, 0),
    float: FieldCodec(repr, _as_is, 0.0),
    bool: FieldCodec(json.dumps, _as_is, False),
    uuid.UUID: FieldCodec(lambda value: f'"{value.hex}"', uuid.UUID, None),
    datetime: FieldCodec(lambda value: f'"{value.isoformat()}"', datetime.fromisoformat, None),
}
CODECS[uuid.UUID | None] = _nullable(CODECS[uuid.UUID])
ANYTHING = FieldCodec(json.dumps, _as_is, None)
FIELDS = {
    name: (form := CODECS.get(hint, ANYTHING))._replace(empty=Call._field_defaults.get(name, form.empty))
    for name, hint in typing.get_type_hints(Call).items()
}
WRITERS = tuple(form.write for form in FIELDS.values())
TEMPLATE = "{" + ",".join(f'"{name}":%s' for name in FIELDS) + "}"


def write_call(call: Call) -> str:
    """Write a call for the stream, field by field: a third of what a JSON encoder takes for it."""
    return TEMPLATE % tuple([write(value) for write, value in zip(WRITERS, call, strict=True)])


def read_call(text: bytes) -> Call:
    """Read what any version wrote: fields it did not know are empty, those unknown here are left out."""
    given = json.loads(text)
    return Call(**{name: form.read(given[name]) if name in given else form.empty for name, form in FIELDS.items()})


# The way on into the database, in every worker process.


# The periodic job audit.store_streamed_calls (apps.py).
def drain(stop_after: float = MAX_SECONDS) -> int:
    """Move what Redis holds into the database, batch by batch until nothing is left; and return how much.

    Two at once only do needless work, and a lock keeps them from it: a row that is stored already is not counted
    again, and what is trimmed was committed before.
    """
    if not settings.REDIS_URL:
        return 0
    token, moved, end = uuid.uuid4().hex, 0, time.monotonic() + stop_after
    if not shared.call_redis(lambda client: client.set(f"{KEY}:lock", token, nx=True, px=LOCK_MS)):
        return 0
    try:
        while time.monotonic() < end and (entries := _first()):
            _store([_read(fields) for _id, fields in entries])
            moved += len(entries)
            if not _trim(entries[-1][0]):
                break
    finally:
        if shared.call_redis(lambda client: client.get(f"{KEY}:lock")) == token.encode():
            shared.call_redis(lambda client: client.delete(f"{KEY}:lock"))
    return moved


def count_pending() -> int | None:
    """Return how many calls are still to be moved, None where Redis does not answer."""
    found: int | None = shared.call_redis(lambda client: client.xlen(KEY))
    return found


def is_drained_to(moment: datetime) -> bool:
    """Tell whether Redis holds no call of before a moment; not while Redis does not answer.

    Without ``API_CALL_LOG=stream`` nothing is written there; what an earlier configuration left is moved all the same.
    """
    if not settings.REDIS_URL:
        return True
    milliseconds = int(moment.timestamp() * 1000)
    found: Any = shared.call_redis(lambda client: client.xrange(KEY, max=f"({milliseconds}-0", count=1))
    return found is not None and not found


def _first() -> list[tuple[bytes, dict[bytes, bytes]]]:
    # The stubs allow for answers as text, and for entries that were deleted while they were claimed.
    found: Any = shared.call_redis(lambda client: client.xrange(KEY, count=DRAIN_BATCH))
    return found or []


def _trim(last_id: bytes) -> bool:
    """Everything up to the last one is committed, and Redis gives out no lower number any more."""
    milliseconds, _, number = last_id.partition(b"-")
    following = f"{milliseconds.decode()}-{int(number) + 1}"

    def question(client: redis.Redis) -> bool:
        client.xtrim(KEY, minid=following, approximate=False)
        return bool(client.pexpire(f"{KEY}:lock", LOCK_MS))

    return bool(shared.call_redis(question))


def _read(fields: dict[bytes, bytes]) -> Call | None:
    try:
        return read_call(fields[b"call"])
    except (KeyError, TypeError, ValueError) as error:
        group_commit.report_lost_calls(1, error)
        return None


def _store(found: Sequence[Call | None]) -> None:
    """Commit the calls; one that the database refuses is given up, a database that is away is raised."""
    calls = [call for call in found if call is not None]
    try:
        store.store(calls, {})
    except group_commit.UNREACHABLE:
        raise
    except DatabaseError as error:
        if len(calls) <= 1:
            group_commit.report_lost_calls(len(calls), error)
            return
        _store(calls[: len(calls) // 2])
        _store(calls[len(calls) // 2 :])
