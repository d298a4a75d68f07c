"""The rate limiter of ``/v1``; page forms use django-ratelimit (``base/web/form_limits.py``).

Fixed windows, each starting with the first request after the previous one ended. Several windows are consumed
together, all or nothing; a refused request is not counted.

Exact across the threads of a process and, with Redis, across processes: one Lua script consumes every window and
checks that the caller's cached row is current (docs/adr/0003).
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.conf import settings

from apps.base import redis as portal_redis

PREFIX = "portal:"
# Above this number, windows that have ended are removed from memory.
MAX_WINDOWS = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """A limit: its name in headers, the bucket it counts in, and ``limit`` requests per ``seconds``."""

    name: str
    bucket: str
    limit: int
    seconds: int
    policy: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", f'"{self.name}";q={self.limit};w={self.seconds}')


class WindowState(NamedTuple):
    """The state of a window after a request; ``reset``: seconds until it ends."""

    window: Window
    remaining: int
    reset: float

    @property
    def reset_seconds(self) -> int:
        """Whole seconds, rounded up, until the window ends."""
        if self.reset <= 0:
            return self.window.seconds
        # Floating point: (now + seconds) - now can slightly exceed seconds.
        return min(self.window.seconds, max(1, math.ceil(self.reset)))


class Decision(NamedTuple):
    """Whether the request is within its limits; ``stale`` where the caller's row must be read again first."""

    allowed: bool
    states: tuple[WindowState, ...] = ()
    stale: bool = False

    @property
    def retry_after(self) -> int:
        """Whole seconds until every exhausted window has ended."""
        return max((state.reset_seconds for state in self.states if state.remaining <= 0), default=1)


ALLOWED = Decision(True)


class MemoryLimiter:
    """The limiter of one process, used without Redis or while Redis is unavailable."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def consume(self, windows: Sequence[Window], cost: int = 1) -> Decision:
        """Count the request in every window, or in none."""
        now = self._clock()
        with self._lock:
            used = [self._used(window, now) for window in windows]
            allowed = all(count + cost <= window.limit for window, (_, count) in zip(windows, used, strict=True))
            # ``peek`` (cost 0) does not start a window.
            if allowed and cost:
                used = [(end, count + cost) for end, count in used]
                self._windows.update({window.bucket: each for window, each in zip(windows, used, strict=True)})
            if len(self._windows) > MAX_WINDOWS:
                self._windows = {bucket: each for bucket, each in self._windows.items() if each[0] > now}
        states = (
            WindowState(window, max(0, window.limit - count), end - now if count else 0.0)
            for window, (end, count) in zip(windows, used, strict=True)
        )
        return Decision(allowed, tuple(states))

    def refund(self, windows: Sequence[Window]) -> None:
        """Remove one counted request from each window; a window that drops to zero is deleted."""
        now = self._clock()
        with self._lock:
            for window in windows:
                end, count = self._used(window, now)
                if count > 1:
                    self._windows[window.bucket] = (end, count - 1)
                else:
                    self._windows.pop(window.bucket, None)

    def peek(self, windows: Sequence[Window]) -> Decision:
        """Return the state of the windows without counting."""
        return self.consume(windows, cost=0)

    def _used(self, window: Window, now: float) -> tuple[float, int]:
        end, count = self._windows.get(window.bucket, (0.0, 0))
        return (end, count) if end > now else (now + window.seconds, 0)

    def clear(self) -> None:
        """Remove all windows, for tests."""
        with self._lock:
            self._windows.clear()


# KEYS: version keys, then buckets. ARGV: number of versions, cost, the versions, then limit and milliseconds of each
# bucket. Returns -1 where a version differs (nothing is counted), else allowed and (count, milliseconds left) each.
# All values are read by one MGET: each redis.call costs as much as the rest of the script.
CONSUME_SCRIPT = """
local versions, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local values = redis.call('MGET', unpack(KEYS))
for i = 1, versions do
  if values[i] ~= ARGV[2 + i] then return {-1} end
end
local answer, allowed = {1}, 1
for i = versions + 1, #KEYS do
  local count, left = tonumber(values[i] or '0'), -2
  if values[i] then left = redis.call('PTTL', KEYS[i]) end
  if left < 0 then count = 0 end
  local at = 3 + versions + (i - versions - 1) * 2
  if count + cost > tonumber(ARGV[at]) then allowed = 0 end
  answer[#answer + 1] = count
  answer[#answer + 1] = left
end
answer[1] = allowed
if allowed == 1 and cost > 0 then
  for i = versions + 1, #KEYS do
    local slot, at = 2 + (i - versions - 1) * 2, 3 + versions + (i - versions - 1) * 2
    if answer[slot + 1] < 0 then
      redis.call('SET', KEYS[i], cost, 'PX', ARGV[at + 1])
      answer[slot + 1] = tonumber(ARGV[at + 1])
    else
      redis.call('INCRBY', KEYS[i], cost)
    end
    answer[slot] = answer[slot] + cost
  end
end
return answer
"""
# KEYS: buckets in which one request was counted. A window that would drop to zero is deleted.
REFUND_SCRIPT = """
for i = 1, #KEYS do
  local count = tonumber(redis.call('GET', KEYS[i]) or '0')
  redis.call(count > 1 and 'DECR' or 'DEL', KEYS[i])
end
return 1
"""
CONSUME_SHA = hashlib.sha1(CONSUME_SCRIPT.encode(), usedforsecurity=False).hexdigest()

memory = MemoryLimiter()


def consume(
    windows: Sequence[Window], versions: Sequence[tuple[str, str]] = (), cost: int = 1, packed: bytes = b""
) -> Decision:
    """Count a request of the given cost, in Redis where it is available, else in this process.

    ``versions``: pairs (name, value) that must be current in Redis; where one is not, nothing is counted and the
    decision is ``stale``. ``packed``: the result of ``pack`` for the same arguments, from a caller that caches it.
    """
    if not windows and not versions:
        return ALLOWED
    reply = _run_script(packed or pack(windows, versions, cost), windows, versions, cost)
    if reply is None:
        return Decision(False, stale=True) if versions else memory.consume(windows, cost)
    if reply[0] == -1:
        return Decision(False, stale=True)
    states = []
    for index, window in enumerate(windows):
        count, left = reply[1 + index * 2], reply[2 + index * 2]
        states.append(WindowState(window, max(0, window.limit - count), max(0, left) / 1000))
    return Decision(reply[0] == 1, tuple(states))


def refund(states: Sequence[WindowState]) -> tuple[WindowState, ...]:
    """Remove a request from the windows that counted it, and return their states.

    For a request that another limit refuses afterwards: refused requests are not counted.
    """
    windows = [state.window for state in states]
    if windows:
        names = [f"{PREFIX}w:{window.bucket}" for window in windows]
        command = portal_redis.pack("EVAL", REFUND_SCRIPT, len(names), *names)
        if not settings.REDIS_URL or portal_redis.send(command) is None:
            memory.refund(windows)
    return tuple(state._replace(remaining=min(state.window.limit, state.remaining + 1)) for state in states)


def peek(windows: Sequence[Window]) -> tuple[WindowState, ...]:
    """Return the state of the windows, in the given order, without counting."""
    return consume(windows, cost=0).states


def pack(windows: Sequence[Window], versions: Sequence[tuple[str, str]] = (), cost: int = 1, script: str = "") -> bytes:
    """Return the Redis command as bytes, with the script's digest or its source in ``script``."""
    if not settings.REDIS_URL:
        return b""
    arguments: list[str | int] = ["EVAL", script] if script else ["EVALSHA", CONSUME_SHA]
    arguments.append(len(versions) + len(windows))
    arguments += [f"{PREFIX}{name}" for name, _ in versions]
    arguments += [f"{PREFIX}w:{window.bucket}" for window in windows]
    arguments += [len(versions), cost, *(value for _, value in versions)]
    for window in windows:
        arguments += [window.limit, window.seconds * 1000]
    return portal_redis.pack(*arguments)


def _run_script(
    packed: bytes, windows: Sequence[Window], versions: Sequence[tuple[str, str]], cost: int
) -> list[int] | None:
    replies = portal_redis.send(packed)
    if replies is not None and portal_redis.is_unknown_script(replies[0]):
        # A restarted or flushed Redis does not know the script: send its source once.
        replies = portal_redis.send(pack(windows, versions, cost, CONSUME_SCRIPT))
    return None if replies is None else replies[0]


def headers(states: Sequence[WindowState]) -> dict[str, str]:
    """Return ``RateLimit-Limit``, ``-Remaining`` and ``-Reset`` of the tightest window, and the two IETF draft fields.

    draft-ietf-httpapi-ratelimit-headers: ``RateLimit-Policy`` and ``RateLimit`` as structured-field lists.
    """
    if not states:
        return {}
    tightest = min(states, key=lambda state: (state.remaining, -state.reset))
    items = [f'"{state.window.name}";r={state.remaining};t={state.reset_seconds}' for state in states]
    return {
        "RateLimit-Limit": str(tightest.window.limit),
        "RateLimit-Remaining": str(tightest.remaining),
        "RateLimit-Reset": str(tightest.reset_seconds),
        "RateLimit-Policy": ", ".join([state.window.policy for state in states]),
        "RateLimit": ", ".join(items),
    }
