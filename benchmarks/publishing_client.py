"""A client that publishes events over HTTP, and records which were accepted with 202.

If there is no response or another one, it publishes the event again with the same id until it is accepted.
"""

import http.client
import json
import queue
import threading
import time
from collections import Counter
from contextlib import suppress

from benchmarks.deliveries import DeliverySetup, percentile, wait_for
from benchmarks.processes import LOOPBACK, BenchmarkFailed, Server

TYPE = "order.created"
WEB_THREADS, CLIENTS = 4, 4
UNLIMITED = 1_000_000_000
PAUSE_SECONDS, ATTEMPTS = 0.5, 240


class PublishingClient:
    """A web process, a key, and the events that were published with it."""

    def __init__(self, setup: DeliverySetup, **variables: str) -> None:
        self.setup = setup
        self.accepted: dict[str, str] = {}
        self.refused: Counter[int] = Counter()
        self.seconds: list[float] = []
        environment = {**setup.environment(), **variables}
        limits = ["--per-minute", str(UNLIMITED), "--per-hour", str(UNLIMITED), "--json"]
        command = ["manage.py", "create_api_key", "--org", "bench0", "--type", "internal", "--name", "Ledger"]
        key = json.loads(setup.group.run([*command, "--scopes", "events:write", *limits], setup.environment()))["key"]
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.web = self.serve(environment)

    def serve(self, environment: dict[str, str]) -> Server:
        """Start a web process."""
        application = "integrations_portal.wsgi:application"
        return self.setup.group.serve("web", application, environment, 1, WEB_THREADS)

    def connect(self, server: Server) -> http.client.HTTPConnection:
        """Return a connection to a web process, which is opened at its first use."""
        return http.client.HTTPConnection(LOOPBACK, server.port, timeout=20)

    def publish(self, client_id: str, connection: http.client.HTTPConnection) -> int:
        """Send one request and return its status, or 0 if there was no response."""
        body = {"type": TYPE, "id": client_id, "data": {"order_id": client_id, "status": "placed"}}
        started = time.perf_counter()
        try:
            connection.request("POST", "/v1/events", json.dumps(body), self.headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0
        if answer.status == 202:
            self.seconds.append(time.perf_counter() - started)
            self.accepted[client_id] = json.loads(text)["id"]
        return answer.status

    def publish_until_accepted(self, client_id: str, connection: http.client.HTTPConnection) -> None:
        """Publish the event until it is accepted, and count the other statuses."""
        for _attempt in range(ATTEMPTS):
            status = self.publish(client_id, connection)
            if status == 202:
                return
            self.refused[status] += 1
            time.sleep(PAUSE_SECONDS)

    def publish_steadily(self, per_second: float, seconds: float) -> None:
        """Publish at a steady rate from a few threads, and return when all events are accepted."""
        waiting: queue.Queue[str] = queue.Queue()
        clients = [threading.Thread(target=self._client, args=(waiting,)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        started = time.monotonic()
        for number in range(int(per_second * seconds)):
            time.sleep(max(0.0, started + number / per_second - time.monotonic()))
            waiting.put(f"event-{number}")
        for _client in clients:
            waiting.put("")
        for client in clients:
            client.join()
        if len(self.accepted) != int(per_second * seconds):
            raise BenchmarkFailed(
                f"only {len(self.accepted)} events were accepted; other answers: {dict(self.refused)}"
            )

    def _client(self, waiting: "queue.Queue[str]") -> None:
        connection = self.connect(self.web)
        while client_id := waiting.get():
            self.publish_until_accepted(client_id, connection)
        connection.close()

    def p99_ms(self) -> int:
        """Return the 99th percentile of the duration of accepted requests."""
        return round(percentile(self.seconds, 0.99) * 1000)

    def check_deliveries(self, repeats_allowed: int, seconds: float = 120.0) -> dict[str, int]:
        """Wait until all deliveries have finished, then compare the accepted events with the received ones."""

        def is_over() -> bool:
            with suppress(BenchmarkFailed):
                return set(self.setup.step("state")["statuses"]) <= {"succeeded"}
            return False

        wait_for(is_over, "not all was delivered", seconds)
        accepted = set(self.accepted.values())
        came = Counter(key for _path, key, _at in self.setup.received())
        found = {
            "accepted": len(accepted),
            "lost": len(accepted - set(came)),
            "unexpected": len(set(came) - accepted),
            "repeated": came.total() - len(came),
            "repeats_allowed": repeats_allowed,
        }
        if found["lost"] or found["unexpected"] or found["repeated"] > repeats_allowed:
            raise BenchmarkFailed(f"not as guaranteed: {found}")
        return found
