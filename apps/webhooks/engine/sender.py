"""Many POSTs in flight on one thread: curl multi for the requests, c-ares for the names, one wait.

Longer than 300 lines because everything here is one loop over the same few tables.
"""

import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

import pycurl

from apps.base.outbound import (
    AddressPolicy,
    AddressRefused,
    CaresResolver,
    DnsResult,
    GuardedHandle,
    HeaderRefused,
    IdleConnections,
    Lookup,
    Resolver,
    SocketHook,
    Target,
    WireRequest,
    check_url,
    header_lines,
    resolve_entry,
)

from .outcomes import NO_TIMINGS, Outcome, read_outcome, refused_outcome

# curl names its sockets in an fd_set, which ends at 1024: those beyond are only looked at every 50 ms.
MOST_IN_FLIGHT = 400
MAX_ROUTES = 4096
# Time-outs of curl and c-ares are looked after at least this often.
LONGEST_WAIT_SECONDS = 0.05
# What takes longer than this is looked at for floods, this often.
FLOOD_LOOK_SECONDS = 0.1
_LOST = frozenset({pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING})


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One POST to a stranger's URL. ``timeout_ms`` is wall-clock time, look-up and TLS included.

    ``token`` comes back untouched in the Outcome. ``organization_id`` says whose share of look-ups is used.
    """

    token: Any
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    timeout_ms: int = 15_000
    organization_id: object = None


@dataclass(slots=True, eq=False)
class _Route:
    """What is known of a URL. The verdict holds for the very answer it was made on, not for a later one."""

    target: Target
    literal_answer: DnsResult | None
    judged: DnsResult | None = None
    is_allowed: bool = False
    resolve_entry: str = ""

    def judge(self, answer: DnsResult, policy: AddressPolicy) -> bool:
        """Tell whether every address of the answer may be contacted; one bad address refuses all."""
        if answer is not self.judged:
            refusals = [policy.refusal(address, self.target.port) for address in answer.addresses]
            self.is_allowed = not any(refusals)
            self.resolve_entry = resolve_entry(self.target, answer.addresses)
            self.judged = answer
        return self.is_allowed


@dataclass(slots=True, eq=False)
class _Flight:
    """A request on its way, with what it holds at the moment."""

    request: OutboundRequest
    route: _Route
    lines: list[str]
    started: float
    dns_ms: int | None = None
    is_anew: bool = False

    def milliseconds(self) -> int:
        """Return how long this one has been under way."""
        return int((time.monotonic() - self.started) * 1000)


class Sender:
    """Send requests to addresses that pass the policy, and nowhere else. One thread uses it, ``wake`` apart.

    ``submit`` never blocks, nor raises for what is in a request: each one gets its Outcome from ``poll``.
    """

    def __init__(
        self,
        *,
        max_in_flight: int = 256,
        policy: AddressPolicy | None = None,
        resolver: Resolver | None = None,
        on_socket: SocketHook | None = None,
        ca_file: str | None = None,
    ) -> None:
        if not 1 <= max_in_flight <= MOST_IN_FLIGHT:
            raise ValueError(f"max_in_flight must be from 1 to {MOST_IN_FLIGHT}")
        self.max_in_flight = max_in_flight
        self._policy = policy or AddressPolicy.from_settings()
        self._resolver = resolver or CaresResolver()
        self._make_handle = partial(GuardedHandle, self._policy, on_socket, ca_file)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_in_flight)
        self._idle: list[GuardedHandle] = []
        self._kept = IdleConnections()
        self._is_new_flying = False
        self._flying: dict[GuardedHandle, _Flight] = {}
        self._resolving: dict[Lookup, _Flight] = {}
        self._finished: deque[Outcome] = deque()
        self._routes: dict[str, _Route] = {}
        self._looked_at = 0.0
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)

    @property
    def in_flight(self) -> int:
        """Return how many submitted requests have not been returned by ``poll`` yet."""
        return len(self._flying) + len(self._resolving) + len(self._finished)

    def submit(self, request: OutboundRequest) -> None:
        """Start a request. Raises RuntimeError when ``max_in_flight`` are under way."""
        if self.in_flight >= self.max_in_flight:
            raise RuntimeError("too many requests in flight: poll first")
        try:
            route = self._routes.get(request.url) or self._find_route(request.url)
            lines = header_lines(request.headers)
        except AddressRefused:
            self._finished.append(refused_outcome(request.token))
        except HeaderRefused:
            self._finished.append(_failure(request.token, "connection_failed", hint="bad_header"))
        else:
            self._begin(_Flight(request, route, lines, time.monotonic()))

    def poll(self, timeout_seconds: float = 0.0) -> list[Outcome]:
        """Let everything move, and return what ended; wait at most that long for the first to end."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._move()
            left = deadline - time.monotonic()
            if self._finished or left <= 0:
                break
            if self._wait(min(left, LONGEST_WAIT_SECONDS) if self.in_flight else left):
                break
        outcomes = list(self._finished)
        self._finished.clear()
        return outcomes

    def wake(self) -> None:
        """Make a waiting ``poll`` return now. Any thread may call this."""
        with suppress(BlockingIOError, OSError):
            self._wake_writer.send(b"\0")

    def abort_all(self, error: str = "shutdown") -> list[Outcome]:
        """Drop every request under way; return those that ended, then an Outcome with ``error`` for each."""
        outcomes = list(self._finished)
        self._finished.clear()
        for lookup, flight in self._resolving.items():
            self._resolver.cancel(lookup)
            outcomes.append(_failure(flight.request.token, error, flight))
        self._resolving.clear()
        for handle, flight in list(self._flying.items()):
            self._release(handle)
            outcomes.append(_failure(flight.request.token, error, flight))
        return outcomes

    def close(self) -> None:
        """Drop everything and free sockets and handles."""
        self.abort_all()
        for handle in self._idle:
            handle.close()
        self._idle.clear()
        self._multi.close()
        self._kept.close()
        self._resolver.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _find_route(self, url: str) -> _Route:
        target = check_url(url, self._policy)
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        answer = None if target.literal is None else DnsResult((target.literal,))
        route = self._routes[url] = _Route(target, answer)
        return route

    def _begin(self, flight: _Flight) -> None:
        """Dial a literal at once; look a name up first."""
        if flight.route.literal_answer is not None:
            self._dial(flight, flight.route.literal_answer)
            return
        lookup = self._resolver.lookup(flight.route.target.host, flight.request.organization_id)
        if lookup.answer is not None:
            flight.dns_ms = 0
            self._dial(flight, lookup.answer)
        else:
            self._resolving[lookup] = flight

    def _dial(self, flight: _Flight, answer: DnsResult) -> None:
        """Start the transfer if every address of the answer may be contacted."""
        request = flight.request
        left_ms = request.timeout_ms - flight.milliseconds()
        if not answer.addresses:
            self._finished.append(_failure(request.token, "dns_failed", flight, answer.hint))
        elif not flight.route.judge(answer, self._policy):
            self._finished.append(refused_outcome(request.token))
        elif left_ms <= 0:
            self._finished.append(_failure(request.token, "timed_out", flight))
        else:
            self._send(self._idle.pop() if self._idle else self._make_handle(), flight, left_ms)

    def _send(self, handle: GuardedHandle, flight: _Flight, left_ms: int) -> None:
        route = flight.route
        lines, body = flight.lines, flight.request.body
        handle.prepare(WireRequest(route.target.url, route.resolve_entry, lines, body, left_ms, flight.is_anew))
        self._flying[handle] = flight
        self._multi.add_handle(handle.curl)
        self._is_new_flying = True

    def _move(self) -> None:
        """Run what can run without waiting, and collect what ended."""
        if self._resolving:
            self._take_answers()
        if self._flying:
            if self._is_new_flying:
                readable, writable, _exceptional = self._multi.fdset()
                self._kept.shut_spoiled({*readable, *writable})
                self._is_new_flying = False
            self._multi.perform()
            self._collect()
            self._stop_floods(time.monotonic())

    def _collect(self) -> None:
        queued = 1
        while queued:
            queued, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._land(curl.handle, 0)
            for curl, error, _message in failed:
                self._land(curl.handle, error)

    def _stop_floods(self, now: float) -> None:
        """End what keeps sending without an answer coming of it; curl itself would read on until the time limit."""
        if now - self._looked_at < FLOOD_LOOK_SECONDS:
            return
        self._looked_at = now
        slow = [handle for handle, flight in self._flying.items() if now - flight.started > FLOOD_LOOK_SECONDS]
        for handle in slow:
            if handle.has_flooded() or (handle.is_body_cut and handle.is_request_sent()):
                self._land(handle, pycurl.E_RECV_ERROR)

    def _land(self, handle: GuardedHandle, curl_error: int) -> None:
        flight = self._flying[handle]
        left_ms = flight.request.timeout_ms - flight.milliseconds()
        if _is_lost_on_kept(handle, curl_error) and not flight.is_anew and left_ms > 0:
            flight.is_anew = True
            self._multi.remove_handle(handle.curl)
            handle.clear()
            self._send(handle, flight, left_ms)
            return
        self._finished.append(read_outcome(flight.request.token, handle, curl_error, flight.dns_ms))
        self._release(handle)

    def _release(self, handle: GuardedHandle) -> None:
        """Take the handle back. Its connection stays with the loop for the next request to that receiver."""
        del self._flying[handle]
        if handle.dialled:
            self._kept.watch(handle.curl.getinfo(pycurl.ACTIVESOCKET))
        self._multi.remove_handle(handle.curl)
        handle.clear()
        self._idle.append(handle)

    def _take_answers(self) -> None:
        for lookup in self._resolver.step():
            flight = self._resolving.pop(lookup, None)
            if flight is not None and lookup.answer is not None:
                flight.dns_ms = flight.milliseconds()
                self._dial(flight, lookup.answer)
        for lookup, flight in list(self._resolving.items()):
            if flight.milliseconds() < flight.request.timeout_ms:
                continue
            del self._resolving[lookup]
            self._resolver.cancel(lookup)
            flight.dns_ms = flight.milliseconds()
            self._finished.append(_failure(flight.request.token, "timed_out", flight, "dns_timed_out"))

    def _wait(self, seconds: float) -> bool:
        """Wait until a socket is ready or a timer is due; tell whether ``wake`` was called."""
        poller = select.poll()
        for readable, writable in self._sockets():
            for descriptor in readable:
                poller.register(descriptor, select.POLLIN)
            for descriptor in writable:
                reading = select.POLLIN if descriptor in readable else 0
                poller.register(descriptor, reading | select.POLLOUT)
        curl_ms = self._multi.timeout()
        milliseconds = seconds * 1000 if curl_ms < 0 else min(seconds * 1000, curl_ms)
        reader = self._wake_reader.fileno()
        poller.register(reader, select.POLLIN)
        # Rounded up: a wait of 0.4 ms would otherwise spin until its time is over.
        if not any(descriptor == reader for descriptor, _event in poller.poll(ceil(milliseconds))):
            return False
        with suppress(BlockingIOError):
            self._wake_reader.recv(4096)
        return True

    def _sockets(self) -> Iterator[tuple[set[int], set[int]]]:
        """Give what curl and the resolver wait for, each as descriptors to read and descriptors to write."""
        readable, writable, _exceptional = self._multi.fdset()
        yield set(readable), set(writable)
        if self._resolving:
            yield self._resolver.sockets()


def _is_lost_on_kept(handle: GuardedHandle, curl_error: int) -> bool:
    """Tell whether only kept connections were tried, and the other side had closed each of them.

    curl goes on to the next one, but not for ever, and many may have been closed at once.
    """
    return curl_error in _LOST and not handle.dialled and not handle.header_bytes


def _failure(token: Any, error: str, flight: _Flight | None = None, hint: str = "") -> Outcome:
    """Return the outcome of a request that ended before or without curl."""
    spent = flight.milliseconds() if flight else 0
    timings = NO_TIMINGS | {"dns": flight.dns_ms if flight else None, "total": spent}
    return Outcome(token, error=error, hint=hint, timings_ms=timings, duration_ms=spent)
