"""A mail server may send on for ever without an end to its answer: the connection ends all the same."""

import smtplib
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.mail import EmailMessage, get_connection

from apps.orgs.mail import backends
from integrations_portal.environment import urls
from tests.servers import HOST

pytestmark = pytest.mark.pure
GREETING = b"220 mail.example\r\n"


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    first, again = b"", b""


class Dripping(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Server)
        with suppress(OSError):
            self.wfile.write(self.server.first)
            for _ in range(400):
                self.wfile.write(self.server.again)
                time.sleep(0.05)


@pytest.fixture
def dripping(settings: Any) -> Iterator[Server]:
    with Server((HOST, 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        yield server
        server.shutdown()


@pytest.mark.parametrize(("first", "again"), [(b"220 ", b"a"), (b"", b"220-more\r\n"), (GREETING, b"2")])
def test_a_connection_ends_although_the_server_sends_on(
    dripping: Server, monkeypatch: pytest.MonkeyPatch, first: bytes, again: bytes
) -> None:
    dripping.first, dripping.again = first, again
    monkeypatch.setattr(backends, "MAX_SECONDS", 0.5)
    backend = urls.mail_server("EMAIL_URL", "smtp://mail.example")["EMAIL_BACKEND"]
    started = time.monotonic()
    with pytest.raises(smtplib.SMTPException):
        EmailMessage("s", "b", to=["ada@acme.example"], connection=get_connection(backend)).send()
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "smtp+tls", "smtp+ssl"])
def test_every_way_to_a_mail_server_has_a_clock(scheme: str) -> None:
    found = urls.mail_server("EMAIL_URL", f"{scheme}://u:p@mail.example:587")
    connection = backends.EmailBackend(use_ssl=found.get("EMAIL_USE_SSL", False)).connection_class
    assert found["EMAIL_BACKEND"] == "apps.orgs.mail.backends.EmailBackend" and issubclass(
        connection, backends._TimeLimitedSMTP
    )


class Taking(socketserver.StreamRequestHandler):
    """A mail server that takes a mail and says under which id."""

    def handle(self) -> None:
        self.wfile.write(GREETING)
        for line in self.rfile:
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
                self.wfile.write(b"250 2.0.0 Ok: queued as 4fJq2k1\r\n")
            else:
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


def test_what_the_server_says_of_a_mail_is_noted_on_it(settings: Any) -> None:
    with Server((HOST, 0), Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        backend = urls.mail_server("EMAIL_URL", "smtp://mail.example")["EMAIL_BACKEND"]
        mail = EmailMessage("s", "b", to=["ada@acme.example"], connection=get_connection(backend))
        assert mail.send() == 1
        server.shutdown()
    assert mail.server_answer == "2.0.0 Ok: queued as 4fJq2k1"  # type: ignore[attr-defined]
