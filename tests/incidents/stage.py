"""A portal of real processes that a test breaks, watched as Prometheus would: scraped, its rules evaluated."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conventions.test_documentation import anchors
from tests.conventions.tree import read
from tests.promql import History, Vector, evaluate
from tests.servers import HOST, ROOT, Child, Portal, free_port, start, wait_until

TOKEN = "metrics-token-of-the-tests"
RULES = {rule["alert"]: rule for group in yaml.safe_load(read("docs/alerts.yml"))["groups"] for rule in group["rules"]}
BOUND = "mount --bind '{source}' '{target}' && "


@dataclass
class Stage:
    """One portal, what was scraped of it, and the workers that it has."""

    portal: Portal
    history: History = field(default_factory=History)
    workers: list[Child] = field(default_factory=list)

    # Processes

    def worker(self, *prefix: str, **variables: str) -> Child:
        """Start a worker, behind words such as faketime's."""
        words = [*prefix, sys.executable, "manage.py", "worker"]
        name = f"worker-{len(self.workers)}"
        child = start(words, self.portal.folder, name, {**self.portal.environment, "LOG_LEVEL": "INFO", **variables})
        self.workers.append(child)
        wait_until(lambda: "started" in child.log.read_text(), "the worker did not start", child)
        return child

    def stop(self) -> None:
        """End everything, frozen or not."""
        for child in self.workers:
            child.kill()
        self.portal.stop()

    # Figures and alerts

    def scrape(self, port: int = 0, later: float = 0.0) -> dict[str, Vector]:
        """Ask one web process for its figures, and keep them."""
        answer = self.portal.get("/metrics", TOKEN, port=port)
        assert answer.status == 200, answer
        return self.history.add(time.time() + later, answer.body.decode())

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the last values of a figure, of the series that have these labels."""
        found = self.history.scrapes[-1][1].get(name, {})
        return sum(value for each, value in found.items() if labels.items() <= dict(each).items())

    def fires(self, alert: str) -> bool:
        """Tell whether an alert's expression holds at the last scrape."""
        return bool(evaluate(RULES[alert]["expr"], self.history, self.history.scrapes[-1][0]))

    def check_quiet(self, *alerts: str) -> None:
        """Scrape twice, and see that none of the alerts holds before anything is broken."""
        for _ in range(2):
            self.scrape()
            time.sleep(0.2)
        assert [alert for alert in alerts if self.fires(alert)] == []

    def wait_for(self, alert: str, seconds: float = 60.0) -> None:
        """Scrape until an alert holds, and see that its page says what to do."""
        deadline = time.monotonic() + seconds
        while not self.fires(alert):
            assert time.monotonic() < deadline, (alert, self.history.scrapes[-1][1])
            time.sleep(0.5)
            self.scrape()
        check_page(alert)

    @contextlib.contextmanager
    def later(self, seconds: float) -> Iterator[int]:
        """Give the port of a web process that lives so much later; SQLite's clock is its own."""
        if shutil.which("faketime") is None:
            pytest.skip("faketime is not installed")
        web = ["-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port := free_port())]
        words = ["faketime", "-f", f"+{seconds:.0f}s", sys.executable, *web, "integrations_portal.wsgi:application"]
        environment = {**self.portal.environment, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        child = start(words, self.portal.folder, f"later-{port}", environment)
        try:
            wait_until(lambda: self.portal.get("/healthz", port=port).status == 200, "the web did not start", child)
            yield port
        finally:
            child.kill()


def check_page(alert: str) -> str:
    """Return the section that an alert leads to, which has something to do in it."""
    place = re.search(r"docs/(operate\.md)#([\w-]+)", RULES[alert]["annotations"]["summary"])
    assert place is not None and place[2] in anchors(read("docs/operate.md")), alert
    return place[2]


@contextlib.contextmanager
def staged(folder: Path, database: str = "", **variables: str) -> Iterator[Stage]:
    """Give a portal with one web process on a database of its own, SQLite unless said otherwise."""
    given = {"METRICS_TOKEN": TOKEN, "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8", "TMPDIR": str(folder), **variables}
    portal = Portal(folder, {**given, **({"DATABASE_URL": database} if database else {})})
    stage = Stage(portal)
    try:
        if database:
            portal.manage("migrate", "--verbosity", "0")
            words = ("--name", "Acme", "--slug", "acme", "--owner-email", "ada@acme.example")
            portal.manage("create_organization", *words)
        elif not (folder / "portal.sqlite3").exists():
            portal.make_database()
        portal.start()
        yield stage
    finally:
        stage.stop()


def make_endpoint(stage: Stage, key: str, url: str, **values: Any) -> str:
    """Make an endpoint that gets orders, and return its id."""
    answer = stage.portal.post("/v1/webhook-endpoints", key, {"url": url, "event_types": ["order.*"], **values})
    assert answer.status == 201, answer.body
    return json.loads(answer.body)["id"]


def publish(stage: Stage, key: str, count: int = 1) -> None:
    """Publish orders in batches of a hundred at most."""
    event = {"type": "order.created", "data": {"order_id": "ORD-1", "status": "placed"}}
    for start_at in range(0, count, 100):
        events = [event] * min(100, count - start_at)
        answer = stage.portal.post("/v1/events/batch", key, {"events": events})
        assert answer.status == 202, answer.body


def with_files(binds: dict[str, Path]) -> list[str]:
    """Return the words that start a program which sees other files in the place of some; skip where nobody may."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare")
    mounts = "".join(BOUND.format(source=source, target=target) for target, source in binds.items())
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mounts}exec "$0" "$@"']
    if subprocess.run([*words, "true"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    return words
