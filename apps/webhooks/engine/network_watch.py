"""Detects that this machine has no network, as opposed to endpoints that are down.

The network is down when every attempt of the last minute failed to resolve or connect without any response, to three or
more hosts that each responded within the last 24 hours. Such attempts do not count against their endpoints. A refused
connection (RST) and a name that does not exist are responses.
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
MIN_HOSTS = 3
MAX_HOSTS = 10_000
UNREACHED = frozenset({"dns_failed", "connection_failed"})
NAME_ANSWERED = frozenset({"dns_no_such_name", "dns_no_address"})
LOOKUP_EVERY_SECONDS = 10.0

# Returns which of the given endpoints responded within the last 24 hours, which a new process does not know.
AnsweredRecently = Callable[[Iterable[uuid.UUID]], set[uuid.UUID]]


class Reachability(NamedTuple):
    """Whether one attempt reached its host."""

    at: float
    host: str
    endpoint_id: uuid.UUID
    was_reached: bool


@lru_cache(maxsize=4096)
def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def is_unreached(outcome: Outcome) -> bool:
    """Return whether an attempt failed without any response; an address that the policy refused does not count."""
    if outcome.refused or outcome.is_answered or outcome.hint in NAME_ANSWERED:
        return False
    return outcome.error in UNREACHED or (outcome.error == "timed_out" and outcome.hint == "dns_timed_out")


class NetworkWatch:
    """The attempts of this process within the last minute; used by one thread."""

    def __init__(self, responded_recently: AnsweredRecently, clock: Callable[[], float] = time.monotonic) -> None:
        self._answered_recently = responded_recently
        self._clock = clock
        self._sights: deque[Reachability] = deque()
        self._reached = 0
        self._answered: OrderedDict[str, float] = OrderedDict()
        self._looked_up = float("-inf")
        self._was_down = False

    def add(self, url: str, endpoint_id: uuid.UUID, outcome: Outcome) -> None:
        """Add a finished attempt, unless it was refused or aborted on this side."""
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
        """Return whether this machine has no network, and log when that begins and ends."""
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
        if len(hosts) < MIN_HOSTS:
            return False
        self._load_answered(hosts, now)
        known = [host for host in hosts if self._answered.get(host, float("-inf")) > now - ANSWERED_SECONDS]
        return len(known) >= MIN_HOSTS

    def _load_answered(self, hosts: dict[str, uuid.UUID], now: float) -> None:
        """Load from the database, at most every ten seconds, which hosts responded to other or earlier processes."""
        if now - self._looked_up < LOOKUP_EVERY_SECONDS:
            return
        self._looked_up = now
        unknown = {endpoint_id: host for host, endpoint_id in hosts.items() if host not in self._answered}
        for endpoint_id in self._answered_recently(unknown) if unknown else ():
            self._remember(unknown[endpoint_id], now)

    def _remember(self, host: str, at: float) -> None:
        self._answered[host] = at
        self._answered.move_to_end(host)
        if len(self._answered) > MAX_HOSTS:
            self._answered.popitem(last=False)
