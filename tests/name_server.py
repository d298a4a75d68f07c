"""A tiny DNS server on loopback (RFC 1035), for stalls, flips, lies and counts."""

import ipaddress
import socket
import struct
import threading
from contextlib import suppress
from typing import Self

A, CNAME, SOA, AAAA = 1, 5, 6, 28
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3


class NameServer:
    """Answers what ``records`` says; a name that is not there does not exist.

    ``records`` maps a name to addresses, ``codes`` to a response code, ``aliases`` to another name. Names in
    ``stalled`` get no answer, names in ``stalled_families`` none for that record type. ``delays`` says how many
    seconds a name takes, the others meanwhile none; names in ``garbled`` get bytes that are no answer. What is missing
    comes with an SOA record, as real zones send it, that would like to be remembered for an hour.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.codes: dict[str, int] = {}
        self.aliases: dict[str, str] = {}
        self.stalled: set[str] = set()
        self.stalled_families: dict[str, int] = {}
        self.delays: dict[str, float] = {}
        self.garbled: set[str] = set()
        self.questions: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.server = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def names_asked(self) -> list[str]:
        """The names of the IPv4 questions, in order: one for each look-up."""
        return [name for name, kind in self.questions if kind == A]

    def _serve(self) -> None:
        while True:
            try:
                query, sender = self._socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            name, end = _read_name(query)
            (kind,) = struct.unpack_from("!H", query, end)
            self.questions.append((name, kind))
            if name in self.stalled or self.stalled_families.get(name) == kind:
                continue
            answer = query[:2] + b"\xff" * 9 if name in self.garbled else self._answer(query, name, kind, end + 4)
            if name in self.delays:
                later = threading.Timer(self.delays[name], self._send, (answer, sender))
                later.daemon = True
                later.start()
            else:
                self._send(answer, sender)

    def _send(self, answer: bytes, receiver: tuple[str, int]) -> None:
        with suppress(OSError):
            self._socket.sendto(answer, receiver)

    def _answer(self, query: bytes, name: str, kind: int, end: int) -> bytes:
        known = name in self.records or name in self.aliases
        code = self.codes.get(name, NO_ERROR if known else NO_SUCH_NAME)
        records, owner = b"", b"\xc0\x0c"
        count = 0
        if name in self.aliases:
            alias = _write_name(self.aliases[name])
            records += owner + struct.pack("!HHIH", CNAME, 1, 0, len(alias)) + alias
            owner, count = alias, 1
        for text in self.records.get(self.aliases.get(name, name), []):
            address = ipaddress.ip_address(text)
            if kind == (A if address.version == 4 else AAAA):
                records += owner + struct.pack("!HHIH", kind, 1, 0, len(address.packed)) + address.packed
                count += 1
        authority = b"" if count else _hour_long_soa()
        # Response, recursion desired and available; one question.
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, count, int(not count), 0)
        return head + query[12:end] + records + authority


def _read_name(query: bytes) -> tuple[str, int]:
    labels, place = [], 12
    while length := query[place]:
        labels.append(query[place + 1 : place + 1 + length].decode("ascii").lower())
        place += 1 + length
    return ".".join(labels), place + 1


def _hour_long_soa() -> bytes:
    data = b"\0\0" + struct.pack("!IIIII", 1, 3600, 600, 86400, 3600)
    return b"\0" + struct.pack("!HHIH", SOA, 1, 3600, len(data)) + data


def _write_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".")) + b"\0"
