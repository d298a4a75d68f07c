"""Django's cache in Redis, behind the circuit breaker of ``base/redis.py``, with fallback to local memory."""

from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import Redis

from apps.base import redis as shared


class _Client(RedisCacheClient):
    """Django's client on the process's shared connections, which have short timeouts."""

    def get_client(self, key: Any = None, *, write: bool = False) -> Redis:
        """Return the client that the process shares."""
        return shared.client()


def _behind_breaker(name: str) -> Callable[..., Any]:
    """Return the cache method of that name: in Redis while it is available, else in memory."""

    def call(self: "Cache", *values: Any, **named: Any) -> Any:
        found = shared.call_redis(lambda _client: (getattr(RedisCache, name)(self, *values, **named),))
        return getattr(self.here, name)(*values, **named) if found is None else found[0]

    return call


class Cache(RedisCache):
    """A cache that falls back to each process's memory while Redis is unavailable."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
        self.here = LocMemCache("portal", params)

    add = _behind_breaker("add")
    get = _behind_breaker("get")
    set = _behind_breaker("set")
    touch = _behind_breaker("touch")
    incr = _behind_breaker("incr")
    delete = _behind_breaker("delete")
    has_key = _behind_breaker("has_key")
    get_many = _behind_breaker("get_many")
    set_many = _behind_breaker("set_many")
    delete_many = _behind_breaker("delete_many")
    clear = _behind_breaker("clear")
