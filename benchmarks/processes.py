"""Start processes of a benchmark on free ports (web servers, workers, Redis), and always stop them."""

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
LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
PR_SET_PDEATHSIG = 1
TICKS = os.sysconf("SC_CLK_TCK")


class BenchmarkFailed(Exception):
    """The benchmark cannot continue, for the reason in the text."""


def parse_options(parser: argparse.ArgumentParser, **quick: object) -> argparse.Namespace:
    """Return the options of the command line; ``quick`` are the values that ``--quick`` sets.

    Every benchmark has this short form of at most a minute, which CI runs so that none breaks unnoticed. Its checks are
    valid, but its results mean nothing.
    """
    parser.add_argument(
        "--quick", action="store_true", help="at most a minute: does it still work? The results mean nothing"
    )
    options = parser.parse_args()
    if options.quick:
        vars(options).update(quick)
    return options


def derive_key(letter: bytes) -> str:
    """Return a secret key in base64, derived from a letter for its purpose."""
    return base64.b64encode(hashlib.sha256(letter).digest()).decode()


def free_port() -> int:
    """Return a port that no process is listening on."""
    with socket.create_server((LOOPBACK, 0)) as listener:
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
class ChildProcess:
    """A process with a process group and a log."""

    process: subprocess.Popen
    log: Path

    def stop(self, hard: bool = False) -> None:
        """Terminate the process and its children, or kill them if ``hard`` or after STOP_SECONDS."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL if hard else signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Send SIGSTOP to the process and its children."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def log_tail(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace")[-2000:]

    def members(self) -> list[int]:
        """Return the ids of the processes of the group, on Linux only."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = entry.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid:
                    found.append(int(entry.parent.name))
        return found

    def cpu_seconds(self) -> float:
        """Return the CPU time that the group has used so far, or 0 if the system does not report it."""
        ticks = 0
        for pid in self.members():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS


@dataclass
class ProcessGroup:
    """The processes that a run has started, and its temporary folder."""

    folder: Path
    children: list[ChildProcess] = field(default_factory=list)

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> ChildProcess:
        """Start a program, with its output in a log file in the folder."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=_follow_parent(),
            )  # fmt: skip
        self.children.append(ChildProcess(process, log))
        return self.children[-1]

    def run(self, command: list[str], environment: dict[str, str]) -> str:
        """Run a Python program and return its output; raise BenchmarkFailed if it fails."""
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
        )
        if done.returncode:
            raise BenchmarkFailed(f"{' '.join(command)}: {done.stderr[-2000:]}")
        return done.stdout

    def serve(
        self, name: str, application: str, environment: dict[str, str], workers: int, threads: int, port: int = 0
    ) -> "Server":
        """Start granian and wait until it responds."""
        port = port or free_port()
        command = [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", LOOPBACK, "--port", str(port),
            "--workers", str(workers), "--blocking-threads", str(threads), "--backlog", "1024", "--no-access-log",
            "--http", "1", "--workers-kill-timeout", "5", "--respawn-failed-workers", application,
        ]  # fmt: skip
        server = Server(name, port, self.start(name, command, environment))
        self.wait_until(lambda: get(port, "/").status > 0, f"{name} did not start", server.child)
        return server

    def redis(self) -> tuple[ChildProcess, str] | None:
        """Start a Redis and return it with its URL, or None if Redis is not installed."""
        if shutil.which("redis-server") is None:
            return None
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", LOOPBACK, "--save", "", "--dir", str(self.folder)]
        child = self.start("redis", command, dict(os.environ))
        self.wait_until(lambda: _connects(port), "Redis did not start", child)
        return child, f"redis://{LOOPBACK}:{port}/0"

    def wait_until(self, check: Callable[[], bool], what: str, child: ChildProcess) -> None:
        """Wait until the check returns True, or raise BenchmarkFailed with the end of the child's log."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and child.process.poll() is None:
            if check():
                return
            time.sleep(0.05)
        raise BenchmarkFailed(f"{what}: {child.log_tail()}")


@dataclass
class Server:
    """A web server and its port."""

    name: str
    port: int
    child: ChildProcess


@dataclass
class Answer:
    """A response; its status is 0 if there was none."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def get(port: int, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: bytes = b"") -> Answer:
    """Send one request on a new connection."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
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
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def process_group(folder: Path) -> Iterator[ProcessGroup]:
    """Yield a ProcessGroup, and stop all of its processes at the end."""
    found = ProcessGroup(folder)
    try:
        yield found
    finally:
        for child in reversed(found.children):
            child.stop()


def minimal_environment(**variables: str) -> dict[str, str]:
    """Return the environment variables that programs and packages need, and the given ones."""
    names = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH")
    return {**{name: os.environ[name] for name in names if name in os.environ}, **variables}


def portal_environment(folder: Path, database: str, **variables: str) -> dict[str, str]:
    """Return the environment variables of a portal."""
    return minimal_environment(
        DJANGO_SETTINGS_MODULE="benchmarks.portal.settings",
        SECRET_KEY="a-secret-key-of-a-benchmark-and-of-nothing-else",
        ENCRYPTION_KEYS="b1:" + derive_key(b"e"),
        KEY_PEPPERS="b1:" + derive_key(b"p"),
        AUDIT_SIGNING_KEY=derive_key(b"a"),
        DATABASE_URL=database or f"sqlite:///{folder}/portal.sqlite3",
        PUBLIC_URL=f"http://{LOOPBACK}:8000",
        ALLOWED_HOSTS=LOOPBACK,
        EMAIL_URL="dummymail://",
        LOG_LEVEL="WARNING",
        **variables,
    )
