"""One Redis client per process behind a breaker: Redis may be slow, full or gone, and no request fails for it.

A call waits 300 ms at most; after a failure nobody asks again for a second, and the caller does without.
"""

import logging
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import hiredis
import redis
from django.conf import settings
from prometheus_client import Counter

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

TIMEOUT_SECONDS = 0.3
PAUSE_SECONDS = 1.0
RECEIVE_BYTES = 65_536
TIMEVAL = struct.pack("@ll", 0, int(TIMEOUT_SECONDS * 1_000_000))
UNAVAILABLE = Counter("portal_redis_unavailable_total", "Calls that went on without Redis.")


class Breaker:
    """Keeps callers away from a Redis that just failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are being kept away at this moment."""
        return time.monotonic() < self._closed_until

    def trip(self, error: Exception) -> None:
        """Keep callers away for a second and say so once."""
        with self._lock:
            first = not self.is_open
            self._closed_until = time.monotonic() + PAUSE_SECONDS
        if first:
            logger.warning("Redis does not answer (%s); limits hold per process until it does", type(error).__name__)


breaker = Breaker()


@cache
def client() -> redis.Redis:
    """Return the process's client; connecting waits for the first call."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=0,
        retry=None,
        max_connections=10_000,  # one a thread at most; the default of 100 fails a burst that Redis would bear
        protocol=2,
    )


def call_redis(question: Callable[[redis.Redis], Answer]) -> Answer | None:
    """Return Redis' answer, or None where there is no Redis or it does not answer in time."""
    if not settings.REDIS_URL:
        return None
    if breaker.is_open:
        UNAVAILABLE.inc()
        return None
    try:
        return question(client())
    except (redis.RedisError, OSError) as error:
        breaker.trip(error)
        UNAVAILABLE.inc()
        return None


def pack(*words: str | int | bytes) -> bytes:
    """Return a command as it goes over the wire."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub knows commands of one word only
    return packed


class RedisConnection:
    """A connection that one caller uses at a time, for packed commands: half of redis-py's own cost a call."""

    def __init__(self) -> None:
        # redis-py connects, signs in and selects; from then on nothing of it is between the socket and hiredis.
        self._connection = cast(Any, client().connection_pool.make_connection())
        self._connection.connect()
        self._socket = self._connection._sock
        self._reader = hiredis.Reader()
        if not isinstance(self._socket, ssl.SSLSocket):
            # The kernel keeps the time limit: Python's own polls before each send and each receive.
            self._socket.settimeout(None)
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self._socket.setsockopt(socket.SOL_SOCKET, option, TIMEVAL)

    def ask(self, packed: bytes, answers: int) -> list[Any]:
        """Send the commands in one piece and return their answers, errors among them; OSError in trouble."""
        self._socket.sendall(packed)
        found: list[Any] = []
        while True:
            piece = self._socket.recv(RECEIVE_BYTES)
            if not piece:
                raise ConnectionResetError("Redis closed the connection")
            self._reader.feed(piece)
            while (answer := self._reader.gets()) is not False:
                found.append(answer)
            if len(found) >= answers:
                return found

    def close(self) -> None:
        """End the connection; what is still on its way must not be taken for the next answer."""
        self._connection.disconnect()


class PersistentConnection:
    """Keeps one Wire open behind the breaker, for a caller that comes again and again."""

    def __init__(self) -> None:
        self._wire: RedisConnection | None = None

    def send(self, packed: bytes, answers: int = 1) -> list[Any] | None:
        """Return as many answers as commands were packed, or None where Redis does not answer in time.

        A Redis that refuses one of them (full, loading, read-only) counts as one that does not answer; only a script
        that it does not know is an answer.
        """
        if not packed:  # nothing is packed where no Redis is set
            return None
        if breaker.is_open:
            UNAVAILABLE.inc()
            return None
        try:
            return _checked(self._ask(packed, answers))
        except (redis.RedisError, hiredis.HiredisError, OSError) as error:
            self._hang_up()
            breaker.trip(error)
            UNAVAILABLE.inc()
            return None

    def _ask(self, packed: bytes, answers: int) -> list[Any]:
        if self._wire is not None:
            try:
                return self._wire.ask(packed, answers)
            except ConnectionError:
                # Closed while it lay idle, by Redis or something between: that is no trouble yet.
                self._hang_up()
        self._wire = RedisConnection()
        return self._wire.ask(packed, answers)

    def _hang_up(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()


def _checked(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, hiredis.ReplyError) and not is_unknown_script(answer):
            raise redis.ResponseError(str(answer))
    return answers


def is_unknown_script(answer: Any) -> bool:
    """Tell whether EVALSHA was asked for a script that Redis does not have (any more)."""
    return isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT")


class _Lines(threading.local):
    """One line a thread, so that nobody waits for anybody and no pool is locked."""

    def __init__(self) -> None:
        self.line = PersistentConnection()


_lines = _Lines()


def send(packed: bytes, answers: int = 1) -> list[Any] | None:
    """Do so on the line of this thread."""
    return _lines.line.send(packed, answers)


def _start_afresh() -> None:
    # A child that shared its parent's sockets would read its answers.
    global _lines
    _lines = _Lines()


os.register_at_fork(after_in_child=_start_afresh)
