"""The demo's processes: started in this process group, watched, and stopped together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 12.0  # a worker takes up to eight to let its requests finish


class Died(Exception):
    """A process ended that should not have; the text says which one."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process and what people call it."""

    name: str
    process: subprocess.Popen


class Processes:
    """What the demo consists of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []
        self._follow = _follower()

    def start(self, name: str, words: list[str], environment: dict[str, str]) -> None:
        """This will start one of ours; what it prints goes to stderr, for stdout belongs to the command."""
        process = subprocess.Popen(  # noqa: S603 - no shell, and no word of a stranger
            [sys.executable, *words],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            preexec_fn=self._follow,
        )
        self._children.append(Child(name, process))

    def has(self, name: str) -> bool:
        """This will tell whether one of that name was started."""
        return any(child.name == name for child in self._children)

    def check(self) -> None:
        """This will raise Died where one of them has ended."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                how = f"signal {-code}" if code < 0 else f"exit {code}"
                raise Died(f"The {child.name} stopped by itself ({how}); everything else was stopped too.")

    def stop(self) -> None:
        """This will end them in the order of their start, the patient way first."""
        deadline = time.monotonic() + GRACE_SECONDS
        for child in self._children:
            if child.process.poll() is None:
                child.process.terminate()
        for child in self._children:
            try:
                child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def _follower() -> Callable[[], None] | None:
    """Return what makes a child end when this process is killed, where the system can do that (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    parent, library = os.getpid(), ctypes.CDLL(None)

    def follow() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before the line above
            os._exit(1)

    return follow
