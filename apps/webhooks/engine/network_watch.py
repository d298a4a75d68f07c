"""Detect that this machine has no network, as opposed to endpoints that are down.

The network is down if no attempt of the last minute got any response while resolving the name or connecting, and the
attempts went to three or more hosts that each responded within the last 24 hours. Such attempts do not count against
their endpoints. A refused connection (RST) and a DNS answer that the name does not exist are responses.
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
RECENT_RESPONSE_SECONDS = 24 * 3600.0
MIN_HOSTS = 3
MAX_HOSTS = 10_000
UNREACHED_ERRORS = frozenset({"dns_failed", "connection_failed"})
DNS_ANSWER_HINTS = frozenset({"dns_no_such_name", "dns_no_address"})
LOOKUP_EVERY_SECONDS = 10.0

# Returns which of the given endpoints responded within the last 24 hours; a new process loads this from the database.
RespondedRecently = Callable[[Iterable[uuid.UUID]], set[uuid.UUID]]


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
    """Return whether an attempt failed without any response; False if the policy refused the address."""
    if outcome.refused or outcome.has_network_response or outcome.hint in DNS_ANSWER_HINTS:
        return False
    return outcome.error in UNREACHED_ERRORS or (outcome.error == "timed_out" and outcome.hint == "dns_timed_out")


class NetworkWatch:
    """The attempts of this process within the last minute; used by one thread."""

    def __init__(self, responded_recently: RespondedRecently, clock: Callable[[], float] = time.monotonic) -> None:
        self._responded_recently = responded_recently
        self._clock = clock
        self._attempts: deque[Reachability] = deque()
        self._reached_count = 0
        self._responded_at: OrderedDict[str, float] = OrderedDict()
        self._loaded_at = float("-inf")
        self._was_down = False

    def add(self, url: str, endpoint_id: uuid.UUID, outcome: Outcome) -> None:
        """Add a finished attempt, unless it was refused or aborted on this side."""
        host = host_of(url)
        if outcome.error == "shutdown" or outcome.refused or not host:  # the test inbox has no host
            return
        now = self._clock()
        attempt = Reachability(now, host, endpoint_id, not is_unreached(outcome))
        self._attempts.append(attempt)
        self._reached_count += attempt.was_reached
        if outcome.status_code is not None:
            self._store_response_time(host, now)

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
        while self._attempts and self._attempts[0].at < now - WINDOW_SECONDS:
            self._reached_count -= self._attempts.popleft().was_reached
        if self._reached_count or not self._attempts:
            return False
        hosts = {attempt.host: attempt.endpoint_id for attempt in self._attempts}
        if len(hosts) < MIN_HOSTS:
            return False
        self._load_responses(hosts, now)
        known = [host for host in hosts if self._responded_at.get(host, float("-inf")) > now - RECENT_RESPONSE_SECONDS]
        return len(known) >= MIN_HOSTS

    def _load_responses(self, hosts: dict[str, uuid.UUID], now: float) -> None:
        """Load from the database, at most every ten seconds, which unknown hosts responded to any process."""
        if now - self._loaded_at < LOOKUP_EVERY_SECONDS:
            return
        self._loaded_at = now
        unknown = {endpoint_id: host for host, endpoint_id in hosts.items() if host not in self._responded_at}
        for endpoint_id in self._responded_recently(unknown) if unknown else ():
            self._store_response_time(unknown[endpoint_id], now)

    def _store_response_time(self, host: str, at: float) -> None:
        self._responded_at[host] = at
        self._responded_at.move_to_end(host)
        if len(self._responded_at) > MAX_HOSTS:
            self._responded_at.popitem(last=False)
