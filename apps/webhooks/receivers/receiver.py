"""Receive webhooks: verify each request, handle each event once.

Run it with Python 3.9 or later; it needs no packages:

    WEBHOOK_SECRET=whsec_... python3 receiver.py
"""

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = int(os.environ.get("PORT", "9000"))
TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 1024 * 1024
MAX_REMEMBERED_IDS = 10_000

# In production, use a table with a unique column instead, so that the ids survive a restart.
handled_ids: dict[str, None] = {}
lock = threading.Lock()


def handle(event_id: str, event: dict[str, Any]) -> None:
    """Put the event into a queue and return. After an exception the event is sent again."""
    print(f"verified {event_id} {event['type']}", flush=True)


def signing_key() -> bytes:
    """Return the key of the signing secret: the base64 text after ``whsec_``, decoded."""
    try:
        secret = os.environ.get("WEBHOOK_SECRET", "").strip().removeprefix("whsec_")
        key = base64.b64decode(secret, validate=True)
    except ValueError:
        key = b""
    return key or sys.exit("Set WEBHOOK_SECRET to the signing secret of your endpoint (whsec_...).")


def verify(key: bytes, headers: Mapping[str, str], body: bytes) -> None:
    """Raise ValueError unless the raw body was signed with the key within the last five minutes.

    ``headers``: with names in lower case.
    """
    event_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not event_id or not timestamp or not signatures:
        raise ValueError("a webhook header is missing")
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise ValueError("the timestamp is more than five minutes off")
    content = f"{event_id}.{timestamp}.".encode("latin-1") + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256))
    # While a secret is rotated, there is one signature for each secret.
    if not any(hmac.compare_digest(each.encode("latin-1"), expected) for each in signatures.split(" ")):
        raise ValueError("no signature matches the secret and the body")


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to a verified event and 401 to any other POST."""

    timeout = 10

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,12}", length):
            return self.respond(411)
        if int(length) > MAX_BODY_BYTES:
            return self.respond(413)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            verify(KEY, headers, body)
        except ValueError as error:
            print(f"refused: {error}", flush=True)
            return self.respond(401)
        event_id = headers["webhook-id"]
        with lock:  # retries and replays have the same id
            if event_id not in handled_ids:
                handle(event_id, json.loads(body))
                handled_ids[event_id] = None
                if len(handled_ids) > MAX_REMEMBERED_IDS:
                    del handled_ids[next(iter(handled_ids))]
        self.respond(204)

    def respond(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Log no requests: ``handle`` logs events."""


if __name__ == "__main__":
    KEY = signing_key()
    print(f"listening on http://127.0.0.1:{PORT}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()
