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
from dataclasses import dataclass, field
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Protocol

import pycares

from .addresses import Address

LOOKUP_SECONDS = 5.0
POSITIVE_SECONDS = 30.0
NEGATIVE_SECONDS = 5.0
MAX_PER_ORGANIZATION = 16
MAX_CACHED = 10_000
# One datagram may be lost: ask again after this time, the second wait is twice as long.
TRY_SECONDS = 1.2
TRIES = 2
RESOLV_CONF = Path("/etc/resolv.conf")

_EMPTY_ERRORS = {
    pycares.errno.ARES_ENODATA: "dns_no_address",
    pycares.errno.ARES_ENOTFOUND: "dns_no_such_name",
}
_TIMEOUT = pycares.errno.ARES_ETIMEOUT
_NONE = pycares.ARES_SOCKET_BAD


@dataclass(frozen=True, slots=True)
class Answer:
    """Every address of a name, or why there is none.

    ``hint`` is "" or one of dns_no_such_name, dns_no_address, dns_timed_out, dns_server_failed.
    """

    addresses: tuple[Address, ...] = ()
    hint: str = ""


@dataclass(slots=True, eq=False)
class Lookup:
    """One caller's wait for the answer about ``name``. ``answer`` is None until it is there."""

    name: str
    organization_id: object = None
    answer: Answer | None = None


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
    pending: int = 2
    addresses: list[Address] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)

    def answer(self) -> Answer:
        """Sum both families up. What one family gave is enough: only that will be dialled."""
        if self.addresses:
            return Answer(tuple(self.addresses))
        if self.pending or _TIMEOUT in self.errors:
            return Answer(hint="dns_timed_out")
        hints = {_EMPTY_ERRORS.get(error, "dns_server_failed") for error in self.errors}
        order = ("dns_server_failed", "dns_no_such_name", "dns_no_address")
        return Answer(hint=next((hint for hint in order if hint in hints), "dns_no_address"))


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
        self._readable: set[int] = set()
        self._writable: set[int] = set()
        self._queries: dict[str, _Query] = {}
        self._counts: dict[object, int] = {}
        self._lines: dict[object, deque[Lookup]] = {}
        self._cache: OrderedDict[str, tuple[float, Answer]] = OrderedDict()
        self._answered: list[Lookup] = []
        self._servers = servers
        self._conf_stamp = _conf_stamp()
        self._channel = pycares.Channel(
            servers=servers, timeout=TRY_SECONDS, tries=TRIES, sock_state_cb=self._watch_socket, lookups="b"
        )

    def lookup(self, name: str, organization_id: object = None) -> Lookup:
        """Start to look ``name`` up; the answer is already there when it is cached."""
        lookup = Lookup(name, organization_id)
        lookup.answer = self._cached(name)
        if lookup.answer is None:
            self._join_or_ask(lookup)
        return lookup

    def cancel(self, lookup: Lookup) -> None:
        """Give one caller's wait up. A question that is out goes on until its own deadline and is cached."""
        query = self._queries.get(lookup.name)
        if query and lookup in query.waiting:
            query.waiting.remove(lookup)
        line = self._lines.get(lookup.organization_id)
        if line and lookup in line:
            line.remove(lookup)

    def sockets(self) -> tuple[set[int], set[int]]:
        """Return the descriptors to wait for: readable, writable. Both empty when nothing is asked."""
        return (self._readable, self._writable) if self._queries else (set(), set())

    def step(self) -> list[Lookup]:
        """Handle ready descriptors and passed deadlines; return the look-ups that got their answer."""
        if self._queries:
            self._process_sockets()
            self._finish_queries()
        answered, self._answered = self._answered, []
        return answered

    def close(self) -> None:
        """Forget everything and free the sockets."""
        self._queries.clear()
        self._lines.clear()
        self._channel.close()

    def _process_sockets(self) -> None:
        poller = select.poll()
        for descriptor in self._readable | self._writable:
            reading = select.POLLIN if descriptor in self._readable else 0
            poller.register(descriptor, reading | (select.POLLOUT if descriptor in self._writable else 0))
        for descriptor, event in poller.poll(0):
            may_read = descriptor if event & ~select.POLLOUT else _NONE
            may_write = descriptor if event & select.POLLOUT else _NONE
            self._channel.process_fd(may_read, may_write)
        # Lets c-ares see that a try took too long.
        self._channel.process_fd(_NONE, _NONE)

    def _cached(self, name: str) -> Answer | None:
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
        self._follow_resolv_conf()
        query = _Query(lookup.name, lookup.organization_id, self._clock() + self._lookup_seconds, [lookup])
        self._queries[lookup.name] = query
        self._counts[lookup.organization_id] = self._counts.get(lookup.organization_id, 0) + 1
        for kind in (pycares.QUERY_TYPE_A, pycares.QUERY_TYPE_AAAA):
            # c-ares may call back at once, as where no server is set: that is only written down here.
            try:
                self._channel.query(lookup.name, kind, callback=partial(_take_result, query))
            except pycares.AresError as error:
                _take_result(query, None, error.args[0])

    def _finish_queries(self) -> None:
        now = self._clock()
        for query in [each for each in self._queries.values() if not each.pending or each.deadline <= now]:
            del self._queries[query.name]
            answer = query.answer()
            self._remember(query.name, answer, now)
            for lookup in query.waiting:
                lookup.answer = answer
            self._answered += query.waiting
            self._free_place(query.organization_id)

    def _remember(self, name: str, answer: Answer, now: float) -> None:
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

    def _watch_socket(self, descriptor: int, readable: bool, writable: bool) -> None:
        (self._readable.add if readable else self._readable.discard)(descriptor)
        (self._writable.add if writable else self._writable.discard)(descriptor)

    def _follow_resolv_conf(self) -> None:
        """Read the system's servers again when the file changed: workers live longer than networks."""
        stamp = _conf_stamp()
        if self._servers is None and stamp != self._conf_stamp:
            self._conf_stamp = stamp
            with suppress(pycares.AresError):
                self._channel.reinit()


def _conf_stamp() -> float:
    try:
        return RESOLV_CONF.stat().st_mtime
    except OSError:
        return 0.0


def _take_result(query: _Query, result: Any, error: int | None) -> None:
    """Note what one family answered. CNAME records on the way are skipped: only addresses are dialled."""
    query.pending -= 1
    found = False
    for record in result.answer if result else ():
        text = getattr(record.data, "addr", None)
        if text:
            found = True
            query.addresses.append(_parse_address(text))
    if not found:
        query.errors.append(error or pycares.errno.ARES_ENODATA)


def _parse_address(text: str) -> Address:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return IPv6Address(text)
