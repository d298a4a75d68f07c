"""Processes of a benchmark's own: web servers, a worker, a Redis. On free ports, and always stopped."""

import argparse
import base64
import contextlib
import ctypes
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
PR_SET_PDEATHSIG = 1
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """The benchmark cannot go on; the text says why."""


def parse_options(parser: argparse.ArgumentParser, **quick: object) -> argparse.Namespace:
    """Return the options of the command line; ``quick`` are the values that ``--quick`` sets.

    Every benchmark has this short form: at most a minute, for CI, which runs each so that none can rot. Its figures
    mean nothing; its checks do.
    """
    parser.add_argument("--quick", action="store_true", help="at most a minute: does it still work? No figure to quote")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(quick)
    return options


def secret_bytes(letter: bytes) -> str:
    """Return a key of a benchmark's portal, in base64: another one for each purpose."""
    return base64.b64encode(hashlib.sha256(letter).digest()).decode()


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.create_server((HOST, 0)) as listener:
        return listener.getsockname()[1]


def _follow_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    library, parent = ctypes.CDLL(None), os.getpid()

    def follow() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return follow


@dataclass
class Child:
    """A process in a group of its own, and its log."""

    process: subprocess.Popen
    log: Path

    def stop(self, hard: bool = False) -> None:
        """End it and what it started: patiently, or at once."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL if hard else signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Stop the whole group where it is; only the end comes after that."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-2000:]

    def members(self) -> list[int]:
        """Return the ids of the processes of its group (Linux; elsewhere none)."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = entry.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid:
                    found.append(int(entry.parent.name))
        return found

    def cpu_seconds(self) -> float:
        """Return the processor time that its group has used so far, or 0 where the system does not say."""
        ticks = 0
        for pid in self.members():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS


@dataclass
class Scene:
    """Everything that a run has started, and the folder that it lives in."""

    folder: Path
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, words: list[str], environment: dict[str, str]) -> Child:
        """Start a program; what it prints goes to a file in the folder."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=_follow_parent(),
            )  # fmt: skip
        self.children.append(Child(process, log))
        return self.children[-1]

    def run(self, words: list[str], environment: dict[str, str]) -> str:
        """Run a Python program to its end and return what it printed."""
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
        )
        if done.returncode:
            raise Failed(f"{' '.join(words)}: {done.stderr[-2000:]}")
        return done.stdout

    def serve(
        self, name: str, application: str, environment: dict[str, str], workers: int, threads: int, port: int = 0
    ) -> "Server":
        """Start granian and return when it answers."""
        port = port or free_port()
        words = [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port),
            "--workers", str(workers), "--blocking-threads", str(threads), "--backlog", "1024", "--no-access-log",
            "--http", "1", "--workers-kill-timeout", "5", "--respawn-failed-workers", application,
        ]  # fmt: skip
        server = Server(name, port, self.start(name, words, environment))
        self.wait_until(lambda: get(port, "/").status > 0, f"{name} did not start", server.child)
        return server

    def redis(self) -> tuple[Child, str] | None:
        """Start a Redis of this run alone and return it with its address, or None where none is installed."""
        if shutil.which("redis-server") is None:
            return None
        port = free_port()
        words = ["redis-server", "--port", str(port), "--bind", HOST, "--save", "", "--dir", str(self.folder)]
        child = self.start("redis", words, dict(os.environ))
        self.wait_until(lambda: _connects(port), "Redis did not start", child)
        return child, f"redis://{HOST}:{port}/0"

    def wait_until(self, check: Callable[[], bool], what: str, child: Child) -> None:
        """Return when the check holds, or raise with the end of the child's log."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and child.process.poll() is None:
            if check():
                return
            time.sleep(0.05)
        raise Failed(f"{what}: {child.last_words()}")


@dataclass
class Server:
    """A web server and the port that it answers on."""

    name: str
    port: int
    child: Child


@dataclass
class Answer:
    """One answer; status 0: none came."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def get(port: int, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: bytes = b"") -> Answer:
    """Make one call on a connection of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    try:
        connection.request(method, path, body=body or None, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.read(), dict(response.getheaders()))
    except (OSError, http.client.HTTPException):
        return Answer(0)
    finally:
        connection.close()


def _connects(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Give a scene, and stop all that was started in it whatever happens."""
    found = Scene(folder)
    try:
        yield found
    finally:
        for child in reversed(found.children):
            child.stop()


def plain_environment(**variables: str) -> dict[str, str]:
    """Return an environment with nothing of the caller's but the ways to programs and packages."""
    names = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH")
    return {**{name: os.environ[name] for name in names if name in os.environ}, **variables}


def portal_environment(folder: Path, database: str, **variables: str) -> dict[str, str]:
    """Return the whole configuration of a portal of this run."""
    return plain_environment(
        DJANGO_SETTINGS_MODULE="benchmarks.portal.settings",
        SECRET_KEY="a-secret-key-of-a-benchmark-and-of-nothing-else",
        ENCRYPTION_KEYS="b1:" + secret_bytes(b"e"),
        KEY_PEPPERS="b1:" + secret_bytes(b"p"),
        AUDIT_SIGNING_KEY=secret_bytes(b"a"),
        DATABASE_URL=database or f"sqlite:///{folder}/portal.sqlite3",
        PUBLIC_URL=f"http://{HOST}:8000",
        ALLOWED_HOSTS=HOST,
        EMAIL_URL="dummymail://",
        LOG_LEVEL="WARNING",
        **variables,
    )
