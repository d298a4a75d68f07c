"""A webhook receiver that uses little CPU time (one thread, epoll, no HTTP library) and logs each webhook-id.

    python -m benchmarks.hooks.receiver PORT

It responds to ``POST /ok…`` at once, to ``POST /late…`` after 0.3 s, to ``POST /hang…`` never, and to ``POST /drip…``
byte by byte without end. ``GET /log`` returns ``[[path, webhook-id, seconds since 1970], …]``, ``GET /count`` returns
their number, and ``GET /reset`` deletes them.
"""

import json
import re
import select
import socket
import sys
import time
from collections import deque
from contextlib import suppress

LOOPBACK = "127.0.0.1"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
DRIP_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
DRIP_SECONDS, LATE_SECONDS = 0.2, 0.3
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
WEBHOOK_ID = re.compile(rb"\r\nwebhook-id: *([^\r]+)", re.IGNORECASE)


class Receiver:
    """The connections, the incomplete request of each, and the log."""

    def __init__(self, port: int) -> None:
        self.listener = socket.create_server((LOOPBACK, port), backlog=1024)
        self.listener.setblocking(False)
        self.poll = select.epoll()
        self.poll.register(self.listener.fileno(), select.EPOLLIN)
        self.connections: dict[int, socket.socket] = {}
        self.incomplete: dict[int, bytes] = {}
        self.dripping: dict[int, socket.socket] = {}
        self.log: list[tuple[str, str, float]] = []
        self.drip_at = 0.0
        self.late: deque[tuple[float, socket.socket]] = deque()

    def serve(self) -> None:
        """Serve requests until the process is killed."""
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else DRIP_SECONDS
            for descriptor, _event in self.poll.poll(min(DRIP_SECONDS, wait)):
                if descriptor == self.listener.fileno():
                    self.accept()
                else:
                    self.read(descriptor)
            while self.late and self.late[0][0] <= time.monotonic():
                self.send(self.late.popleft()[1], ANSWER)
            if self.dripping and time.monotonic() > self.drip_at:
                self.drip()

    def accept(self) -> None:
        """Accept all waiting connections."""
        with suppress(BlockingIOError):
            while True:
                connection, _address = self.listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections[connection.fileno()] = connection
                self.poll.register(connection.fileno(), select.EPOLLIN)

    def read(self, descriptor: int) -> None:
        """Read from a connection and respond to each complete request."""
        connection = self.connections[descriptor]
        try:
            data = connection.recv(262_144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(descriptor)
            return
        data = self.incomplete.pop(descriptor, b"") + data
        while data:
            end = data.find(b"\r\n\r\n")
            length = LENGTH.search(data, 0, end + 1) if end >= 0 else None
            whole = end + 4 + (int(length[1]) if length else 0)
            if end < 0 or len(data) < whole:
                self.incomplete[descriptor] = data
                return
            self.answer(descriptor, connection, data, end)
            data = data[whole:]

    def answer(self, descriptor: int, connection: socket.socket, data: bytes, end: int) -> None:
        """Log a request and respond as its path says."""
        method, path, _rest = data.split(b" ", 2)
        if method == b"GET":
            self.control(connection, path)
            return
        sent = WEBHOOK_ID.search(data, 0, end)
        self.log.append((path.decode(), sent[1].decode() if sent else "", time.time()))
        if path.startswith(b"/hang"):
            return
        if path.startswith(b"/drip"):
            self.dripping[descriptor] = connection
            self.send(connection, DRIP_HEAD)
            return
        if path.startswith(b"/late"):
            self.late.append((time.monotonic() + LATE_SECONDS, connection))
            return
        self.send(connection, ANSWER)

    def control(self, connection: socket.socket, path: bytes) -> None:
        """Respond to a GET request: return the log or its length, and delete it for ``/reset``."""
        body = json.dumps(self.log).encode() if path == b"/log" else b"%d" % len(self.log)
        if path == b"/reset":
            self.log.clear()
        connection.setblocking(True)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        connection.setblocking(False)

    def drip(self) -> None:
        """Send one more byte on each connection with an endless response."""
        self.drip_at = time.monotonic() + DRIP_SECONDS
        for connection in list(self.dripping.values()):
            self.send(connection, b".")

    def send(self, connection: socket.socket, data: bytes) -> None:
        """Send data, and ignore that the client has closed the connection."""
        with suppress(OSError):
            connection.send(data)

    def close(self, descriptor: int) -> None:
        """Close a connection."""
        self.poll.unregister(descriptor)
        self.incomplete.pop(descriptor, None)
        self.dripping.pop(descriptor, None)
        self.connections.pop(descriptor).close()


if __name__ == "__main__":
    Receiver(int(sys.argv[1])).serve()
