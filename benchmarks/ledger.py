"""A client of the portal that keeps books: it publishes over HTTP and writes down what was answered 202.

What has no answer, or another one, is asked again under the same id until it is accepted, as a careful client does.
"""

import http.client
import json
import queue
import threading
import time
from collections import Counter
from contextlib import suppress

from benchmarks.deliveries import Stage, percentile, wait_for
from benchmarks.processes import HOST, Failed, Server

TYPE = "order.created"
WEB_THREADS, CLIENTS = 4, 4
NO_LIMIT_IN_SIGHT = 1_000_000_000
PAUSE_SECONDS, ATTEMPTS = 0.5, 240


class Ledger:
    """One web process, a key, and every event that was published through it."""

    def __init__(self, stage: Stage, **variables: str) -> None:
        self.stage = stage
        self.accepted: dict[str, str] = {}
        self.refused: Counter[int] = Counter()
        self.seconds: list[float] = []
        environment = {**stage.environment(), **variables}
        limits = ["--per-minute", str(NO_LIMIT_IN_SIGHT), "--per-hour", str(NO_LIMIT_IN_SIGHT), "--json"]
        words = ["manage.py", "create_api_key", "--org", "bench0", "--type", "internal", "--name", "Ledger"]
        key = json.loads(stage.scene.run([*words, "--scopes", "events:write", *limits], stage.environment()))["key"]
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.web = self.serve(environment)

    def serve(self, environment: dict[str, str]) -> Server:
        """Start a web process."""
        application = "integrations_portal.wsgi:application"
        return self.stage.scene.serve("web", application, environment, 1, WEB_THREADS)

    def link(self, server: Server) -> http.client.HTTPConnection:
        """Return a connection to a web process, opened at its first use."""
        return http.client.HTTPConnection(HOST, server.port, timeout=20)

    def publish(self, client_id: str, link: http.client.HTTPConnection) -> int:
        """Ask once and return the status, 0 where no answer came."""
        body = {"type": TYPE, "id": client_id, "data": {"order_id": client_id, "status": "placed"}}
        started = time.perf_counter()
        try:
            link.request("POST", "/v1/events", json.dumps(body), self.headers)
            answer = link.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            link.close()
            return 0
        if answer.status == 202:
            self.seconds.append(time.perf_counter() - started)
            self.accepted[client_id] = json.loads(text)["id"]
        return answer.status

    def insist(self, client_id: str, link: http.client.HTTPConnection) -> None:
        """Ask until the event is accepted, and count what else was answered."""
        for _attempt in range(ATTEMPTS):
            status = self.publish(client_id, link)
            if status == 202:
                return
            self.refused[status] += 1
            time.sleep(PAUSE_SECONDS)

    def steady(self, per_second: float, seconds: float) -> None:
        """Publish at a steady pace, from a few clients, and return when each event is accepted."""
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
            raise Failed(f"only {len(self.accepted)} events were accepted; other answers: {dict(self.refused)}")

    def _client(self, waiting: "queue.Queue[str]") -> None:
        link = self.link(self.web)
        while client_id := waiting.get():
            self.insist(client_id, link)
        link.close()

    def p99_ms(self) -> int:
        """Return what 99 of 100 acceptances stayed under."""
        return round(percentile(self.seconds, 0.99) * 1000)

    def balance(self, repeats_allowed: int, seconds: float = 120.0) -> dict[str, int]:
        """Wait until nothing is open, then compare what was accepted with what came."""

        def is_over() -> bool:
            with suppress(Failed):
                return set(self.stage.step("state")["statuses"]) <= {"succeeded"}
            return False

        wait_for(is_over, "not all was delivered", seconds)
        accepted = set(self.accepted.values())
        came = Counter(key for _path, key, _at in self.stage.received())
        found = {
            "accepted": len(accepted),
            "lost": len(accepted - set(came)),
            "unexpected": len(set(came) - accepted),
            "repeated": came.total() - len(came),
            "repeats_allowed": repeats_allowed,
        }
        if found["lost"] or found["unexpected"] or found["repeated"] > repeats_allowed:
            raise Failed(f"a promise is broken: {found}")
        return found
