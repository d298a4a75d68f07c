"""``manage.py listen``: a local webhook receiver that prints and verifies deliveries."""

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.webhooks.engine.signing import SignatureRefused, secret_bytes, verify
from integrations_portal.launcher.signals import interrupt_on_signals

ADDRESS = "127.0.0.1"
MAX_LINES = 20
MAX_BYTES = 1024 * 1024
SLOW_SECONDS = 30.0
MODES = ("ok", "503", "slow")
NOT_FORWARDED = frozenset({"host", "content-length", "connection", "transfer-encoding"})


@dataclass
class Inbox:
    """The last deliveries, and the settings for verifying and answering them."""

    keys: list[bytes]
    forward: str | None
    brief: bool = False
    mode: str = "ok"
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_LINES))
    stopping: threading.Event = field(default_factory=threading.Event)

    def verification_result(self, headers: dict[str, str], body: bytes) -> str:
        """Return the result of verifying the signature, as a text for the output."""
        if not self.keys:
            return "not verified (give --secret)"
        try:
            verify(self.keys, headers, body)
        except SignatureRefused as refused:
            return f"REFUSED: {refused}"
        return "verified"


class Receiver(BaseHTTPRequestHandler):
    """Receives deliveries by POST; ``/mode/<ok|503|slow>`` switches the response, ``/`` shows the last ones."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    inbox: Inbox
    command_output: Any

    def do_GET(self) -> None:
        """Show the last deliveries, or switch the mode."""
        if self.path.startswith("/mode/"):
            self._switch_mode()
        else:
            text = "\n".join([f"mode: {self.inbox.mode}", *reversed(self.inbox.lines)])
            self._respond(200, text + "\n")

    def do_POST(self) -> None:
        """Print and verify a delivery, and answer according to the mode."""
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_BYTES:
            self.close_connection = True
            self._respond(413, "too large\n")
            return
        body = self.rfile.read(int(length))
        if self.path.startswith("/mode/"):
            self._switch_mode()
            return
        self._print_delivery({name.lower(): value for name, value in self.headers.items()}, body)
        if self.inbox.mode == "slow":
            self.inbox.stopping.wait(SLOW_SECONDS)
        if self.inbox.mode == "503":
            self._respond(503, "busy\n")
        else:
            self._respond(*self._forward(body))

    def _switch_mode(self) -> None:
        mode = self.path.removeprefix("/mode/").strip("/")
        if mode in MODES:
            self.inbox.mode = mode
            self._respond(200, f"mode: {mode}\n")
        else:
            self._respond(404, f"modes: {', '.join(MODES)}\n")

    def _print_delivery(self, headers: dict[str, str], body: bytes) -> None:
        result = self.inbox.verification_result(headers, body)
        event_type = _type_of(body)
        line = f"{time.strftime('%H:%M:%S')} {headers.get('webhook-id', '-')} {event_type} {result}"
        if self.inbox.mode != "ok":
            line += f" (mode: {self.inbox.mode})"
        self.inbox.lines.append(line)
        self.command_output.write(line)
        if not self.inbox.brief:
            self.command_output.write(body.decode("utf-8", "replace"))
        self.command_output.flush()

    def _forward(self, body: bytes) -> tuple[int, str]:
        """Forward the delivery to the URL of ``--forward``, and return its status and body."""
        if self.inbox.forward is None:
            return 200, "ok\n"
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        try:
            response = requests.post(
                self.inbox.forward, data=body, headers=headers, timeout=(5, 30), allow_redirects=False
            )
        except requests.RequestException as error:
            return 502, f"{self.inbox.forward} could not be reached: {type(error).__name__}\n"
        return response.status_code, response.text[:1000]

    def _respond(self, status: int, text: str) -> None:
        payload = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: deliveries are printed already."""


def _type_of(body: bytes) -> str:
    try:
        return str(json.loads(body)["type"])
    except (ValueError, KeyError, TypeError):
        return "(not an event)"


class Command(BaseCommand):
    """Receives deliveries on 127.0.0.1 until Ctrl-C."""

    help = "Runs a local receiver that prints and verifies webhook deliveries."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the port, the secrets and the URL to forward to."""
        parser.add_argument("--port", type=int, default=8001, help="8001 unless it is given")
        parser.add_argument("--secret", action="append", default=[], help="whsec_…; may be given several times")
        parser.add_argument("--forward", metavar="URL", help="send each delivery on to this address of yours")
        parser.add_argument("--brief", action="store_true", help="print one line for each delivery and nothing else")

    def handle(
        self, *args: Any, port: int, secret: list[str], forward: str | None, brief: bool = False, **options: Any
    ) -> None:
        """Serve until Ctrl-C; raise CommandError if a secret or the port cannot be used."""
        try:
            keys = [secret_bytes(each) for each in secret]
        except ValueError as error:
            raise CommandError(str(error)) from None
        inbox = Inbox(keys, forward, brief)
        handler = type("Handler", (Receiver,), {"inbox": inbox, "command_output": self.stdout})
        try:
            server = ThreadingHTTPServer((ADDRESS, port), handler)
        except OSError as error:
            raise CommandError(f"Port {port} cannot be used: {error.strerror}.") from None
        with interrupt_on_signals(), server:
            self._serve(server, inbox)

    def _serve(self, server: ThreadingHTTPServer, inbox: Inbox) -> None:
        address = f"http://{ADDRESS}:{server.server_port}/"
        try:
            if not inbox.brief:
                self.stdout.write(f"Listening on {address} (modes: /mode/ok /mode/503 /mode/slow)")
                self.stdout.flush()
            server.serve_forever()
        except KeyboardInterrupt:
            if not inbox.brief:
                self.stdout.write("stopped")
        finally:
            inbox.stopping.set()
