"""One Redis client per process behind a circuit breaker: no request fails when Redis is slow, full or down.

A command waits 300 ms at most; after a failure Redis is not used for a second, and callers go on without it.
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
Result = TypeVar("Result")

TIMEOUT_SECONDS = 0.3
OPEN_SECONDS = 1.0
RECEIVE_BYTES = 65_536
SOCKET_TIMEOUT = struct.pack("@ll", 0, int(TIMEOUT_SECONDS * 1_000_000))
UNAVAILABLE = Counter("portal_redis_unavailable_total", "Calls that went on without Redis.")


class Breaker:
    """A circuit breaker: open, so without commands to Redis, for a second after each failure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether Redis is not used now, after a failure."""
        return time.monotonic() < self._open_until

    def trip(self, error: Exception) -> None:
        """Open the breaker for a second and log it, unless it is open already."""
        with self._lock:
            first = not self.is_open
            self._open_until = time.monotonic() + OPEN_SECONDS
        if first:
            logger.warning("Redis does not answer (%s); limits hold per process until it does", type(error).__name__)


breaker = Breaker()


@cache
def client() -> redis.Redis:
    """Return the client of this process, which connects with its first command."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=0,
        retry=None,
        max_connections=10_000,  # at most one per thread; the default of 100 fails bursts that Redis can serve
        protocol=2,
    )


def call_redis(command: Callable[[redis.Redis], Result]) -> Result | None:
    """Return the result of ``command``, or None where no Redis is configured or it does not respond in time."""
    if not settings.REDIS_URL:
        return None
    if breaker.is_open:
        UNAVAILABLE.inc()
        return None
    try:
        return command(client())
    except (redis.RedisError, OSError) as error:
        breaker.trip(error)
        UNAVAILABLE.inc()
        return None


def pack(*words: str | int | bytes) -> bytes:
    """Return a command in the Redis protocol (RESP)."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub has commands of one word only
    return packed


class RedisConnection:
    """A connection for packed commands, used by one thread: it costs half as much per command as redis-py."""

    def __init__(self) -> None:
        # redis-py connects, authenticates and selects the database; after that only hiredis uses the socket.
        self._connection = cast(Any, client().connection_pool.make_connection())
        self._connection.connect()
        self._socket = self._connection._sock
        self._reader = hiredis.Reader()
        if not isinstance(self._socket, ssl.SSLSocket):
            # The kernel enforces the timeout: Python's own would poll before each send and receive.
            self._socket.settimeout(None)
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self._socket.setsockopt(socket.SOL_SOCKET, option, SOCKET_TIMEOUT)

    def execute(self, packed: bytes, count: int) -> list[Any]:
        """Send ``count`` commands at once and return their replies, including errors; raise OSError on failure."""
        self._socket.sendall(packed)
        replies: list[Any] = []
        while True:
            piece = self._socket.recv(RECEIVE_BYTES)
            if not piece:
                raise ConnectionResetError("Redis closed the connection")
            self._reader.feed(piece)
            while (reply := self._reader.gets()) is not False:
                replies.append(reply)
            if len(replies) >= count:
                return replies

    def close(self) -> None:
        """Close the connection: a late reply must not be read as that of the next command."""
        self._connection.disconnect()


class PersistentConnection:
    """A RedisConnection behind the breaker that stays open, and is opened again where it was closed."""

    def __init__(self) -> None:
        self._connection: RedisConnection | None = None

    def send(self, packed: bytes, count: int = 1) -> list[Any] | None:
        """Return the replies to ``count`` packed commands, or None where Redis does not respond in time.

        An error reply (full, loading, read-only) counts as no response; only NOSCRIPT is returned.
        """
        if not packed:  # callers pack nothing where no Redis is configured
            return None
        if breaker.is_open:
            UNAVAILABLE.inc()
            return None
        try:
            return _checked(self._execute(packed, count))
        except (redis.RedisError, hiredis.HiredisError, OSError) as error:
            self._close()
            breaker.trip(error)
            UNAVAILABLE.inc()
            return None

    def _execute(self, packed: bytes, count: int) -> list[Any]:
        if self._connection is not None:
            try:
                return self._connection.execute(packed, count)
            except ConnectionError:
                # Redis or a proxy closed it while it was idle, which is no failure yet.
                self._close()
        self._connection = RedisConnection()
        return self._connection.execute(packed, count)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _checked(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError) and not is_unknown_script(reply):
            raise redis.ResponseError(str(reply))
    return replies


def is_unknown_script(reply: Any) -> bool:
    """Return whether EVALSHA named a script that Redis does not have (any more)."""
    return isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT")


class _ThreadConnection(threading.local):
    """One connection per thread, so that threads do not wait for each other and no pool is locked."""

    def __init__(self) -> None:
        self.connection = PersistentConnection()


_thread = _ThreadConnection()


def send(packed: bytes, count: int = 1) -> list[Any] | None:
    """Send packed commands on the connection of this thread (``PersistentConnection.send``)."""
    return _thread.connection.send(packed, count)


def _reset_connections() -> None:
    # A child process that shared its parent's sockets would read its parent's replies.
    global _thread
    _thread = _ThreadConnection()


os.register_at_fork(after_in_child=_reset_connections)
