"""Send many concurrent POSTs on one thread: curl multi for requests, c-ares for name lookups, one poll for both.

Longer than 300 lines because it is one event loop over shared tables of transfers and lookups.
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
    CaresResolver,
    DnsResult,
    GuardedHandle,
    HeaderRefused,
    IdleConnections,
    Lookup,
    Resolver,
    SocketHook,
    Target,
    UrlRefused,
    WireRequest,
    check_url,
    header_lines,
    resolve_entry,
)

from .outcomes import NO_TIMINGS, Outcome, read_outcome, refused_outcome

# curl lists its sockets in an fd_set of at most 1024 descriptors; higher ones are only polled every 50 ms.
MAX_CONCURRENT_REQUESTS = 400
MAX_ROUTES = 4096
# Timeouts of curl and c-ares are checked at least this often.
MAX_WAIT_SECONDS = 0.05
# How often responses are checked for endless data, and after which time for the first time.
FLOOD_CHECK_SECONDS = 0.1
_CONNECTION_LOST = frozenset({pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING})


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One POST to a customer's URL. ``timeout_ms`` is wall-clock time, including name lookup and TLS.

    ``token`` is returned unchanged in the Outcome. Lookups count against the share of ``organization_id``.
    """

    token: Any
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    timeout_ms: int = 15_000
    organization_id: object = None


@dataclass(slots=True, eq=False)
class _Route:
    """A parsed URL, and the result of the address check for its last DNS answer."""

    target: Target
    literal_answer: DnsResult | None
    checked: DnsResult | None = None
    is_allowed: bool = False
    resolve_entry: str = ""

    def allows(self, answer: DnsResult, policy: AddressPolicy) -> bool:
        """Return whether the policy allows every address of the answer."""
        if answer is not self.checked:
            refusals = [policy.refusal(address, self.target.port) for address in answer.addresses]
            self.is_allowed = not any(refusals)
            self.resolve_entry = resolve_entry(self.target, answer.addresses)
            self.checked = answer
        return self.is_allowed


@dataclass(slots=True, eq=False)
class _Transfer:
    """A request in flight."""

    request: OutboundRequest
    route: _Route
    lines: list[str]
    started: float
    dns_ms: int | None = None
    is_retried: bool = False

    def milliseconds(self) -> int:
        """Return the time since the request was submitted."""
        return int((time.monotonic() - self.started) * 1000)


class Sender:
    """Sends requests, only to addresses that the policy allows. Used by one thread, except ``wake``.

    ``submit`` never blocks and never raises an error about the request itself: ``poll`` returns an Outcome for each.
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
        if not 1 <= max_in_flight <= MAX_CONCURRENT_REQUESTS:
            raise ValueError(f"max_in_flight must be from 1 to {MAX_CONCURRENT_REQUESTS}")
        self.max_in_flight = max_in_flight
        self._policy = policy or AddressPolicy.from_settings()
        self._resolver = resolver or CaresResolver()
        self._new_handle = partial(GuardedHandle, self._policy, on_socket, ca_file)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_in_flight)
        self._idle_handles: list[GuardedHandle] = []
        self._idle_connections = IdleConnections()
        self._has_new_transfer = False
        self._sending: dict[GuardedHandle, _Transfer] = {}
        self._resolving: dict[Lookup, _Transfer] = {}
        self._finished: deque[Outcome] = deque()
        self._routes: dict[str, _Route] = {}
        self._floods_checked_at = 0.0
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)

    @property
    def in_flight(self) -> int:
        """Return how many submitted requests have not been returned by ``poll`` yet."""
        return len(self._sending) + len(self._resolving) + len(self._finished)

    def submit(self, request: OutboundRequest) -> None:
        """Start a request. Raise RuntimeError if ``max_in_flight`` requests are in flight."""
        if self.in_flight >= self.max_in_flight:
            raise RuntimeError("too many requests in flight: poll first")
        try:
            route = self._routes.get(request.url) or self._find_route(request.url)
            lines = header_lines(request.headers)
        except UrlRefused:
            self._finished.append(refused_outcome(request.token))
        except HeaderRefused:
            self._finished.append(_failure(request.token, "connection_failed", hint="bad_header"))
        else:
            self._start(_Transfer(request, route, lines, time.monotonic()))

    def poll(self, timeout_seconds: float = 0.0) -> list[Outcome]:
        """Advance all requests and return the finished ones; wait up to ``timeout_seconds`` for the first."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._advance()
            left = deadline - time.monotonic()
            if self._finished or left <= 0:
                break
            if self._wait(min(left, MAX_WAIT_SECONDS) if self.in_flight else left):
                break
        outcomes = list(self._finished)
        self._finished.clear()
        return outcomes

    def wake(self) -> None:
        """Make a waiting ``poll`` return now; can be called from any thread."""
        with suppress(BlockingIOError, OSError):
            self._wake_writer.send(b"\0")

    def abort_all(self, error: str = "shutdown") -> list[Outcome]:
        """Abort all requests; return the finished ones, then an Outcome with ``error`` for each aborted one."""
        outcomes = list(self._finished)
        self._finished.clear()
        for lookup, transfer in self._resolving.items():
            self._resolver.cancel(lookup)
            outcomes.append(_failure(transfer.request.token, error, transfer))
        self._resolving.clear()
        for handle, transfer in list(self._sending.items()):
            self._release(handle)
            outcomes.append(_failure(transfer.request.token, error, transfer))
        return outcomes

    def close(self) -> None:
        """Abort all requests and close sockets and handles."""
        self.abort_all()
        for handle in self._idle_handles:
            handle.close()
        self._idle_handles.clear()
        self._multi.close()
        self._idle_connections.close()
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

    def _start(self, transfer: _Transfer) -> None:
        """Connect if the URL has an IP address; otherwise look up the name first."""
        if transfer.route.literal_answer is not None:
            self._connect(transfer, transfer.route.literal_answer)
            return
        lookup = self._resolver.lookup(transfer.route.target.host, transfer.request.organization_id)
        if lookup.answer is not None:
            transfer.dns_ms = 0
            self._connect(transfer, lookup.answer)
        else:
            self._resolving[lookup] = transfer

    def _connect(self, transfer: _Transfer, answer: DnsResult) -> None:
        """Start the transfer if the policy allows every address of the DNS answer."""
        request = transfer.request
        left_ms = request.timeout_ms - transfer.milliseconds()
        if not answer.addresses:
            self._finished.append(_failure(request.token, "dns_failed", transfer, answer.hint))
        elif not transfer.route.allows(answer, self._policy):
            self._finished.append(refused_outcome(request.token))
        elif left_ms <= 0:
            self._finished.append(_failure(request.token, "timed_out", transfer))
        else:
            self._send(self._idle_handles.pop() if self._idle_handles else self._new_handle(), transfer, left_ms)

    def _send(self, handle: GuardedHandle, transfer: _Transfer, left_ms: int) -> None:
        route = transfer.route
        lines, body = transfer.lines, transfer.request.body
        handle.prepare(WireRequest(route.target.url, route.resolve_entry, lines, body, left_ms, transfer.is_retried))
        self._sending[handle] = transfer
        self._multi.add_handle(handle.curl)
        self._has_new_transfer = True

    def _advance(self) -> None:
        """Advance lookups and transfers without waiting, and collect finished transfers."""
        if self._resolving:
            self._process_lookups()
        if self._sending:
            if self._has_new_transfer:
                readable, writable, _exceptional = self._multi.fdset()
                self._idle_connections.shut_down_unexpected({*readable, *writable})
                self._has_new_transfer = False
            self._multi.perform()
            self._collect()
            self._stop_floods(time.monotonic())

    def _collect(self) -> None:
        queued = 1
        while queued:
            queued, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._end_transfer(curl.handle, 0)
            for curl, error, _message in failed:
                self._end_transfer(curl.handle, error)

    def _stop_floods(self, now: float) -> None:
        """Abort responses that send data without completing, which curl itself would read until the timeout."""
        if now - self._floods_checked_at < FLOOD_CHECK_SECONDS:
            return
        self._floods_checked_at = now
        slow = [handle for handle, transfer in self._sending.items() if now - transfer.started > FLOOD_CHECK_SECONDS]
        for handle in slow:
            if handle.has_flooded() or (handle.is_body_cut and handle.is_request_sent()):
                self._end_transfer(handle, pycurl.E_RECV_ERROR)

    def _end_transfer(self, handle: GuardedHandle, curl_error: int) -> None:
        transfer = self._sending[handle]
        left_ms = transfer.request.timeout_ms - transfer.milliseconds()
        if _is_stale_connection(handle, curl_error) and not transfer.is_retried and left_ms > 0:
            transfer.is_retried = True
            self._multi.remove_handle(handle.curl)
            handle.clear()
            self._send(handle, transfer, left_ms)
            return
        self._finished.append(read_outcome(transfer.request.token, handle, curl_error, transfer.dns_ms))
        self._release(handle)

    def _release(self, handle: GuardedHandle) -> None:
        """Make the handle available for reuse; curl keeps its connection open for the next request to that host."""
        del self._sending[handle]
        if handle.connected_address:
            self._idle_connections.watch(handle.curl.getinfo(pycurl.ACTIVESOCKET))
        self._multi.remove_handle(handle.curl)
        handle.clear()
        self._idle_handles.append(handle)

    def _process_lookups(self) -> None:
        for lookup in self._resolver.step():
            transfer = self._resolving.pop(lookup, None)
            if transfer is not None and lookup.answer is not None:
                transfer.dns_ms = transfer.milliseconds()
                self._connect(transfer, lookup.answer)
        for lookup, transfer in list(self._resolving.items()):
            if transfer.milliseconds() < transfer.request.timeout_ms:
                continue
            del self._resolving[lookup]
            self._resolver.cancel(lookup)
            transfer.dns_ms = transfer.milliseconds()
            self._finished.append(_failure(transfer.request.token, "timed_out", transfer, "dns_timed_out"))

    def _wait(self, seconds: float) -> bool:
        """Wait until a socket is ready or a timer is due, and return whether ``wake`` was called."""
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
        # Rounded up, as a wait of 0.4 ms would otherwise become a busy loop.
        if not any(descriptor == reader for descriptor, _event in poller.poll(ceil(milliseconds))):
            return False
        with suppress(BlockingIOError):
            self._wake_reader.recv(4096)
        return True

    def _sockets(self) -> Iterator[tuple[set[int], set[int]]]:
        """Yield the file descriptors that curl, then the resolver, wait to read and to write."""
        readable, writable, _exceptional = self._multi.fdset()
        yield set(readable), set(writable)
        if self._resolving:
            yield self._resolver.sockets()


def _is_stale_connection(handle: GuardedHandle, curl_error: int) -> bool:
    """Return whether curl tried only idle connections, all of which the server had closed.

    curl itself retries with the next idle connection, but only a few times, and a server can close many at once.
    """
    return curl_error in _CONNECTION_LOST and not handle.connected_address and not handle.header_bytes


def _failure(token: Any, error: str, transfer: _Transfer | None = None, hint: str = "") -> Outcome:
    """Return the outcome of a request that failed before curl or was aborted."""
    elapsed_ms = transfer.milliseconds() if transfer else 0
    timings = NO_TIMINGS | {"dns": transfer.dns_ms if transfer else None, "total": elapsed_ms}
    return Outcome(token, error=error, hint=hint, timings_ms=timings, duration_ms=elapsed_ms)
