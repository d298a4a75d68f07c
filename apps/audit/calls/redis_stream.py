"""The call log through a Redis stream (``API_CALL_LOG=stream``): workers move its rows into the database.

A response is sent once Redis has its row. Concurrent requests share a round trip without an extra thread: one of them
sends the calls of all. If Redis cannot take a row (unreachable, slow, full) or has too many already, ``group_commit``
stores it instead: slower, never less. What Redis loses before a worker has moved it is lost.
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
from apps.base import redis as portal_redis

logger = logging.getLogger(__name__)

STREAM_KEY = "portal:calls"
MAX_PENDING = 100_000
# How long a full stream is bypassed before its length is checked again.
FULL_BACKOFF_SECONDS = 5.0
MAX_PIPELINED = 200
DRAIN_BATCH = 1000
LOCK_MS = 10_000
# Per run: other periodic jobs wait for the same thread.
MAX_SECONDS = 5.0


class PendingCall:
    """A queued call, whether Redis has it, and the lock that its thread waits on."""

    __slots__ = ("is_stored", "packed", "wakeup_lock")

    def __init__(self, call: Call) -> None:
        self.packed: bytes = portal_redis.pack("XADD", STREAM_KEY, "*", "call", write_call(call))
        self.is_stored: bool | None = None
        self.wakeup_lock: threading.Lock | None = None


class Sender:
    """Sends the calls of this process's threads: one thread leads, the others wait until theirs are sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = portal_redis.PersistentConnection()
        self._queue: list[PendingCall] = []
        self._has_leader = False
        self._full_until = 0.0

    def send(self, call: Call) -> bool:
        """Block until the call is sent; return whether Redis has acknowledged it."""
        mine = PendingCall(call)
        with self._lock:
            self._queue.append(mine)
            if self._has_leader:
                mine.wakeup_lock = threading.Lock()
                mine.wakeup_lock.acquire()
            self._has_leader = True
        if mine.wakeup_lock is not None:
            mine.wakeup_lock.acquire()
        if mine.is_stored is None:  # not sent yet: this thread leads
            self._lead()
        return bool(mine.is_stored)

    def _lead(self) -> None:
        """Send the queued calls, wake their threads, and let the next one lead."""
        with self._lock:
            batch, self._queue = self._queue[:MAX_PIPELINED], self._queue[MAX_PIPELINED:]
        is_stored = False
        try:
            is_stored = time.monotonic() >= self._full_until and self._append([each.packed for each in batch])
        finally:
            with self._lock:
                following = self._queue[:1]
                self._has_leader = bool(following)
            for each in batch:
                each.is_stored = is_stored
            for each in (*batch, *following):
                if each.wakeup_lock is not None:
                    each.wakeup_lock.release()

    def _append(self, packed: list[bytes]) -> bool:
        replies = self._connection.send(b"".join([*packed, portal_redis.pack("XLEN", STREAM_KEY)]), len(packed) + 1)
        if replies is None:
            return False
        if replies[-1] > MAX_PENDING:
            self._full_until = time.monotonic() + FULL_BACKOFF_SECONDS
            logger.warning("the call log in Redis holds %d rows: is a worker running?", replies[-1])
        return True


_sender = Sender()


def persist(call: Call) -> None:
    """Block until the call is in Redis or, if Redis cannot take it, committed."""
    if not _sender.send(call):
        group_commit.persist(call)


def _reset_after_fork() -> None:
    global _sender
    _sender = Sender()


os.register_at_fork(after_in_child=_reset_after_fork)


# A row in Redis is JSON by field name, so that processes of two versions can share a stream.


class FieldCodec(NamedTuple):
    """How values of one type are written and read, and the default for a field that another version did not write."""

    write: Callable[[Any], str]
    read: Callable[[Any], Any]
    empty: Any


def _as_is(value: Any) -> Any:
    return value


def _nullable(codec: FieldCodec) -> FieldCodec:
    return FieldCodec(
        lambda value: "null" if value is None else codec.write(value),
        lambda value: None if value is None else codec.read(value),
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
DEFAULT_CODEC = FieldCodec(json.dumps, _as_is, None)
FIELDS = {
    name: (codec := CODECS.get(hint, DEFAULT_CODEC))._replace(empty=Call._field_defaults.get(name, codec.empty))
    for name, hint in typing.get_type_hints(Call).items()
}
WRITERS = tuple(codec.write for codec in FIELDS.values())
TEMPLATE = "{" + ",".join(f'"{name}":%s' for name in FIELDS) + "}"


def write_call(call: Call) -> str:
    """Write a call for the stream, field by field: takes a third of the time of a JSON encoder."""
    return TEMPLATE % tuple([write(value) for write, value in zip(WRITERS, call, strict=True)])


def read_call(text: bytes) -> Call:
    """Read a call written by any version: missing fields get their default, unknown ones are dropped."""
    given = json.loads(text)
    return Call(**{name: codec.read(given[name]) if name in given else codec.empty for name, codec in FIELDS.items()})


# The periodic job audit.store_streamed_calls (apps.py).
def drain(stop_after: float = MAX_SECONDS) -> int:
    """Move the calls in Redis into the database for up to ``stop_after`` seconds and return how many were moved.

    The lock only avoids duplicate work: a stored row is not counted again, and only committed rows are trimmed.
    """
    if not settings.REDIS_URL:
        return 0
    token, moved, end = uuid.uuid4().hex, 0, time.monotonic() + stop_after
    if not portal_redis.call_redis(lambda client: client.set(f"{STREAM_KEY}:lock", token, nx=True, px=LOCK_MS)):
        return 0
    try:
        while time.monotonic() < end and (entries := _read_batch()):
            _store([_read(fields) for _id, fields in entries])
            moved += len(entries)
            if not _trim(entries[-1][0]):
                break
    finally:
        if portal_redis.call_redis(lambda client: client.get(f"{STREAM_KEY}:lock")) == token.encode():
            portal_redis.call_redis(lambda client: client.delete(f"{STREAM_KEY}:lock"))
    return moved


def count_pending() -> int | None:
    """Return how many calls are in Redis, or None if it does not respond."""
    found: int | None = portal_redis.call_redis(lambda client: client.xlen(STREAM_KEY))
    return found


def is_drained_to(end: datetime) -> bool:
    """Return whether Redis has no call from before ``end``; False while it does not respond.

    Without ``API_CALL_LOG=stream`` nothing is written there, but calls left by an earlier configuration are moved.
    """
    if not settings.REDIS_URL:
        return True
    milliseconds = int(end.timestamp() * 1000)
    found: Any = portal_redis.call_redis(lambda client: client.xrange(STREAM_KEY, max=f"({milliseconds}-0", count=1))
    return found is not None and not found


def _read_batch() -> list[tuple[bytes, dict[bytes, bytes]]]:
    # The stubs allow for text responses, and for entries deleted while they were claimed.
    found: Any = portal_redis.call_redis(lambda client: client.xrange(STREAM_KEY, count=DRAIN_BATCH))
    return found or []


def _trim(last_id: bytes) -> bool:
    """Delete the entries up to ``last_id``, which are committed; Redis assigns no lower id afterwards."""
    milliseconds, _, number = last_id.partition(b"-")
    following = f"{milliseconds.decode()}-{int(number) + 1}"

    def trim(client: redis.Redis) -> bool:
        client.xtrim(STREAM_KEY, minid=following, approximate=False)
        return bool(client.pexpire(f"{STREAM_KEY}:lock", LOCK_MS))

    return bool(portal_redis.call_redis(trim))


def _read(fields: dict[bytes, bytes]) -> Call | None:
    try:
        return read_call(fields[b"call"])
    except (KeyError, TypeError, ValueError) as error:
        group_commit.report_lost_calls(1, error)
        return None


def _store(found: Sequence[Call | None]) -> None:
    """Commit the calls; report those that the database rejects as lost. Raises if the database is unreachable."""
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
