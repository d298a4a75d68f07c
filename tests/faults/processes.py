"""Start, watch and kill workers and web servers, and a proxy to PostgreSQL that can be cut."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.db import connection

from tests.servers import HOST, follow_parent, free_port

ROOT = Path(__file__).resolve().parent.parent.parent


def database_url() -> str:
    """The tests' own database, for a process outside of them."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{Path(values['NAME']).resolve()}"
    password = f":{values['PASSWORD']}" if values["PASSWORD"] else ""
    return f"postgres://{values['USER']}{password}@{values['HOST']}:{values['PORT'] or 5432}/{values['NAME']}"


def _environment(variables: dict[str, str]) -> dict[str, str]:
    """What a process of a fault test runs with: short time limits, crash points allowed, loopback reachable."""
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
        "WEBHOOK_TIMEOUT": "1",
        "PORTAL_FAULTS": "1",
        "PORTAL_LEASE_MARGIN": "1",
        **variables,
    }


@contextmanager
def running(words: list[str], variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A Python program on the tests' own database; killed at the end where it still runs."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *words], env=_environment(variables), cwd=ROOT, text=True, stdout=log, stderr=log,
            start_new_session=True, preexec_fn=follow_parent(),
        )  # fmt: skip
        try:
            yield process
        finally:
            # The whole group: a web server's own children outlive it otherwise.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            log.seek(0)
            assert "database is locked" not in log.read()


@contextmanager
def worker(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A real ``manage.py worker``; killed at the end where it still runs."""
    with running(["manage.py", "worker", *arguments], variables) as process:
        yield process


class Web:
    """A real web process on the tests' own database."""

    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        self.port = port
        self.process = process

    def call(self, method: str, path: str, key: str, body: Any = None) -> tuple[int, float, bytes]:
        """Make one call; return status (0 where no answer came), seconds and body."""
        started = time.monotonic()
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
            response = connection.getresponse()
            return response.status, time.monotonic() - started, response.read()
        except (OSError, http.client.HTTPException):
            return 0, time.monotonic() - started, b""
        finally:
            connection.close()

    def publish(self, key: str, client_id: str) -> tuple[int, float]:
        """Publish an event under an id of the caller's."""
        body = {"type": "order.created", "id": client_id, "data": {"order_id": client_id, "status": "placed"}}
        return self.call("POST", "/v1/events", key, body)[:2]


@contextmanager
def web(**variables: str) -> Iterator[Web]:
    """A running web process. Its single granian process has one worker, which dies at a crash point."""
    port = free_port()
    words = [
        "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--workers", "1",
        "--blocking-threads", "4", "--no-access-log", "--workers-kill-timeout", "2",
        "integrations_portal.wsgi:application",
    ]  # fmt: skip
    with running(words, variables) as process:
        found = Web(port, process)
        wait_until(lambda: found.call("GET", "/healthz", "")[0] == 200)
        yield found


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def was_killed(process: subprocess.Popen[str], seconds: float = 30.0) -> bool:
    return process.wait(seconds) == -signal.SIGKILL
