"""A non-blocking DNS resolver with deadlines and a concurrency limit per organization.

``getaddrinfo`` threads cannot be canceled: a few names whose servers never respond would starve all others. c-ares
can, and it resolves exactly the name given: no search list, and no hosts file, whose entries are private to this
machine and must not be reachable through a customer's URL.
"""

import select
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import pycares

from .dns_query import DnsQuery, DnsResult

LOOKUP_SECONDS = 5.0
POSITIVE_SECONDS = 30.0
# Less than the shortest backoff before a retry, so that each attempt resolves the name again.
NEGATIVE_SECONDS = 0.5
MAX_PER_ORGANIZATION = 16
MAX_CACHED = 10_000
# How often c-ares checks its timeouts.
TIMER_SECONDS = 0.02


@dataclass(slots=True, eq=False)
class Lookup:
    """One caller's wait for the addresses of ``name``. ``answer`` is None until they are known."""

    name: str
    organization_id: object = None
    answer: DnsResult | None = None


class Resolver(Protocol):
    """The interface that the sender needs; tests pass their own. Not thread-safe."""

    def lookup(self, name: str, organization_id: object) -> Lookup:
        """Start to resolve ``name``; the answer is set at once when it is cached."""

    def cancel(self, lookup: Lookup) -> None:
        """Cancel one caller's wait."""

    def sockets(self) -> tuple[set[int], set[int]]:
        """Return the descriptors to wait for: readable, writable. Both are empty when no query is in flight."""

    def step(self) -> list[Lookup]:
        """Process ready descriptors and expired deadlines; return the lookups that were answered."""

    def close(self) -> None:
        """Drop all lookups and close the sockets."""


@dataclass(slots=True, eq=False)
class _Query:
    """A DNS query in flight, and the lookups that wait for it."""

    name: str
    organization_id: object
    deadline: float
    waiting: list[Lookup]
    dns_query: DnsQuery | None


class CaresResolver:
    """Resolve names with c-ares on the caller's event loop.

    Concurrent lookups of a name share one query. An organization has at most ``max_per_organization`` queries in
    flight; its other lookups queue.
    """

    def __init__(
        self,
        servers: list[str] | None = None,
        *,
        lookup_seconds: float = LOOKUP_SECONDS,
        max_per_organization: int = MAX_PER_ORGANIZATION,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup_seconds = lookup_seconds
        self._max_per_organization = max_per_organization
        self._clock = clock
        self._queries: dict[str, _Query] = {}
        self._counts: dict[object, int] = {}
        self._queues: dict[object, deque[Lookup]] = {}
        self._cache: OrderedDict[str, tuple[float, DnsResult]] = OrderedDict()
        self._answered: list[Lookup] = []
        self._servers = servers
        self._timeouts_checked_at = 0.0

    def lookup(self, name: str, organization_id: object = None) -> Lookup:
        """Start to resolve ``name``; the answer is set at once when it is cached."""
        lookup = Lookup(name, organization_id)
        lookup.answer = self._cached(name)
        if lookup.answer is None:
            self._join_or_start(lookup)
        return lookup

    def cancel(self, lookup: Lookup) -> None:
        """Cancel one caller's wait. A query in flight continues until its deadline."""
        query = self._queries.get(lookup.name)
        if query and lookup in query.waiting:
            query.waiting.remove(lookup)
        queue = self._queues.get(lookup.organization_id)
        if queue and lookup in queue:
            queue.remove(lookup)

    def sockets(self) -> tuple[set[int], set[int]]:
        """Return the descriptors to wait for: readable, writable. Both are empty when no query is in flight."""
        in_flight = self._in_flight()
        readable = {descriptor for query in in_flight for descriptor in query.readable}
        return readable, {descriptor for query in in_flight for descriptor in query.writable}

    def step(self) -> list[Lookup]:
        """Process ready descriptors and expired deadlines; return the lookups that were answered."""
        if self._queries:
            self._process_sockets()
            self._finish_queries()
        answered, self._answered = self._answered, []
        return answered

    def close(self) -> None:
        """Drop all lookups and close the sockets."""
        for query in self._in_flight():
            query.close()
        self._queries.clear()
        self._queues.clear()

    def _in_flight(self) -> list[DnsQuery]:
        return [query.dns_query for query in self._queries.values() if query.dns_query]

    def _process_sockets(self) -> None:
        poller = select.poll()
        owners: dict[int, DnsQuery] = {}
        in_flight = self._in_flight()
        for query in in_flight:
            for descriptor in query.readable | query.writable:
                reading = select.POLLIN if descriptor in query.readable else 0
                poller.register(descriptor, reading | (select.POLLOUT if descriptor in query.writable else 0))
                owners[descriptor] = query
        for descriptor, event in poller.poll(0):
            owners[descriptor].process(descriptor, bool(event & ~select.POLLOUT), bool(event & select.POLLOUT))
        now = time.monotonic()
        if now - self._timeouts_checked_at >= TIMER_SECONDS:
            self._timeouts_checked_at = now
            for query in in_flight:
                query.process_timeouts(now)

    def _cached(self, name: str) -> DnsResult | None:
        entry = self._cache.get(name)
        return entry[1] if entry and entry[0] > self._clock() else None

    def _join_or_start(self, lookup: Lookup) -> None:
        query = self._queries.get(lookup.name)
        if query:
            query.waiting.append(lookup)
        elif self._counts.get(lookup.organization_id, 0) < self._max_per_organization:
            self._start(lookup)
        else:
            self._queues.setdefault(lookup.organization_id, deque()).append(lookup)

    def _start(self, lookup: Lookup) -> None:
        dns_query = None
        with suppress(pycares.AresError):
            dns_query = DnsQuery(lookup.name, self._servers)
        deadline = self._clock() + self._lookup_seconds
        self._queries[lookup.name] = _Query(lookup.name, lookup.organization_id, deadline, [lookup], dns_query)
        self._counts[lookup.organization_id] = self._counts.get(lookup.organization_id, 0) + 1

    def _finish_queries(self) -> None:
        now = self._clock()
        for query in list(self._queries.values()):
            if query.dns_query and query.dns_query.is_pending and query.deadline > now:
                continue
            del self._queries[query.name]
            # Without a query: the process had no descriptor left for its sockets.
            answer = query.dns_query.result() if query.dns_query else DnsResult(hint="dns_server_failed")
            if query.dns_query:
                query.dns_query.close()
            self._cache_result(query.name, answer, now)
            for lookup in query.waiting:
                lookup.answer = answer
            self._answered += query.waiting
            self._start_next(query.organization_id)

    def _cache_result(self, name: str, answer: DnsResult, now: float) -> None:
        if answer.hint == "dns_timed_out":  # a temporary failure, not a property of the name
            return
        self._cache[name] = (now + (POSITIVE_SECONDS if answer.addresses else NEGATIVE_SECONDS), answer)
        self._cache.move_to_end(name)
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)

    def _start_next(self, organization_id: object) -> None:
        """Release the slot of a finished query and start the next lookups in the organization's queue."""
        self._counts[organization_id] -= 1
        queue = self._queues.get(organization_id)
        while queue and self._counts[organization_id] < self._max_per_organization:
            lookup = queue.popleft()
            lookup.answer = self._cached(lookup.name)
            if lookup.answer:
                self._answered.append(lookup)
            else:
                self._join_or_start(lookup)
        if not queue:
            self._queues.pop(organization_id, None)
        if not self._counts[organization_id]:
            del self._counts[organization_id]
