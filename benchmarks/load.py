"""Generate load in a separate process: keep connections busy for some seconds, and print the numbers of responses.

The client is one thread with an epoll loop over raw sockets, because its CPU time is taken away from the server.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

from benchmarks.processes import LOOPBACK, ROOT, minimal_environment

LONGEST_SECONDS = 120.0
GRACE_SECONDS = 10.0


@dataclass
class Outcome:
    """The numbers of responses by status and of broken connections, and the duration in seconds."""

    statuses: dict[str, int] = field(default_factory=dict)
    broken: int = 0
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        """The number of responses."""
        return sum(self.statuses.values())


class Connection:
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._received = b""

    def send(self) -> None:
        self.socket.sendall(self._request)

    def receive(self) -> str:
        """Read from the connection and return the status once the response is complete, else an empty string.

        Raise OSError if the server has closed the connection.
        """
        piece = self.socket.recv(262_144)
        if not piece:
            raise ConnectionResetError
        self._received += piece
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return ""
        self._received = b""
        return head[9:12].decode()


def _length(head: bytes) -> int:
    at = head.lower().index(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0])


def request_bytes(path: str, headers: dict[str, str], method: str = "GET", body: bytes = b"") -> bytes:
    sent = {"Host": LOOPBACK, "User-Agent": "benchmark", "Accept": "*/*", **headers}
    if body:
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def run_load(port: int, request: bytes, connections: int, seconds: float, most: int = 0) -> Outcome:
    """Keep the connections busy for ``seconds``, or until ``most`` requests were sent."""
    selector, outcome, statuses = selectors.DefaultSelector(), Outcome(), Counter()
    started = time.perf_counter()
    end = started + min(seconds, LONGEST_SECONDS)
    sent = 0
    for _ in range(min(connections, most or connections)):
        connection = Connection(port, request)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()
        sent += 1
    while selector.get_map() and time.perf_counter() < end + GRACE_SECONDS:
        for key, _events in selector.select(timeout=1):
            connection = key.data
            try:
                status = connection.receive()
                if status:
                    statuses[status] += 1
                    if time.perf_counter() < end and (not most or sent < most):
                        connection.send()
                        sent += 1
                        continue
                    selector.unregister(connection.socket)
                    connection.socket.close()
            except OSError:
                outcome.broken += 1
                selector.unregister(connection.socket)
    outcome.statuses, outcome.seconds = dict(statuses), time.perf_counter() - started
    return outcome


def run(port: int, path: str, headers: dict[str, str], connections: int, seconds: float, most: int = 0) -> Outcome:
    """Call ``run_load`` in a separate process and return its result."""
    arguments = {
        "port": port, "request": request_bytes(path, headers).decode(), "connections": connections,
        "seconds": seconds, "most": most,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"], cwd=ROOT, env=minimal_environment(), input=json.dumps(arguments),
        capture_output=True, text=True, timeout=LONGEST_SECONDS + 60, check=True,
    )  # fmt: skip
    return Outcome(**json.loads(done.stdout))


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps(asdict(run_load(**{**given, "request": given["request"].encode()}))))
