"""One name, asked at the system's servers for both families, on c-ares channels of its own.

A channel that lives on learns from quick names to give slow ones less time, keeps what a zone says of a name that is
missing for as long as the zone likes, and starts every question in flight anew when one answer cannot be read. And no
channel takes a late answer to a try that it gave up. So each question has its own, some 30 µs each: one that waits to
the end, and others that ask once more, elsewhere where there is more than one server, since datagrams get lost.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

import pycares

from .addresses import Address

ASK_AGAIN_AFTER_SECONDS = (1.2, 3.0)
# Longer than a look-up may take: the caller's deadline ends it.
WAIT_SECONDS = 30.0
# An error is asked for once more, at once.
TRIES = 2

_EMPTY_ERRORS = {
    pycares.errno.ARES_ENODATA: "dns_no_address",
    pycares.errno.ARES_ENOTFOUND: "dns_no_such_name",
}
_FAMILIES = (pycares.QUERY_TYPE_A, pycares.QUERY_TYPE_AAAA)
_NOT_ANSWERED = frozenset({pycares.errno.ARES_ETIMEOUT, pycares.errno.ARES_ECANCELLED})
_NONE = pycares.ARES_SOCKET_BAD


@dataclass(frozen=True, slots=True)
class DnsResult:
    """Every address of a name, or why there is none.

    ``hint`` is "" or one of dns_no_such_name, dns_no_address, dns_timed_out, dns_server_failed.
    """

    addresses: tuple[Address, ...] = ()
    hint: str = ""


class DnsQuery:
    """A look-up that is out. ``readable`` and ``writable`` are the descriptors that it waits for."""

    def __init__(self, name: str, servers: list[str] | None) -> None:
        self.readable: set[int] = set()
        self.writable: set[int] = set()
        self._name, self._servers = name, servers
        self._channels: list[pycares.Channel] = []
        self._started = time.monotonic()
        self._pending = set(_FAMILIES)
        self._out = dict.fromkeys(_FAMILIES, 0)
        self._addresses: list[Address] = []
        self._errors: list[int] = []
        self._ask()

    @property
    def is_pending(self) -> bool:
        """Whether something may still come."""
        return bool(self._pending)

    def process(self, descriptor: int, may_read: bool, may_write: bool) -> None:
        """Handle a descriptor that is ready."""
        for channel in list(self._channels):
            channel.process_fd(descriptor if may_read else _NONE, descriptor if may_write else _NONE)

    def look_at_time(self, now: float) -> None:
        """Ask once more where it is time to; ``now`` is of ``time.monotonic``."""
        again = ASK_AGAIN_AFTER_SECONDS[len(self._channels) - 1 :][:1]
        if again and now - self._started >= again[0]:
            with suppress(pycares.AresError):
                self._ask()
        for channel in self._channels:
            channel.process_fd(_NONE, _NONE)

    def _ask(self) -> None:
        channel = pycares.Channel(
            servers=self._servers,
            timeout=WAIT_SECONDS,
            tries=TRIES,
            sock_state_cb=partial(_watch_socket, self.readable, self.writable),
            lookups="b",
        )
        if self._channels and len(servers := channel.servers) > 1:
            turn = len(self._channels) % len(servers)
            channel.servers = servers[turn:] + servers[:turn]
        self._channels.append(channel)
        for family in list(self._pending):
            self._out[family] += 1
            # c-ares may call back at once, as where no server is set: that is only written down here.
            try:
                channel.query(self._name, family, callback=partial(self._take_result, family))
            except pycares.AresError as error:
                self._take_result(family, None, error.args[0])

    def answer(self) -> DnsResult:
        """Sum both families up, as far as they are known. What one gave is enough: only that will be dialled."""
        if self._addresses:
            return DnsResult(tuple(self._addresses))
        if self._pending or not _NOT_ANSWERED.isdisjoint(self._errors):
            return DnsResult(hint="dns_timed_out")
        hints = {_EMPTY_ERRORS.get(error, "dns_server_failed") for error in self._errors}
        order = ("dns_server_failed", "dns_no_such_name", "dns_no_address")
        return DnsResult(hint=next((hint for hint in order if hint in hints), "dns_no_address"))

    def close(self) -> None:
        """Free the sockets; what comes later is of no interest."""
        self._pending.clear()
        for channel in self._channels:
            channel.close()

    def _take_result(self, family: int, result: Any, error: int | None) -> None:
        """Note what one family answered. CNAME records on the way are skipped: only addresses are dialled."""
        self._out[family] -= 1
        if family not in self._pending:
            return
        found = [_parse_address(text) for text in _texts(result)]
        self._addresses += found
        if not found:
            error = error or pycares.errno.ARES_ENODATA
            self._errors.append(error)
        if found or error in _EMPTY_ERRORS or not self._out[family]:
            self._pending.discard(family)


def _watch_socket(readable: set[int], writable: set[int], descriptor: int, may_read: bool, may_write: bool) -> None:
    (readable.add if may_read else readable.discard)(descriptor)
    (writable.add if may_write else writable.discard)(descriptor)


def _texts(result: Any) -> list[str]:
    return [record.data.addr for record in (result.answer if result else ()) if getattr(record.data, "addr", None)]


def _parse_address(text: str) -> Address:
    with suppress(AddressValueError):
        return IPv4Address(text)
    return IPv6Address(text)
