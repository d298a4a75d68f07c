"""The curl handle through which alone the portal speaks to addresses that somebody else chose."""

import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import certifi
import pycurl

from .addresses import Address, AddressPolicy
from .urls import Target

HEADER_LIMIT_BYTES = 64 * 1024
KEPT_HEADER_BYTES = 16 * 1024
KEPT_HEADERS = 100
KEPT_BODY_BYTES = 16 * 1024
# Far more than is kept; it slows down who sends without end.
RECEIVE_BUFFER_BYTES = 32 * 1024
CONNECT_TIMEOUT_MS = 10_000
# A connection was checked when it was opened; this bounds for how long that check is trusted.
CONNECTION_SECONDS = 60
DIALLED_ADDRESSES = 8
# More than headers, interim responses and a kept body need, and than the buffers of a connection hold.
MOST_RECEIVED_BYTES = 1024 * 1024
# Where Linux keeps tcpi_bytes_received in struct tcp_info (linux/tcp.h).
_RECEIVED_AT = 128
SOCKET_BAD: int = pycurl.SOCKET_BAD

# Asked before each socket is made, with address and port; False refuses it. Tests spy here.
SocketHook = Callable[[str, int], bool]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it goes on the wire.

    ``url`` comes from a Target, ``resolve_entry`` from the function of that name, ``header_lines`` too.
    """

    url: str
    resolve_entry: str
    header_lines: list[str]
    body: bytes
    timeout_ms: int


class GuardedHandle:
    """A reusable curl handle that refuses addresses outside the policy and keeps a bounded answer.

    ``curl`` goes to a CurlMulti. What came back is in the attributes until ``clear`` is called,
    which must happen before the next ``prepare``.
    """

    def __init__(self, policy: AddressPolicy, on_socket: SocketHook | None = None, ca_file: str | None = None) -> None:
        self.curl = pycurl.Curl()
        self.curl.handle = self  # info_read gives the curl object back; this leads from it to us
        self._policy = policy
        self._on_socket = on_socket
        self._had_resolve_entry = False
        self.clear()
        for option, value in _FIXED_OPTIONS:
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.CAINFO, ca_file or certifi.where())
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._take_header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._take_body)

    def clear(self) -> None:
        """Let go of the last request's body and answer, which may be large."""
        self.curl.setopt(pycurl.POSTFIELDS, b"")
        self.header_bytes = 0
        self.raw_headers: list[bytes] = []
        self.body = bytearray()
        self.is_body_cut = False
        self.is_header_flood = False
        self.is_refused = False
        self.is_flood = False
        self.received_before: int | None = None
        self.dialled: str | None = None

    def prepare(self, call: Call) -> None:
        """Set the handle up for one POST. Every address in ``call`` has been checked by the caller."""
        setopt = self.curl.setopt
        setopt(pycurl.URL, call.url)
        setopt(pycurl.HTTPHEADER, _UNWANTED_DEFAULTS + call.header_lines)
        setopt(pycurl.POSTFIELDS, call.body)
        setopt(pycurl.TIMEOUT_MS, call.timeout_ms)
        # Written anew for each use: curl forgets entries, and then it would look the name up by itself.
        if call.resolve_entry or self._had_resolve_entry:
            setopt(pycurl.RESOLVE, [call.resolve_entry] if call.resolve_entry else None)
            self._had_resolve_entry = bool(call.resolve_entry)

    def _open_socket(self, purpose: int, address: tuple[Any, ...]) -> socket.socket | int:
        """Make the socket if the address to be dialled is allowed: the last check, on the real thing."""
        family, kind, protocol, (host, port, *_rest) = address
        if not self._may_dial(host, port):
            self.is_refused = True
            return SOCKET_BAD
        try:
            opened = socket.socket(family, kind, protocol)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        except OSError:
            # No IPv6 on this machine, or out of descriptors: curl goes on with the next address.
            return SOCKET_BAD
        self.dialled = host.decode() if isinstance(host, bytes) else host
        return opened

    def _may_dial(self, host: str | bytes, port: int) -> bool:
        text = host.decode("ascii") if isinstance(host, bytes) else host
        try:
            ip = ip_address(text)
        except ValueError:
            return False
        if self._policy.refusal(ip, port):
            return False
        return self._on_socket is None or self._on_socket(text, port)

    def _take_header(self, line: bytes) -> int | None:
        """Keep the header lines of the last response; stop a flood. Interim responses (1xx) count as well."""
        self.header_bytes += len(line)
        if self.header_bytes > HEADER_LIMIT_BYTES:
            self.is_header_flood = True
            return 0
        if line.startswith(b"HTTP/"):
            self.raw_headers = []
        elif self.header_bytes <= KEPT_HEADER_BYTES and len(self.raw_headers) < KEPT_HEADERS:
            self.raw_headers.append(line)
        return None

    def _take_body(self, chunk: bytes) -> int | None:
        """Keep the first bytes of the body and stop the transfer when there are more."""
        room = KEPT_BODY_BYTES - len(self.body)
        self.body += chunk[:room]
        if len(chunk) > room:
            self.is_body_cut = True
            return 0
        return None

    def has_flooded(self) -> bool:
        """Tell whether far more came than an answer may have, looked at since the last call.

        curl counts bodies and hands headers over, but what a receiver writes into chunk extensions it only reads,
        as fast as it comes. The system's own count of the connection tells; elsewhere than on Linux nothing does.
        """
        received = _received_bytes(self.curl.getinfo(pycurl.ACTIVESOCKET))
        if self.received_before is None:
            self.received_before = received
        self.is_flood = received - self.received_before > MOST_RECEIVED_BYTES
        return self.is_flood

    def response_headers(self) -> list[tuple[str, str]]:
        """Return name and value of each kept header, names in lower case, as clean text."""
        pairs = (line.partition(":") for line in clean_text(b"".join(self.raw_headers)).split("\n"))
        return [(name.strip().lower(), value.strip()) for name, colon, value in pairs if colon]

    def response_body(self) -> tuple[str, bool]:
        """Return the kept body as clean text of at most ``KEPT_BODY_BYTES``, and whether there was more."""
        text = clean_text(self.body)
        if len(self.body) * 3 <= KEPT_BODY_BYTES:  # a byte becomes at most three: U+FFFD in UTF-8
            return text, False
        kept = text.encode()[:KEPT_BODY_BYTES].decode("utf-8", "ignore")
        return kept, self.is_body_cut or len(kept) < len(text)

    def close(self) -> None:
        """Free the handle and its connection."""
        self.curl.close()


def _received_bytes(descriptor: int) -> int:
    """Return how many bytes a connection has received in its life, 0 where nobody tells."""
    if not sys.platform.startswith("linux") or descriptor < 0:
        return 0
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        return 0
    try:
        facts = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED_AT + 8)
    except OSError:
        return 0
    finally:
        connection.detach()
    return int(struct.unpack_from("Q", facts, _RECEIVED_AT)[0]) if len(facts) >= _RECEIVED_AT + 8 else 0


def clean_text(raw: bytes | bytearray) -> str:
    """Decode what a stranger sent into text that every database stores: valid UTF-8 without NUL."""
    return raw.decode("utf-8", "replace").replace("\x00", "")


def resolve_entry(target: Target, addresses: tuple[Address, ...]) -> str:
    """Pin a name to the addresses that were checked, in the form of CURLOPT_RESOLVE; "" for a literal.

    The "+" lets the entry age out of curl's table like any other.
    """
    if target.literal is not None:
        return ""
    shown = ",".join(f"[{ip}]" if ip.version == 6 else str(ip) for ip in addresses[:DIALLED_ADDRESSES])
    return f"+{target.host}:{target.port}:{shown}"


# "Name:" removes what curl would add by itself; a line with a value, further down, is still sent.
_UNWANTED_DEFAULTS = ["Expect:", "Accept:", "Content-Type:"]

_FIXED_OPTIONS: tuple[tuple[int, object], ...] = (
    (pycurl.POST, 1),
    (pycurl.USERAGENT, ""),
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.PROXY, ""),
    (pycurl.NETRC, 0),
    # 1.1 keeps one request on one connection: nothing that one receiver sends can stall another's delivery.
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.HTTP09_ALLOWED, 0),
    (pycurl.HTTP_CONTENT_DECODING, 0),
    (pycurl.PATH_AS_IS, 1),
    (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
    (pycurl.SSL_VERIFYPEER, 1),
    (pycurl.SSL_VERIFYHOST, 2),
    (pycurl.TCP_NODELAY, 1),
    (pycurl.MAXAGE_CONN, CONNECTION_SECONDS),
    (pycurl.MAXLIFETIME_CONN, CONNECTION_SECONDS),
)
