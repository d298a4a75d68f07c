"""Is it us? Tells a receiver that is down from a portal that has no network.

No network of ours: every attempt of the last minute failed to resolve or connect, to three or more hosts that each
answered within the last 24 hours. Such attempts do not count against anybody.
"""

import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from apps.webhooks.outcomes import Outcome

WINDOW_SECONDS = 60.0
ANSWERED_SECONDS = 24 * 3600.0
FEWEST_HOSTS = 3
MOST_HOSTS = 10_000
UNREACHED = frozenset({"dns_failed", "connection_failed"})
LOOKUP_EVERY_SECONDS = 10.0

# Given endpoints, tells which of them answered within the last 24 hours: what a fresh process does not remember.
AnsweredLately = Callable[[Iterable[uuid.UUID]], set[uuid.UUID]]


class Sight(NamedTuple):
    """One attempt as the watch remembers it."""

    at: float
    host: str
    endpoint_id: uuid.UUID
    was_reached: bool


@lru_cache(maxsize=4096)
def host_of(url: str) -> str:
    """This will return the host that a URL names."""
    return urlsplit(url).hostname or ""


def is_unreached(outcome: Outcome) -> bool:
    """This will tell whether an attempt failed before there was a connection; a refused address is not that."""
    if outcome.refused:
        return False
    return outcome.error in UNREACHED or (outcome.error == "timed_out" and outcome.hint == "dns_timed_out")


class NetworkWatch:
    """What this process saw of the network; used by one thread."""

    def __init__(self, answered_lately: AnsweredLately, clock: Callable[[], float] = time.monotonic) -> None:
        self._answered_lately = answered_lately
        self._clock = clock
        self._sights: deque[Sight] = deque()
        self._answered: OrderedDict[str, float] = OrderedDict()
        self._looked_up = float("-inf")

    def see(self, url: str, endpoint_id: uuid.UUID, outcome: Outcome) -> None:
        """This will remember one attempt that was made; what was shut down on our side says nothing."""
        host = host_of(url)
        if outcome.error == "shutdown" or outcome.refused or not host:  # the test inbox has no host
            return
        now = self._clock()
        self._sights.append(Sight(now, host, endpoint_id, not is_unreached(outcome)))
        if outcome.status_code is not None:
            self._remember(host, now)

    def is_down(self) -> bool:
        """This will tell whether nothing can be reached from here."""
        now = self._clock()
        while self._sights and self._sights[0].at < now - WINDOW_SECONDS:
            self._sights.popleft()
        if not self._sights or any(sight.was_reached for sight in self._sights):
            return False
        hosts = {sight.host: sight.endpoint_id for sight in self._sights}
        if len(hosts) < FEWEST_HOSTS:
            return False
        self._ask_the_rows(hosts, now)
        known = [host for host in hosts if self._answered.get(host, float("-inf")) > now - ANSWERED_SECONDS]
        return len(known) >= FEWEST_HOSTS

    def _ask_the_rows(self, hosts: dict[str, uuid.UUID], now: float) -> None:
        """Learn from the database, at most every ten seconds, what another or an earlier process saw."""
        if now - self._looked_up < LOOKUP_EVERY_SECONDS:
            return
        self._looked_up = now
        unknown = {endpoint_id: host for host, endpoint_id in hosts.items() if host not in self._answered}
        for endpoint_id in self._answered_lately(unknown) if unknown else ():
            self._remember(unknown[endpoint_id], now)

    def _remember(self, host: str, at: float) -> None:
        self._answered[host] = at
        self._answered.move_to_end(host)
        if len(self._answered) > MOST_HOSTS:
            self._answered.popitem(last=False)
