"""Programs and people who use portals all the while, and note what failed and which events were accepted."""

import itertools
import json
import threading
from typing import Any

import requests

from tests.earlier.people import HERE
from tests.servers import Portal

# What traffic asks for in turn; nothing: an event is published.
PATHS = ("", "/v1/me", "", "/v1/users", HERE, "", "/v1/deliveries?limit=20", f"{HERE}api-keys/")


def publish(portal: Portal, key: str, number: str) -> Any:
    """Publish an order of this number."""
    data = {"order_id": number, "status": "placed"}
    return portal.post("/v1/events", key, {"type": "order.created", "id": f"order-{number}", "data": data})


class Traffic:
    """Requests of programs and people to each portal in turn, so many a second; and each event that was accepted."""

    def __init__(self, portals: list[Portal], key: str, cookies: dict[str, str], per_second: float) -> None:
        self.portals, self.key, self.cookies, self.pause = portals, key, cookies, 1 / per_second
        self.failures: list[str] = []
        self.accepted: list[str] = []
        self.count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        for path in itertools.cycle(PATHS):
            for portal in self.portals:
                if self._stop.wait(self.pause):
                    return
                self._one(portal, path)
                self.count += 1

    def _one(self, portal: Portal, path: str) -> None:
        if path.startswith(HERE):
            url = f"http://localhost:{portal.ports[0]}{path}"
            answer = requests.get(url, cookies=self.cookies, headers={"Accept": "text/html"}, timeout=60)
            status, body, is_right = answer.status_code, answer.text[:300], answer.url == url
        elif path:
            found = portal.get(path, self.key)
            status, body, is_right = found.status, found.body[:300], True
        else:
            found = publish(portal, self.key, f"beside-{self.count}")
            status, body, is_right = found.status, found.body[:300], found.status == 202
            if is_right:
                self.accepted.append(json.loads(found.body)["id"])
        if not (200 <= status < 300 and is_right):
            self.failures.append(f"{portal.root.name} {path or 'an event'}: {status} {body!r}")
