"""The product as a new user gets it: a clone in a folder of its own, and its demo as a process.

The clone holds what stands in the working tree, committed or not. Nothing of the tests' own settings reaches it.
"""

import json
import os
import queue
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "USER")
START_SECONDS = 120  # of a machine that is busy
STOP_SECONDS = 30


def clone_to(folder):
    """Clone the project, and lay the working tree over it."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("this copy of the project is no git repository")
    git = ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}"]
    subprocess.run([*git, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    listed = subprocess.run([*git, "ls-files", "-co", "--exclude-standard", "-z"], check=True, capture_output=True)
    wanted = {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()}
    for name in wanted:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for file in folder.rglob("*"):
        name = str(file.relative_to(folder))
        if file.is_file() and not name.startswith(".git/") and name not in wanted:
            file.unlink()  # removed from the working tree since the last commit
    return folder


def environment(**more):
    """Give an environment that knows where the packages are and none of our settings."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "PORTAL_VENV": sys.prefix, **more}


def manage(folder, *words, **more):
    """Run another command of the clone to its end."""
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=START_SECONDS
    )


def free_ports():
    """Find a port with two free ones after it: the demo's, its receiver's, and one where nobody listens.

    Below those that systems give to outgoing connections, and anywhere there: tests look for some at the same time.
    """
    for _ in range(100):
        port = random.randrange(20_000, 32_000, 3)
        with suppress(OSError), ExitStack() as held:
            for offset in (0, 1, 2):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            return port
    raise RuntimeError("there are no three free ports in a row")


class Demo:
    """A running demo: what it told, and its output so far."""

    def __init__(self, folder, port, *words, **more):
        self.folder, self.port, self.began = folder, port, time.monotonic()
        self.errors = folder.parent / f"demo-{port}-{time.monotonic_ns()}.err"
        command = [sys.executable, "manage.py", "demo", "--json", "--port", str(port), *words]
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment(**more), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def wait(self):
        """Wait until it says that it serves."""
        deadline = time.monotonic() + START_SECONDS
        while self.lines.empty() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not self.lines.empty(), f"not serving after {START_SECONDS} s:\n{self.told}"
        self.seconds = time.monotonic() - self.began
        self.json = json.loads(self.lines.get())
        self.url, self.key = self.json["url"], self.json["api_key"]
        return self

    @property
    def told(self):
        """What it printed on stderr."""
        return self.errors.read_text()

    def login(self, role):
        """Who has a role at Acme."""
        return next(each for each in self.json["logins"] if (each["role"], each["organization"]) == (role, "acme"))

    def stop(self, number=signal.SIGINT):
        """Stop it as a person would, and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=STOP_SECONDS)

    def children(self):
        """Give name → process id of what it started (Linux)."""
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        lines = {child: Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0") for child in found}
        names = ("granian", "worker", "listen")
        return {name: int(child) for child, words in lines.items() for name in names if name in words}


@contextmanager
def running(folder, port, *words, **more):
    """Run the demo for as long as the block takes; whatever happens, nothing of it is left."""
    demo = Demo(folder, port, *words, **more)
    try:
        yield demo.wait()
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                demo.process.wait(timeout=STOP_SECONDS)
            demo.process.kill()
        demo.process.stdout.close()


def left_in(folder):
    """Name the living processes that were started in a folder, or below it (Linux)."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # gone meanwhile, a zombie, or somebody else's
            if entry.name.isdigit() and Path(entry / "cwd").readlink().is_relative_to(folder):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode().replace("\0", " ")
    return found


def taken(*ports):
    """Give those of the ports that nobody could listen on now."""
    found = []
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                found.append(port)
    return found


def eventually(check, seconds=20.0):
    """Give the first true answer of a check that is asked again and again, or its last one."""
    deadline = time.monotonic() + seconds
    while not (answer := check()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer
