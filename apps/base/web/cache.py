"""Django's cache in Redis, behind the breaker of ``base/redis.py``; while Redis does not answer, in this process."""

from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import Redis

from apps.base import redis as shared


class _Client(RedisCacheClient):
    """Django's client on the process's own connections, whose time limit is short."""

    def get_client(self, key: Any = None, *, write: bool = False) -> Redis:
        """Return the one client of the process."""
        return shared.client()


def _behind_breaker(name: str) -> Callable[..., Any]:
    """Return the method of that name: in Redis where it answers, else in memory."""

    def ask(self: "Cache", *values: Any, **named: Any) -> Any:
        found = shared.call_redis(lambda _client: (getattr(RedisCache, name)(self, *values, **named),))
        return getattr(self.here, name)(*values, **named) if found is None else found[0]

    return ask


class Cache(RedisCache):
    """What counts in it goes on counting in each process while Redis is away, and in Redis from its return on."""

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
