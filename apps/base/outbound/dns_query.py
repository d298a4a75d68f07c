"""A DNS query for the A and AAAA records of one name, on c-ares channels that no other query uses.

A shared channel adapts its timeouts to fast names, which starves slow ones; caches negative answers for as long as the
zone says; restarts every query in flight when one response cannot be parsed; and drops a late response to a try that
timed out. A channel per query costs some 30 µs. The first channel waits until the end; the others repeat the query, at
another server where there is one, since datagrams get lost.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

import pycares

from .addresses import Address

REPEAT_AFTER_SECONDS = (1.2, 3.0)
# Longer than any lookup: the caller's deadline cancels it first.
WAIT_SECONDS = 30.0
# An error response is retried once, immediately.
TRIES = 2

_EMPTY_ERRORS = {
    pycares.errno.ARES_ENODATA: "dns_no_address",
    pycares.errno.ARES_ENOTFOUND: "dns_no_such_name",
}
_FAMILIES = (pycares.QUERY_TYPE_A, pycares.QUERY_TYPE_AAAA)
_NO_RESPONSE_ERRORS = frozenset({pycares.errno.ARES_ETIMEOUT, pycares.errno.ARES_ECANCELLED})
_NO_DESCRIPTOR = pycares.ARES_SOCKET_BAD


@dataclass(frozen=True, slots=True)
class DnsResult:
    """All addresses of a name, or why there are none.

    ``hint`` is "" or one of dns_no_such_name, dns_no_address, dns_timed_out, dns_server_failed.
    """

    addresses: tuple[Address, ...] = ()
    hint: str = ""


class DnsQuery:
    """A query in flight. ``readable`` and ``writable`` are the descriptors that it waits for."""

    def __init__(self, name: str, servers: list[str] | None) -> None:
        self.readable: set[int] = set()
        self.writable: set[int] = set()
        self._name, self._servers = name, servers
        self._channels: list[pycares.Channel] = []
        self._started = time.monotonic()
        self._pending = set(_FAMILIES)
        self._outstanding = dict.fromkeys(_FAMILIES, 0)
        self._addresses: list[Address] = []
        self._errors: list[int] = []
        self._send()

    @property
    def is_pending(self) -> bool:
        """Whether an answer for either family is outstanding."""
        return bool(self._pending)

    def process(self, descriptor: int, is_readable: bool, is_writable: bool) -> None:
        """Handle a descriptor that is ready."""
        for channel in list(self._channels):
            channel.process_fd(
                descriptor if is_readable else _NO_DESCRIPTOR, descriptor if is_writable else _NO_DESCRIPTOR
            )

    def process_timeouts(self, now: float) -> None:
        """Repeat the query where it is due, and let c-ares check its timeouts; ``now``: ``time.monotonic``."""
        due = REPEAT_AFTER_SECONDS[len(self._channels) - 1 :][:1]
        if due and now - self._started >= due[0]:
            with suppress(pycares.AresError):
                self._send()
        for channel in self._channels:
            channel.process_fd(_NO_DESCRIPTOR, _NO_DESCRIPTOR)

    def _send(self) -> None:
        channel = pycares.Channel(
            servers=self._servers,
            timeout=WAIT_SECONDS,
            tries=TRIES,
            sock_state_cb=partial(_watch_socket, self.readable, self.writable),
            lookups="b",
        )
        if self._channels and len(servers := channel.servers) > 1:
            offset = len(self._channels) % len(servers)
            channel.servers = servers[offset:] + servers[:offset]
        self._channels.append(channel)
        for family in list(self._pending):
            self._outstanding[family] += 1
            # c-ares can call back synchronously, e.g. when no server is configured; the callback only records.
            try:
                channel.query(self._name, family, callback=partial(self._on_result, family))
            except pycares.AresError as error:
                self._on_result(family, None, error.args[0])

    def result(self) -> DnsResult:
        """Combine what both families have returned so far. Addresses of one family are enough to connect."""
        if self._addresses:
            return DnsResult(tuple(self._addresses))
        if self._pending or not _NO_RESPONSE_ERRORS.isdisjoint(self._errors):
            return DnsResult(hint="dns_timed_out")
        hints = {_EMPTY_ERRORS.get(error, "dns_server_failed") for error in self._errors}
        order = ("dns_server_failed", "dns_no_such_name", "dns_no_address")
        return DnsResult(hint=next((hint for hint in order if hint in hints), "dns_no_address"))

    def close(self) -> None:
        """Close the sockets and ignore later responses."""
        self._pending.clear()
        for channel in self._channels:
            channel.close()

    def _on_result(self, family: int, result: Any, error: int | None) -> None:
        """Record the response for one family. CNAME records are skipped: only addresses matter."""
        self._outstanding[family] -= 1
        if family not in self._pending:
            return
        found = [_parse_address(text) for text in _record_addresses(result)]
        self._addresses += found
        if not found:
            error = error or pycares.errno.ARES_ENODATA
            self._errors.append(error)
        if found or error in _EMPTY_ERRORS or not self._outstanding[family]:
            self._pending.discard(family)


def _watch_socket(readable: set[int], writable: set[int], descriptor: int, reads: bool, writes: bool) -> None:
    (readable.add if reads else readable.discard)(descriptor)
    (writable.add if writes else writable.discard)(descriptor)


def _record_addresses(result: Any) -> list[str]:
    return [record.data.addr for record in (result.answer if result else ()) if getattr(record.data, "addr", None)]


def _parse_address(text: str) -> Address:
    with suppress(AddressValueError):
        return IPv4Address(text)
    return IPv6Address(text)
