"""Logs of real processes, started by the documented command: JSON lines and nothing else, whatever happens."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conventions.tree import ROOT
from tests.servers import (
    HOST,
    Child,
    Portal,
    RedisServer,
    documented_command,
    free_port,
    redis_server,
    start,
    wait_until,
)

FAULTS_SECONDS, FAULTS_BYTES = 3.0, 60_000
TOKEN = "metrics-token-of-the-tests"


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a log; each must be one JSON object."""
    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert [
        line
        for line in found
        if not (isinstance(line, dict) and {"event", "level", "logger", "timestamp"} <= set(line))
    ] == []
    return found


def events_of(log: Path) -> str:
    return "\n".join(line["event"] for line in lines_of(log))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The file of a migrated portal and a key of it, made once."""
    portal = Portal(tmp_path_factory.mktemp("made"))
    portal.make_database()
    return portal.folder / "portal.sqlite3", portal.make_key("users:read")


@pytest.fixture
def portal(tmp_path: Path, made: Any) -> Iterator[Portal]:
    """A portal whose processes the test starts itself."""
    shutil.copy(made[0], tmp_path)
    portal = Portal(tmp_path, {"LOG_LEVEL": "INFO", "METRICS_TOKEN": TOKEN})
    yield portal
    portal.stop()


@pytest.fixture
def key(made: Any) -> dict[str, Any]:
    return made[1]


def serve(portal: Portal, *more: str, wait: bool = True, **variables: str) -> Child:
    portal.ports.append(free_port())
    words = documented_command(portal.ports[-1])
    child = start([*words[:-1], *more, words[-1]], portal.folder, "web", {**portal.environment, **variables})
    portal.children.append(child)
    if wait:
        portal.wait_for(len(portal.children) - 1)
    return child


def children_of(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def end(child: Child) -> None:
    child.process.send_signal(signal.SIGTERM)
    child.process.wait(20)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for children in /proc")
def test_every_line_of_the_documented_command_is_json(portal: Portal, key: dict[str, Any]):
    child = serve(portal)
    for path in ("/v1/me", "/v1/users?email=ada%40acme.example", "/v1/users/user_x"):
        portal.get(path, key["key"])
    for path in ("/account/login/?next=/secret-of-a-query", "/no/such/secret-of-a-path", "/v1/me"):
        portal.get(path)
    os.kill(children_of(child.process.pid)[-1], signal.SIGKILL)
    wait_until(lambda: events_of(child.log).count("Started worker") == 2, "no other worker came", child)
    portal.wait_for(0)
    end(child)
    told = events_of(child.log)
    for words in (
        "Starting granian",
        "Listening at",
        "Unexpected exit from worker-1",
        "Respawning",
        "shutdown completed",
    ):
        assert words in told
    requests = [line for line in lines_of(child.log) if line["logger"] == "portal.access"]
    assert [(line["method"], line["route"], line["status"], line.get("key")) for line in requests] == [
        ("GET", "/v1/me", 200, key["id"]),
        ("GET", "/v1/users", 200, key["id"]),
        ("GET", "/v1/users/{id}", 404, key["id"]),
        ("GET", "/account/login/", 200, None),
        ("GET", "unmatched", 404, None),
        ("GET", "/v1/me", 401, None),
    ]
    assert [line for line in requests if not (line["client_address"] == HOST and 0 < line["ms"] < 20_000)] == []
    assert requests[0]["organization"].startswith("org_") and len({line["request_id"] for line in requests}) == 6
    text = child.log.read_text()
    assert [secret for secret in (key["key"], "secret-of-a", "ada%40", "ada@acme") if secret in text] == []


def test_the_level_is_kept_to_by_the_server_too(portal: Portal):
    child = serve(portal, LOG_LEVEL="ERROR")
    portal.get("/v1/me")
    end(child)
    assert child.log.read_text() == ""


def test_probes_are_told_at_debug_alone(portal: Portal):
    child = serve(portal, LOG_LEVEL="DEBUG")
    portal.get("/readyz")
    end(child)
    assert {"/healthz", "/readyz"} <= {line.get("route") for line in lines_of(child.log)}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY must have at least"),
        ({"PYTHONPATH": "{broken}/whitenoise"}, "could not be loaded"),
        ({"PYTHONPATH": "{broken}/csp"}, "could not be loaded"),
    ],
    ids=["wrong setting", "broken program", "broken settings"],
)
def test_what_stops_the_start_is_a_json_line(portal: Portal, variables: dict[str, str], words: str):
    # A library that does not import, in front of the real one: when the program is loaded, and when its settings are.
    broken = portal.folder / "broken"
    for library in ("whitenoise", "csp"):
        (broken / library / library).mkdir(parents=True)
        (broken / library / library / "__init__.py").write_text("raise RuntimeError('one line\\nand another')\n")
    values = {name: value.format(broken=broken) for name, value in variables.items()}
    child = serve(portal, wait=False, **values)
    assert child.process.wait(20) != 0
    assert words in events_of(child.log)


def test_a_port_that_is_taken_is_a_json_line(portal: Portal):
    with socket.create_server((HOST, 0)) as taken:
        words = documented_command(taken.getsockname()[1])
        child = start(words, portal.folder, "web", portal.environment)
        portal.children.append(child)
        assert child.process.wait(20) != 0
    assert lines_of(child.log)[-1]["level"] in ("error", "critical") and "in use" in child.log.read_text()


def test_every_line_of_a_worker_under_celery_is_json(portal: Portal, tmp_path: Path):
    with redis_server(tmp_path) as redis:
        urls = {"REDIS_URL": redis.url, "CELERY_BROKER_URL": redis.url}
        child = start([sys.executable, "manage.py", "worker"], tmp_path, "worker", {**portal.environment, **urls})
        try:
            wait_until(lambda: "ready" in events_of(child.log), "celery is not there", child)
            redis.stop()
            wait_until(lambda: "Cannot connect" in events_of(child.log), "nothing was said", child)
            end(child)
        finally:
            child.kill()
    assert "started" in events_of(child.log) and "stopped" in events_of(child.log)
    assert child.process.returncode == 0


def test_a_worker_that_does_not_start_says_so_in_json(portal: Portal):
    done = subprocess.run(
        [sys.executable, "manage.py", "worker"], cwd=ROOT, env={**portal.environment, "KEY_PEPPERS": ""},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and "KEY_PEPPERS" in json.loads(line)["event"]


# One line a minute


def ask_for(portal: Portal, seconds: float, *paths: str, key: str = "") -> int:
    """Ask for the paths in turn, again and again."""
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        portal.get(paths[count % len(paths)], key)
        count += 1
    return count


def faults_in(log: Path) -> list[dict[str, Any]]:
    """Return the lines that are about trouble: not those of requests, of which there is one each."""
    return [line for line in lines_of(log) if line["level"] not in ("info", "debug")]


def test_a_database_that_is_away_is_told_once_a_minute(portal: Portal, key: dict[str, Any]):
    away = f"postgres://portal:hunter2@{HOST}:{free_port()}/portal"
    child = serve(portal, DATABASE_URL=away)
    worker = start(
        [sys.executable, "manage.py", "worker"], portal.folder, "worker", {**portal.environment, "DATABASE_URL": away}
    )
    portal.children.append(worker)
    wait_until(
        lambda: "the database loop of deliveries failed" in worker.log.read_text(), "the worker says nothing", worker
    )
    asked = ask_for(portal, FAULTS_SECONDS, "/v1/me", "/account/login/", "/readyz", "/metrics", "/", key=key["key"])
    end(worker)
    end(child)
    assert asked > 40
    for each in (child, worker):
        faults = faults_in(each.log)
        # What comes at the end tells what was left out of the minute that was not over.
        firsts = [line for line in faults if "suppressed" not in line]
        assert 1 <= len(firsts) <= 8, [line["event"] for line in firsts]
        assert sum("exception" in line for line in firsts) >= 1
        assert sum(map(len, map(json.dumps, faults))) < FAULTS_BYTES
        assert "hunter2" not in each.log.read_text()
    assert sum(line.get("suppressed", 0) for line in faults_in(child.log)) > 20
    errors = [line.get("error", "") for line in faults_in(worker.log)]
    assert any(error.startswith("psycopg") for error in errors), errors


def test_a_redis_that_is_away_is_told_once_a_minute(portal: Portal, key: dict[str, Any], tmp_path: Path):
    away = RedisServer(tmp_path).url
    child = serve(portal, REDIS_URL=away, CELERY_BROKER_URL=away)
    ask_for(portal, 2.0, "/v1/me", "/account/login/", key=key["key"])
    end(child)
    firsts = [line for line in faults_in(child.log) if "suppressed" not in line]
    assert len([line for line in firsts if "Redis" in line["event"]]) == 1 and len(firsts) <= 3
