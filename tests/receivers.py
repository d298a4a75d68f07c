"""Real servers on loopback with switchable behaviour: webhook receivers, good and hostile, and a name server.

with Receiver() as receiver:
    receiver.behaviour = status(503)
    ...  # POST to receiver.url
    receiver.requests[0].headers
"""

import datetime
import gzip
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import free_port


@dataclass(frozen=True)
class Received:
    """One request as it came off the wire."""

    head: bytes
    body: bytes

    @property
    def header_lines(self) -> list[bytes]:
        """The header lines exactly as sent, without the request line."""
        return self.head.split(b"\r\n")[1:]

    @property
    def headers(self) -> dict[str, str]:
        """The headers, names in lower case."""
        pairs = (line.decode("latin-1").partition(":") for line in self.header_lines)
        return {name.lower(): value.strip() for name, _colon, value in pairs}


# Answers one request on the open connection; True keeps the connection for another one.
Behaviour = Callable[[socket.socket, Received], bool]


def answer(code: int = 200, body: bytes = b"ok", headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A whole response with its length."""
    lines = [
        f"HTTP/1.1 {code} X",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def ok(connection: socket.socket, request: Received) -> bool:
    """200 with a short body; keeps the connection."""
    connection.sendall(answer())
    return True


def status(code: int, *headers: tuple[str, str], body: bytes = b"") -> Behaviour:
    """Any status, headers and body."""
    return raw(answer(code, body, headers), keep=True)


def redirect(location: str, code: int = 302) -> Behaviour:
    """A redirect to ``location``."""
    return status(code, ("Location", location))


def raw(data: bytes, *, keep: bool = False) -> Behaviour:
    """Exactly these bytes: HTTP/0.9, half a body, garbage."""

    def behave(connection: socket.socket, request: Received) -> bool:
        connection.sendall(data)
        return keep

    return behave


def slow(seconds: float, then: Behaviour = ok) -> Behaviour:
    """Wait, then answer."""

    def behave(connection: socket.socket, request: Received) -> bool:
        time.sleep(seconds)
        return then(connection, request)

    return behave


def after(event: threading.Event, then: Behaviour = ok) -> Behaviour:
    """Answer once something has happened, and not before."""

    def behave(connection: socket.socket, request: Received) -> bool:
        event.wait(20)
        return then(connection, request)

    return behave


def endless(start: bytes, again: bytes, pause: float = 0.0) -> Behaviour:
    """``start``, then ``again`` for ever, with ``pause`` seconds in between: every kind of drip and flood."""

    def behave(connection: socket.socket, request: Received) -> bool:
        connection.sendall(start)
        while True:
            connection.sendall(again)
            time.sleep(pause)

    return behave


def silence(connection: socket.socket, request: Received) -> bool:
    """Read the request and never answer."""
    with suppress(OSError):
        connection.recv(1)
    return False


def early_close(connection: socket.socket, request: Received) -> bool:
    """Close without an answer."""
    return False


def reset(connection: socket.socket, request: Received) -> bool:
    """Reset the connection instead of answering."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


_CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
header_drip = endless(b"HTTP/1.1 200 X\r\n", b"X-Drip: 1\r\n", 0.05)
body_drip = endless(b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n", b".", 0.05)
continue_drip = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)
continue_flood = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
header_flood = endless(b"HTTP/1.1 200 X\r\n", b"X-Flood: 0123456789\r\n" * 1000)
long_header_line = endless(b"HTTP/1.1 200 X\r\nX-Long: ", b"a" * 65536)
endless_chunks = endless(_CHUNKED, b"ffff\r\n" + b"c" * 0xFFFF + b"\r\n")
endless_chunk_extension = endless(_CHUNKED + b"1;x=", b"e" * 65536)
endless_chunk_drip = endless(_CHUNKED, b"1\r\n.\r\n", 0.05)


def gzip_bomb(connection: socket.socket, request: Received) -> bool:
    """52 MB in some 50 kB."""
    bomb = gzip.compress(bytes(52 * 1024 * 1024), 9)
    connection.sendall(answer(200, bomb, (("Content-Encoding", "gzip"),)))
    return False


class Receiver:
    """A server on a loopback port. ``connections`` counts what was accepted, ``requests`` what was read.

    ``reads`` False leaves every request unread (a closed TCP window). With ``tls`` it speaks TLS; with
    ``stalls_tls`` it takes the connection and never answers the handshake. A ``greeting`` is sent before
    anything is read, and then the connection is closed.
    """

    def __init__(
        self, behaviour: Behaviour = ok, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.behaviour = behaviour
        self.requests: list[Received] = []
        self.connections = 0
        self.reads = True
        self.stalls_tls = False
        self.greeting = b""
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((host, 0), backlog=256)
        self.host = host
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """The address of this receiver as a literal."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        # Whatever the other side does to the connection is its right: OSError covers TLS errors too.
        with suppress(OSError), connection:
            if self.greeting:
                connection.sendall(self.greeting)
            elif not self.reads or self.stalls_tls:
                threading.Event().wait(10)
            elif self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._converse(secured)
            else:
                self._converse(connection)
        self._open.discard(connection)

    def _converse(self, connection: socket.socket) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                buffer = _more(connection, buffer)
            head, _blank, buffer = buffer.partition(b"\r\n\r\n")
            length = int(Received(head, b"").headers.get("content-length", 0))
            while len(buffer) < length:
                buffer = _more(connection, buffer)
            request = Received(head, buffer[:length])
            buffer = buffer[length:]
            self.requests.append(request)
            if not self.behaviour(connection, request):
                return


def _more(connection: socket.socket, buffer: bytes) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionError("closed by the other side")
    return buffer + chunk


def closed_port() -> int:
    """A loopback port that nobody listens on."""
    return free_port()


@dataclass(frozen=True)
class TestCertificates:
    """Where the test's own authority is, and a context that serves a certificate from it."""

    __test__ = False
    ca_file: str
    context: ssl.SSLContext


@lru_cache(maxsize=8)
def make_certificates(folder: Path, *names: str, days: int = 1) -> TestCertificates:
    """Certificates for ``names`` and 127.0.0.1 from an authority of our own, expired for negative ``days``."""
    ca_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test authority", "Test authority", ca_key, ca_key, None, 10)
    alternatives = [x509.DNSName(name) for name in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = _certificate("Receiver", "Test authority", leaf_key, ca_key, alternatives, days)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    key_bytes = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem) + key_bytes)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
    return TestCertificates(str(folder / "ca.pem"), context)


def _certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    alternatives: list[x509.GeneralName] | None,
    days: int,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]),
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(days=30),
        not_valid_after=now + datetime.timedelta(days=days),
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=alternatives is None, path_length=None), True)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
    return builder.sign(signer, hashes.SHA256())


@contextmanager
def full_backlog(host: str = "127.0.0.1") -> Iterator[int]:
    """A loopback port that no longer completes connections, as behind a firewall that drops."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]
