"""The curl handle for all requests to URLs that customers choose: it connects to allowed addresses only."""

import re
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
from .decoding import clean_text, read_body
from .urls import Target

MAX_HEADER_BYTES = 64 * 1024
MAX_STORED_HEADER_BYTES = 16 * 1024
MAX_STORED_HEADERS = 100
MAX_STORED_BODY_BYTES = 16 * 1024
# Request bodies up to this length are fully sent before a response can exceed its limit.
SENT_AT_ONCE_BYTES = 16 * 1024
# Far more than is stored; a small buffer slows down servers that send endlessly.
RECEIVE_BUFFER_BYTES = 32 * 1024
CONNECT_TIMEOUT_MS = 10_000
# The address is checked when a connection opens; this limits how long that check is trusted.
CONNECTION_SECONDS = 60
MAX_ADDRESSES = 8
# More than headers, interim responses and a stored body need, and more than a connection's buffers hold.
MAX_RECEIVED_BYTES = 1024 * 1024
# Offset of tcpi_bytes_received in struct tcp_info (linux/tcp.h).
_BYTES_RECEIVED_OFFSET = 128
SOCKET_BAD: int = pycurl.SOCKET_BAD
SWITCHING_PROTOCOLS = 101

# RFC 9112 section 4; the space before an empty reason is optional, as many servers omit it. curl is more lenient.
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?\r?\n")
_LINE_ENDS = (b"\r\n", b"\n")

# Called with address and port before each socket is created; False refuses it. For tests.
SocketHook = Callable[[str, int], bool]


@dataclass(slots=True)
class WireRequest:
    """One request as it is sent.

    ``url`` comes from a Target; ``resolve_entry`` and ``header_lines`` from the functions of those names. With
    ``fresh_connection`` no existing connection is reused.
    """

    url: str
    resolve_entry: str
    header_lines: list[str]
    body: bytes
    timeout_ms: int
    fresh_connection: bool = False


class GuardedHandle:
    """A reusable curl handle that refuses addresses outside the policy and stores a bounded response.

    Add ``curl`` to a CurlMulti. The response is in the attributes until ``clear``, which must be called before the next
    ``prepare``.
    """

    def __init__(self, policy: AddressPolicy, on_socket: SocketHook | None = None, ca_file: str | None = None) -> None:
        self.curl = pycurl.Curl()
        self.curl.handle = self  # CurlMulti.info_read returns the curl object; this maps it back to the handle
        self._policy = policy
        self._on_socket = on_socket
        self._had_resolve_entry = False
        self._was_fresh = False
        self.clear()
        for option, value in _FIXED_OPTIONS:
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.CAINFO, ca_file or certifi.where())
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._on_header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def clear(self) -> None:
        """Release the last request's body and response, which can be large."""
        self.curl.setopt(pycurl.POSTFIELDS, b"")
        self.header_bytes = 0
        self.raw_head: list[bytes] = []
        self.status: int | None = None
        self.is_head_complete = False
        self._to_send = 0
        self.body = bytearray()
        self.is_body_cut = False
        self.is_header_flood = False
        self.is_refused = False
        self.is_flood = False
        self.received_before: int | None = None
        self.connected_address: str | None = None

    def prepare(self, request: WireRequest) -> None:
        """Set the handle up for one POST. The caller has checked every address in ``request``."""
        setopt = self.curl.setopt
        setopt(pycurl.URL, request.url)
        setopt(pycurl.HTTPHEADER, _REMOVED_DEFAULT_HEADERS + request.header_lines)
        setopt(pycurl.POSTFIELDS, request.body)
        self._to_send = len(request.body)
        setopt(pycurl.TIMEOUT_MS, request.timeout_ms)
        # Set for each use: curl's entries expire, and it would then resolve the name itself.
        if request.resolve_entry or self._had_resolve_entry:
            setopt(pycurl.RESOLVE, [request.resolve_entry] if request.resolve_entry else None)
            self._had_resolve_entry = bool(request.resolve_entry)
        if request.fresh_connection or self._was_fresh:
            setopt(pycurl.FRESH_CONNECT, int(request.fresh_connection))
            self._was_fresh = request.fresh_connection

    def _open_socket(self, purpose: int, address: tuple[Any, ...]) -> socket.socket | int:
        """Open the socket if its address is allowed: the last check, on the address that curl connects to."""
        family, kind, protocol, (host, port, *_rest) = address
        if not self._is_allowed(host, port):
            self.is_refused = True
            return SOCKET_BAD
        try:
            opened = socket.socket(family, kind, protocol)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        except OSError:
            # No IPv6 on this machine, or out of descriptors: curl tries the next address.
            return SOCKET_BAD
        self.connected_address = host.decode() if isinstance(host, bytes) else host
        return opened

    def _is_allowed(self, host: str | bytes, port: int) -> bool:
        text = host.decode("ascii") if isinstance(host, bytes) else host
        try:
            ip = ip_address(text)
        except ValueError:
            return False
        if self._policy.refusal(ip, port):
            return False
        return self._on_socket is None or self._on_socket(text, port)

    def _on_header(self, line: bytes) -> int | None:
        """Store the lines of the last head; 0 aborts the transfer. Interim responses (1xx) count toward the limit."""
        self.header_bytes += len(line)
        if len(line) <= 2 and line in _LINE_ENDS and not self.is_head_complete:
            return self._end_head()
        if self.header_bytes > MAX_HEADER_BYTES:
            self.is_header_flood = True
            return 0
        has_room = self.header_bytes <= MAX_STORED_HEADER_BYTES and len(self.raw_head) <= MAX_STORED_HEADERS
        # Always store the status line, whatever came before it; never trailers.
        if (has_room and not self.is_head_complete) or not self.raw_head:
            self.raw_head.append(line)
        return None

    def _end_head(self) -> int | None:
        """Handle the empty line that ends a head; 0 aborts a protocol switch, which was not requested."""
        status = self.status = self.read_status()
        if status is None or status == SWITCHING_PROTOCOLS:
            return 0
        if status < 200:
            self.raw_head, self.status = [], None
        else:
            self.is_head_complete = True
        return None

    def read_status(self) -> int | None:
        """Return the status of the last head, even an incomplete one; None where its first line is not HTTP."""
        match = _STATUS_LINE.fullmatch(self.raw_head[0]) if self.raw_head else None
        return int(match[1]) if match else None

    def _on_body(self, chunk: bytes) -> int | None:
        """Store the first bytes of the body; when there are more, stop as soon as the request is sent."""
        room = MAX_STORED_BODY_BYTES - len(self.body)
        self.body += chunk[:room]
        if len(chunk) > room:
            self.is_body_cut = True
            # A longer request can still be in transit: then the sender stops it.
            return 0 if self._to_send <= SENT_AT_ONCE_BYTES else None
        return None

    def is_request_sent(self) -> bool:
        """Return whether the whole request body was sent."""
        return bool(self.curl.getinfo(pycurl.SIZE_UPLOAD_T) >= self._to_send)

    def has_unread_length(self) -> bool:
        """Return whether a Content-Length was too large for curl, which then reads until the connection closes."""
        if self.curl.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD_T) >= 0 or self.is_body_cut:
            return False
        names = {line.partition(b":")[0].lower() for line in self.raw_head}
        return b"content-length" in names and b"transfer-encoding" not in names

    def has_flooded(self) -> bool:
        """Return whether far more bytes were received for this request than a response needs.

        curl reports headers and body, but silently discards chunk extensions, which can be endless. The kernel's byte
        count of the connection includes them; it is available on Linux only.
        """
        received = _received_bytes(self.curl.getinfo(pycurl.ACTIVESOCKET))
        if self.received_before is None:
            self.received_before = received
        self.is_flood = received - self.received_before > MAX_RECEIVED_BYTES
        return self.is_flood

    def response_headers(self) -> list[tuple[str, str]]:
        """Return name (in lower case) and value of each stored header, as clean text."""
        found = []
        for line in clean_text(b"".join(self.raw_head[1:])).split("\n"):
            name, colon, value = line.partition(":")
            if colon:
                found.append((name.strip().lower(), value.strip()))
        return found

    def response_body(self, headers: list[tuple[str, str]]) -> tuple[str, bool]:
        """Return the stored body as clean text of at most ``MAX_STORED_BODY_BYTES``, and whether there was more."""
        return (
            read_body(bytes(self.body), headers, self.is_body_cut, MAX_STORED_BODY_BYTES) if self.body else ("", False)
        )

    def close(self) -> None:
        """Close the handle and its connection."""
        self.curl.close()


def _received_bytes(descriptor: int) -> int:
    """Return how many bytes a connection has received in total, 0 where the system does not say."""
    if not sys.platform.startswith("linux") or descriptor < 0:
        return 0
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED_OFFSET + 8)
    except OSError:
        return 0
    finally:
        connection.detach()
    if len(info) < _BYTES_RECEIVED_OFFSET + 8:
        return 0
    return int(struct.unpack_from("Q", info, _BYTES_RECEIVED_OFFSET)[0])


def resolve_entry(target: Target, addresses: tuple[Address, ...]) -> str:
    """Return a CURLOPT_RESOLVE entry that pins the host to checked addresses; "" for a host that is an address.

    The "+" lets the entry expire from curl's table like any other.
    """
    if target.host == str(target.literal):
        return ""
    shown = ",".join(f"[{ip}]" if ip.version == 6 else str(ip) for ip in addresses[:MAX_ADDRESSES])
    return f"+{target.host}:{target.port}:{shown}"


# "Name:" removes a header that curl would add by itself; a later line with a value is still sent.
_REMOVED_DEFAULT_HEADERS = ["Expect:", "Accept:", "Content-Type:"]

_FIXED_OPTIONS: tuple[tuple[int, object], ...] = (
    (pycurl.POST, 1),
    (pycurl.USERAGENT, ""),
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.PROXY, ""),
    (pycurl.NETRC, 0),
    # HTTP/1.1 has one request at a time on a connection: no endpoint can stall another's delivery.
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.HTTP09_ALLOWED, 0),
    (pycurl.HTTP_CONTENT_DECODING, 0),
    (pycurl.PATH_AS_IS, 1),
    (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
    (pycurl.SSL_VERIFYPEER, 1),
    (pycurl.SSL_VERIFYHOST, 2),
    # The number of certificates distinguishes an incomplete chain from an unknown issuer.
    (pycurl.OPT_CERTINFO, 1),
    (pycurl.TCP_NODELAY, 1),
    (pycurl.MAXAGE_CONN, CONNECTION_SECONDS),
    (pycurl.MAXLIFETIME_CONN, CONNECTION_SECONDS),
)
