"""Is it us? Tells a receiver that is down from a portal that has no network.

No network of ours: every attempt of the last minute failed to resolve or connect without any answer, to three or more
hosts that each answered within the last 24 hours. Such attempts do not count against anybody. A refused connection
(RST) and a name that does not exist are answers.
"""

import logging
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from apps.webhooks.engine.outcomes import Outcome

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0
ANSWERED_SECONDS = 24 * 3600.0
FEWEST_HOSTS = 3
MOST_HOSTS = 10_000
UNREACHED = frozenset({"dns_failed", "connection_failed"})
NAME_ANSWERED = frozenset({"dns_no_such_name", "dns_no_address"})
LOOKUP_EVERY_SECONDS = 10.0

# Given endpoints, tells which of them answered within the last 24 hours: what a fresh process does not remember.
AnsweredLately = Callable[[Iterable[uuid.UUID]], set[uuid.UUID]]


class Reachability(NamedTuple):
    """One attempt as the watch remembers it."""

    at: float
    host: str
    endpoint_id: uuid.UUID
    was_reached: bool


@lru_cache(maxsize=4096)
def host_of(url: str) -> str:
    """Return the host that a URL names."""
    return urlsplit(url).hostname or ""


def is_unreached(outcome: Outcome) -> bool:
    """Tell whether an attempt failed without any answer from outside; an address refused by us is not that."""
    if outcome.refused or outcome.is_answered or outcome.hint in NAME_ANSWERED:
        return False
    return outcome.error in UNREACHED or (outcome.error == "timed_out" and outcome.hint == "dns_timed_out")


class NetworkWatch:
    """What this process saw of the network; used by one thread."""

    def __init__(self, answered_lately: AnsweredLately, clock: Callable[[], float] = time.monotonic) -> None:
        self._answered_lately = answered_lately
        self._clock = clock
        self._sights: deque[Reachability] = deque()
        self._reached = 0
        self._answered: OrderedDict[str, float] = OrderedDict()
        self._looked_up = float("-inf")
        self._was_down = False

    def see(self, url: str, endpoint_id: uuid.UUID, outcome: Outcome) -> None:
        """Remember one attempt that was made; what was shut down on our side says nothing."""
        host = host_of(url)
        if outcome.error == "shutdown" or outcome.refused or not host:  # the test inbox has no host
            return
        now = self._clock()
        sight = Reachability(now, host, endpoint_id, not is_unreached(outcome))
        self._sights.append(sight)
        self._reached += sight.was_reached
        if outcome.status_code is not None:
            self._remember(host, now)

    def is_down(self) -> bool:
        """Tell whether nothing can be reached from here; the log says when that begins and ends."""
        is_down = self._is_down(self._clock())
        if is_down and not self._was_down:
            logger.error("no network: nothing answers any more; failed attempts do not count until something does")
        elif self._was_down and not is_down:
            logger.warning("the network is back: failed attempts count again")
        self._was_down = is_down
        return is_down

    def _is_down(self, now: float) -> bool:
        while self._sights and self._sights[0].at < now - WINDOW_SECONDS:
            self._reached -= self._sights.popleft().was_reached
        if self._reached or not self._sights:
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
