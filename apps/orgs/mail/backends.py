"""SMTP with a total timeout: smtplib's timeout is per read, so a slow server could take hours."""

import smtplib
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp
from django.core.mail.backends.base import BaseEmailBackend

# The limit of one whole connection; EMAIL_TIMEOUT applies to each read.
MAX_SECONDS = 30.0


class _TimeLimitedSMTP(smtplib.SMTP):
    """Closes its socket after the limit, which smtplib reports as a disconnect."""

    sock: socket.socket | None
    _timer: threading.Timer | None = None
    accepted = b""

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send a mail and store the server's response, which smtplib discards."""
        code, self.accepted = super().data(msg)
        return code, self.accepted

    def _get_socket(self, *args: Any) -> socket.socket:
        self._timer = threading.Timer(MAX_SECONDS, self._disconnect)
        self._timer.daemon = True
        self._timer.start()
        opened: socket.socket = super()._get_socket(*args)  # type: ignore[misc]  # smtplib's own hook
        return opened

    def _disconnect(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                # On the plain socket: the TLS layer belongs to the thread that reads.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection and cancel the timer."""
        if self._timer:
            self._timer.cancel()
        super().close()


class _TimeLimitedSMTPOverTls(_TimeLimitedSMTP, smtplib.SMTP_SSL):
    """The same client over implicit TLS."""


class EmailBackend(smtp.EmailBackend):
    """Django's backend, with the total timeout."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """The SMTP client class."""
        return _TimeLimitedSMTPOverTls if self.use_ssl else _TimeLimitedSMTP

    def _send(self, email_message: Any) -> bool:
        """Send one mail and store on it the server's response, which usually has the queue id."""
        is_sent = super()._send(email_message)  # type: ignore[misc]  # Django's own hook
        accepted = getattr(self.connection, "accepted", b"") if is_sent else b""
        email_message.server_answer = " ".join(accepted.decode("ascii", "replace").split())
        return bool(is_sent)


class MailIsNotSet(OSError):
    """Raised because EMAIL_URL is not set."""


class NoMail(BaseEmailBackend):
    """Refuses every mail: Django's default would connect to localhost, and the console backend logs token links."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Raise MailIsNotSet."""
        raise MailIsNotSet("EMAIL_URL is not set")
