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


def _with_fallback(name: str) -> Callable[..., Any]:
    """Return the cache method of that name: in Redis while it is available, else in memory."""

    def call(self: "Cache", *arguments: Any, **options: Any) -> Any:
        found = shared.call_redis(lambda _client: (getattr(RedisCache, name)(self, *arguments, **options),))
        return getattr(self.local_cache, name)(*arguments, **options) if found is None else found[0]

    return call


class Cache(RedisCache):
    """A cache that falls back to each process's memory while Redis is unavailable."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
        self.local_cache = LocMemCache("portal", params)

    add = _with_fallback("add")
    get = _with_fallback("get")
    set = _with_fallback("set")
    touch = _with_fallback("touch")
    incr = _with_fallback("incr")
    delete = _with_fallback("delete")
    has_key = _with_fallback("has_key")
    get_many = _with_fallback("get_many")
    set_many = _with_fallback("set_many")
    delete_many = _with_fallback("delete_many")
    clear = _with_fallback("clear")
