"""Mail by SMTP in a time that ends: smtplib's limit is for each read, and a server that sends on meets it for hours."""

import smtplib
import socket
import threading
from contextlib import suppress
from typing import Any

from django.core.mail.backends import smtp

# One connection with all that is said on it. Beside it stands EMAIL_TIMEOUT, for each word of the server.
MAX_SECONDS = 30.0


class _Timed(smtplib.SMTP):
    """Hangs up when its time is over, which to smtplib is a server that went away."""

    sock: socket.socket | None
    _clock: threading.Timer | None = None
    accepted = b""

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send a mail and keep what the server said of it: smtplib forgets it."""
        code, self.accepted = super().data(msg)
        return code, self.accepted

    def _get_socket(self, *args: Any) -> socket.socket:
        self._clock = threading.Timer(MAX_SECONDS, self._hang_up)
        self._clock.daemon = True
        self._clock.start()
        opened: socket.socket = super()._get_socket(*args)  # type: ignore[misc]  # smtplib's own hook
        return opened

    def _hang_up(self) -> None:
        if self.sock is not None:
            with suppress(OSError):
                # Of the connection itself: TLS above it belongs to the thread that reads.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, and stop its clock."""
        if self._clock:
            self._clock.cancel()
        super().close()


class _TimedOverTls(_Timed, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


class EmailBackend(smtp.EmailBackend):
    """Django's, with connections that end in time."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """The class of a connection."""
        return _TimedOverTls if self.use_ssl else _Timed

    def _send(self, email_message: Any) -> bool:
        """Send one mail and note on it how the server accepted it, such as the id in its queue."""
        is_sent = super()._send(email_message)  # type: ignore[misc]  # Django's own hook
        accepted = getattr(self.connection, "accepted", b"") if is_sent else b""
        email_message.server_answer = " ".join(accepted.decode("ascii", "replace").split())
        return bool(is_sent)
