"""Names to addresses, without blocking, with a deadline, and with a share for each organization.

``getaddrinfo`` threads cannot be cancelled: a few names whose servers never answer would starve everybody.
c-ares can, and it asks for exactly the name given: no search list, and no hosts file, whose entries are
this machine's private knowledge and nothing that a stranger's URL should be able to use.
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
# Less than the shortest wait before a retry: each attempt asks anew.
NEGATIVE_SECONDS = 0.5
MAX_PER_ORGANIZATION = 16
MAX_CACHED = 10_000
# How often c-ares looks whether a try took too long.
TIMER_SECONDS = 0.02


@dataclass(slots=True, eq=False)
class Lookup:
    """One caller's wait for the answer about ``name``. ``answer`` is None until it is there."""

    name: str
    organization_id: object = None
    answer: DnsResult | None = None


class Resolver(Protocol):
    """What the sender asks of a resolver; tests bring their own. One thread uses it."""

    def lookup(self, name: str, organization_id: object) -> Lookup:
        """Start to look ``name`` up; the answer is already there when it is cached."""

    def cancel(self, lookup: Lookup) -> None:
        """Give one caller's wait up."""

    def sockets(self) -> tuple[set[int], set[int]]:
        """Return the descriptors to wait for: readable, writable. Both empty when nothing is asked."""

    def step(self) -> list[Lookup]:
        """Handle ready descriptors and passed deadlines; return the look-ups that got their answer."""

    def close(self) -> None:
        """Forget everything and free the sockets."""


@dataclass(slots=True, eq=False)
class _Query:
    """A question that is out, and everybody who waits for it."""

    name: str
    organization_id: object
    deadline: float
    waiting: list[Lookup]
    question: DnsQuery | None


class CaresResolver:
    """Look names up with c-ares on the caller's own loop.

    The same name is asked once however many wait for it. An organization has at most ``max_per_organization``
    questions out; its others wait in line, and their wait counts in their own deadlines.
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
        self._lines: dict[object, deque[Lookup]] = {}
        self._cache: OrderedDict[str, tuple[float, DnsResult]] = OrderedDict()
        self._answered: list[Lookup] = []
        self._servers = servers
        self._looked_at_time = 0.0

    def lookup(self, name: str, organization_id: object = None) -> Lookup:
        """Start to look ``name`` up; the answer is already there when it is cached."""
        lookup = Lookup(name, organization_id)
        lookup.answer = self._cached(name)
        if lookup.answer is None:
            self._join_or_ask(lookup)
        return lookup

    def cancel(self, lookup: Lookup) -> None:
        """Give one caller's wait up. A question that is out goes on until its own deadline."""
        query = self._queries.get(lookup.name)
        if query and lookup in query.waiting:
            query.waiting.remove(lookup)
        line = self._lines.get(lookup.organization_id)
        if line and lookup in line:
            line.remove(lookup)

    def sockets(self) -> tuple[set[int], set[int]]:
        """Return the descriptors to wait for: readable, writable. Both empty when nothing is asked."""
        questions = self._questions()
        readable = {descriptor for question in questions for descriptor in question.readable}
        return readable, {descriptor for question in questions for descriptor in question.writable}

    def step(self) -> list[Lookup]:
        """Handle ready descriptors and passed deadlines; return the look-ups that got their answer."""
        if self._queries:
            self._process_sockets()
            self._finish_queries()
        answered, self._answered = self._answered, []
        return answered

    def close(self) -> None:
        """Forget everything and free the sockets."""
        for question in self._questions():
            question.close()
        self._queries.clear()
        self._lines.clear()

    def _questions(self) -> list[DnsQuery]:
        return [query.question for query in self._queries.values() if query.question]

    def _process_sockets(self) -> None:
        poller = select.poll()
        owners: dict[int, DnsQuery] = {}
        questions = self._questions()
        for question in questions:
            for descriptor in question.readable | question.writable:
                reading = select.POLLIN if descriptor in question.readable else 0
                poller.register(descriptor, reading | (select.POLLOUT if descriptor in question.writable else 0))
                owners[descriptor] = question
        for descriptor, event in poller.poll(0):
            owners[descriptor].process(descriptor, bool(event & ~select.POLLOUT), bool(event & select.POLLOUT))
        now = time.monotonic()
        if now - self._looked_at_time >= TIMER_SECONDS:
            self._looked_at_time = now
            for question in questions:
                question.look_at_time(now)

    def _cached(self, name: str) -> DnsResult | None:
        entry = self._cache.get(name)
        return entry[1] if entry and entry[0] > self._clock() else None

    def _join_or_ask(self, lookup: Lookup) -> None:
        query = self._queries.get(lookup.name)
        if query:
            query.waiting.append(lookup)
        elif self._counts.get(lookup.organization_id, 0) < self._max_per_organization:
            self._ask(lookup)
        else:
            self._lines.setdefault(lookup.organization_id, deque()).append(lookup)

    def _ask(self, lookup: Lookup) -> None:
        question = None
        with suppress(pycares.AresError):
            question = DnsQuery(lookup.name, self._servers)
        deadline = self._clock() + self._lookup_seconds
        self._queries[lookup.name] = _Query(lookup.name, lookup.organization_id, deadline, [lookup], question)
        self._counts[lookup.organization_id] = self._counts.get(lookup.organization_id, 0) + 1

    def _finish_queries(self) -> None:
        now = self._clock()
        for query in list(self._queries.values()):
            if query.question and query.question.is_pending and query.deadline > now:
                continue
            del self._queries[query.name]
            # No question at all: no descriptors are left for its sockets.
            answer = query.question.answer() if query.question else DnsResult(hint="dns_server_failed")
            if query.question:
                query.question.close()
            self._remember(query.name, answer, now)
            for lookup in query.waiting:
                lookup.answer = answer
            self._answered += query.waiting
            self._free_place(query.organization_id)

    def _remember(self, name: str, answer: DnsResult, now: float) -> None:
        if answer.hint == "dns_timed_out":  # says more of the moment than of the name
            return
        self._cache[name] = (now + (POSITIVE_SECONDS if answer.addresses else NEGATIVE_SECONDS), answer)
        self._cache.move_to_end(name)
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)

    def _free_place(self, organization_id: object) -> None:
        """Give the place of a finished question to the next in the organization's line."""
        self._counts[organization_id] -= 1
        line = self._lines.get(organization_id)
        while line and self._counts[organization_id] < self._max_per_organization:
            lookup = line.popleft()
            lookup.answer = self._cached(lookup.name)
            if lookup.answer:
                self._answered.append(lookup)
            else:
                self._join_or_ask(lookup)
        if not line:
            self._lines.pop(organization_id, None)
        if not self._counts[organization_id]:
            del self._counts[organization_id]
