"""Servers of a test's own: web processes and a Redis, started in a temporary folder and always stopped again.

A child is also ended by the system when the test run itself is killed (Linux).
"""

import contextlib
import ctypes
import http.client
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.environment import ENCODED, SHARED
from tests.migrated_database import copy_migrated_database

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
START_SECONDS = 120.0  # of a machine that is busy
PR_SET_PDEATHSIG = 1


def free_port() -> int:
    """A port that nobody listens on at this moment.

    Below those that systems give to outgoing connections: one of theirs could take it before its server starts.
    """
    for _ in range(100):
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            return port
    raise RuntimeError("there is no free port")


def status_of(connection: socket.socket, seconds: float = 20.0) -> int:
    """The status of the answer that comes, in however many segments; 0 where none came in time."""
    connection.settimeout(seconds)
    line = b""
    with contextlib.suppress(TimeoutError):
        while b"\r\n" not in line and (more := connection.recv(65_536)):
            line += more
    return int(line.split()[1]) if b"\r\n" in line else 0


@contextlib.contextmanager
def sigint_ignored() -> Iterator[None]:
    """What is started meanwhile inherits SIGINT as ignored, as in the background of a script: `sh -c '… &'`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def follow_parent() -> Callable[[], None] | None:
    """What a child runs first, so that the system ends it with the test run."""
    if not sys.platform.startswith("linux"):
        return None
    library, parent = ctypes.CDLL(None), os.getpid()

    def follow() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return follow


def documented_command(port: int) -> list[str]:
    """The command of deploy/ that starts the web, on another port and with the granian of the tests."""
    text = (ROOT / "deploy/systemd/portal-web.service").read_text()
    command = text.partition("\nExecStart=")[2].partition("\n")[0]
    words = shlex.split(command.replace("--port 8000", f"--port {port}"))
    return [f"{Path(sys.executable).parent}/granian", *words[1:]]


@dataclass
class Child:
    """A process and its log."""

    process: subprocess.Popen
    log: Path

    def kill(self) -> None:
        """End it and what it started, whatever state it is in; a second time does nothing."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(
    words: list[str], folder: Path, name: str, environment: dict[str, str] | None = None, root: Path = ROOT
) -> Child:
    """Start a program in a process group of its own; what it prints goes to a file in the folder."""
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            words, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, preexec_fn=follow_parent(),
        )  # fmt: skip
    return Child(process, log)


def wait_until(check: Callable[[], bool], what: str, child: Child, seconds: float = START_SECONDS) -> None:
    """Return when the check holds; fail with the end of the log where it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.process.poll() is None:
        if check():
            return
        time.sleep(0.05)
    pytest.fail(f"{what}: {child.log.read_text(errors='replace')[-2000:]}")


# Redis


@dataclass
class RedisServer:
    """A Redis of the test's own, which it may stop, freeze and flush."""

    folder: Path
    port: int = field(default_factory=free_port)
    child: Child | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, on the same port as before."""
        words = ["redis-server", "--port", str(self.port), "--bind", HOST, "--save", "", "--dir", str(self.folder)]
        self.child = start(words, self.folder, "redis")
        wait_until(lambda: self.command("PING") == b"+PONG", "Redis did not start", self.child)

    def stop(self) -> None:
        """Kill it, frozen or not."""
        if self.child is not None:
            self.child.kill()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Meanwhile it holds its connections and answers nothing; afterwards it works off what it was sent."""
        self.child.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.child.process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """Send an inline command and return the first line of the answer, nothing where there is none."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(" ".join(words).encode() + b"\r\n")
                return connection.recv(4096).split(b"\r\n")[0]
        except OSError:
            return b""


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A running Redis; the test is skipped where the program is not installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


# The portal


@dataclass
class Answer:
    """One answer: its status (0: none came), how long it took, and what it said."""

    status: int
    seconds: float
    started_at: float
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def nearly_all(seconds: list[float]) -> float:
    """The time that nine of ten were within: a few may have come while the machine had other things to do."""
    return sorted(seconds)[len(seconds) * 9 // 10 - 1]


@dataclass
class Portal:
    """Web processes over one SQLite file, each on a port of its own, with an environment of their own."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    root: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        """The whole configuration; nothing of the caller's but the way to programs."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
        return {
            **kept,
            "DJANGO_SETTINGS_MODULE": "integrations_portal.settings",
            "SECRET_KEY": "a-secret-key-of-a-server-of-the-tests-alone",
            "ENCRYPTION_KEYS": f"t1:{ENCODED['encryption']}",
            "KEY_PEPPERS": f"t1:{ENCODED['pepper']}",
            "AUDIT_SIGNING_KEY": ENCODED["audit"],
            "DATABASE_URL": f"sqlite:///{self.folder}/portal.sqlite3",
            "PUBLIC_URL": f"http://{HOST}:8000",
            "ALLOWED_HOSTS": HOST,
            "EMAIL_URL": "dummymail://",
            "LOG_LEVEL": "WARNING",
            **self.variables,
        }

    def manage(self, *words: str, seconds: float = START_SECONDS) -> str:
        """Run a command of manage.py and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=self.root, env=self.environment, capture_output=True, text=True,
            timeout=seconds,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_database(self) -> None:
        """Make a database with the organization Acme: by the commands once in a run, from then on as a copy."""
        made, mine = Path(SHARED) / "acme.sqlite3", self.folder / "portal.sqlite3"
        if not made.exists():
            copy_migrated_database(mine)
            self.make_organization()
            # The commands have ended, and with the last one SQLite's journal.
            draft = made.with_suffix(f".{os.getpid()}")
            shutil.copy(mine, draft)
            draft.rename(made)
        shutil.copy(made, mine)

    def make_organization(self) -> None:
        """Migrate, and make the organization Acme."""
        self.manage("migrate", "--verbosity", "0")
        words = ("--name", "Acme", "--slug", "acme", "--owner-email", "ada@acme.example")
        self.manage("create_organization", *words)

    def make_key(self, *scopes: str, type: str = "partner", **limits: int) -> dict[str, Any]:
        """Make a key of Acme by the command and return what that printed."""
        words = [f"--{name.replace('_', '-')}={value}" for name, value in limits.items()]
        command = ("create_api_key", "--org", "acme", "--type", type, "--name", "Of a test", "--json")
        return json.loads(self.manage(*command, "--scopes", ",".join(scopes or ("users:read",)), *words))

    def start(self, processes: int = 1, threads: int = 4, workers: int = 1) -> None:
        """Start so many web processes, of so many workers each, and wait until each of them answers."""
        for _ in range(processes):
            self.ports.append(free_port())
            self.children.append(self._start_one(self.ports[-1], threads, workers))
        for number in range(len(self.children)):
            self.wait_for(number)

    def _start_one(self, port: int, threads: int, workers: int = 1) -> Child:
        words = [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port),
            "--workers", str(workers), "--blocking-threads", str(threads), "--backlog", "1024", "--no-access-log",
            "--respawn-failed-workers", "--workers-kill-timeout", "2", "integrations_portal.wsgi:application",
        ]  # fmt: skip
        return start(words, self.folder, f"web-{port}", self.environment, self.root)

    def wait_for(self, number: int) -> None:
        """Return when one of the processes answers."""
        child, port = self.children[number], self.ports[number]
        wait_until(lambda: self.get("/healthz", port=port).status == 200, "the web did not start", child)

    def kill_and_restart(self, number: int, threads: int = 4) -> None:
        """Kill one of the processes with whatever it was doing, and start another in its place."""
        self.children[number].kill()
        self.children[number] = self._start_one(self.ports[number], threads)
        self.wait_for(number)

    def stop(self) -> None:
        """Kill every web process."""
        for child in self.children:
            child.kill()

    def get(self, path: str, key: str = "", *, port: int = 0, method: str = "GET", body: bytes | None = None) -> Answer:
        """Call one process; an answer that never came has the status 0."""
        started = time.monotonic()
        connection = http.client.HTTPConnection(HOST, port or self.ports[0], timeout=15)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            text = response.read()
            return Answer(response.status, time.monotonic() - started, started, dict(response.getheaders()), text)
        except (OSError, http.client.HTTPException):
            return Answer(0, time.monotonic() - started, started)
        finally:
            connection.close()

    def soon(self, key: str) -> float:
        """Say what an answer may take here while somebody else does the worst: half a second on a quiet machine."""
        return max(0.5, 3 * nearly_all([self.get("/v1/me", key).seconds for _ in range(10)]))

    def post(self, path: str, key: str, body: Any, *, port: int = 0) -> Answer:
        """Send JSON."""
        return self.get(path, key, port=port, method="POST", body=json.dumps(body).encode())

    def at_once(self, calls: int, path: str, key: str) -> list[Answer]:
        """Make so many calls at the same moment, spread evenly over the processes."""
        barrier, answers = threading.Barrier(calls), []

        def call(number: int) -> None:
            barrier.wait(30)
            answers.append(self.get(path, key, port=self.ports[number % len(self.ports)]))

        threads = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(answers) == calls
        return answers


@contextlib.contextmanager
def portal(folder: Path, processes: int = 1, threads: int = 4, workers: int = 1, **variables: str) -> Iterator[Portal]:
    """Running processes over the database of the folder, which is made with the organization Acme where it is new."""
    server = Portal(folder, variables)
    try:
        if not (folder / "portal.sqlite3").exists():
            server.make_database()
        server.start(processes, threads, workers)
        yield server
    finally:
        server.stop()


class Load:
    """Calls that go on in the background, in threads, round the processes, until the ``with`` ends."""

    def __init__(self, server: Portal, path: str, key: str, threads: int = 6) -> None:
        self.answers: list[Answer] = []
        self._server, self._path, self._key = server, path, key
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(threads)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def wait_for(self, more: int, seconds: float = 10) -> None:
        """Return when so many more calls were answered, or the time is over."""
        wanted, deadline = len(self.answers) + more, time.monotonic() + seconds
        while len(self.answers) < wanted and time.monotonic() < deadline:
            time.sleep(0.02)

    def _run(self, number: int) -> None:
        while not self._stop.is_set():
            port = self._server.ports[number % len(self._server.ports)]
            self.answers.append(self._server.get(self._path, self._key, port=port))
            number += 1
