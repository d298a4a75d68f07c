"""One Redis client per process behind a breaker: Redis may be slow, full or gone, and no request fails for it.

A call waits 300 ms at most; after a failure nobody asks again for a second, and the caller does without.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import redis
from django.conf import settings
from prometheus_client import Counter

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

TIMEOUT_SECONDS = 0.3
PAUSE_SECONDS = 1.0
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
        """This will keep callers away for a second and say so once."""
        with self._lock:
            first = not self.is_open
            self._closed_until = time.monotonic() + PAUSE_SECONDS
        if first:
            logger.warning("Redis does not answer (%s); limits hold per process until it does", type(error).__name__)


breaker = Breaker()


@cache
def client() -> redis.Redis:
    """This will return the process's client; connecting waits for the first call."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=0,
        retry=None,
        max_connections=10_000,  # one a thread at most; the default of 100 fails a burst that Redis would bear
        protocol=2,
    )


def ask(question: Callable[[redis.Redis], Answer]) -> Answer | None:
    """This will return Redis' answer, or None where there is no Redis or it does not answer in time."""
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
