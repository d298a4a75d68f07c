"""Child processes that end, with all that they started, when the process that started them is gone, however it went.

Killed by SIGKILL, a process cleans up nothing, and systems tell its death to direct children at most. So each child
leads a session of its own, and a small process beside them (this file, run as a program) waits at a pipe that only the
parent holds open: at its end it ends those sessions. Ctrl-C, a refusal and a kill all take this one way.

Standard library only: this runs before anything is installed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

POLITE_SECONDS = 1.0  # then SIGKILL
KILLED_SECONDS = 0.3  # until the system has taken down what was killed
LOOK_SECONDS = 0.02


class Reaper:
    """Starts children and ends them. ``polite``: the signal that comes before SIGKILL."""

    def __init__(self, polite: signal.Signals = signal.SIGTERM) -> None:
        self._polite = polite
        self._pipe = -1
        self._watch: subprocess.Popen[Any] | None = None
        self._children: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self, command: Sequence[Any], **options: Any) -> subprocess.Popen[Any]:
        """Start a child as subprocess.Popen does, in a session of its own."""
        if self._watch is None:
            self._watch = self._start_watch()
        child = subprocess.Popen(  # noqa: S603 - no shell, and no word of a stranger
            command, start_new_session=True, preexec_fn=self._enroll, **options
        )
        self._children.append(child)
        return child

    def is_alive(self) -> bool:
        """Return whether the process that watches the children is alive."""
        return self._watch is None or self._watch.poll() is None

    def stop(self) -> None:
        """End every child: politely, then by SIGKILL. Return when none is left."""
        if self._watch is None:
            return
        os.close(self._pipe)
        while self._watch.poll() is None:
            self._collect()
            time.sleep(LOOK_SECONDS)
        if self._watch.returncode:  # it was killed, so only we can do its work
            end([child.pid for child in self._children], self._polite)
        self._collect()
        self._watch, self._children = None, []

    def _start_watch(self) -> subprocess.Popen[Any]:
        reading, self._pipe = os.pipe()
        # Isolated and without site-packages it starts in milliseconds. An environment's own Python may be removed.
        python = getattr(sys, "_base_executable", "") or sys.executable
        words = [python, "-I", "-S", __file__, str(int(self._polite))]
        nothing = subprocess.DEVNULL
        try:
            return subprocess.Popen(words, stdin=reading, stdout=nothing, stderr=nothing, start_new_session=True)  # noqa: S603
        finally:
            os.close(reading)

    def _enroll(self) -> None:
        """In the child, before its program: until that starts it holds the pipe open, so it cannot be missed."""
        os.write(self._pipe, b"%d\n" % os.getpid())

    def _collect(self) -> None:
        """Take note of children that ended: until then their sessions look alive."""
        for child in self._children:
            child.poll()


def end(groups: Sequence[int], polite: int) -> None:
    """End process groups: politely, then by SIGKILL."""
    send(groups, polite)
    wait_for_end(groups, POLITE_SECONDS)
    send(groups, signal.SIGKILL)
    wait_for_end(groups, KILLED_SECONDS)


def send(groups: Sequence[int], number: int) -> list[int]:
    """Send a signal to process groups (0: only look), and list those that are there."""
    there = []
    for group in groups:
        with suppress(OSError):  # gone; macOS refuses where only a zombie is left
            os.killpg(group, number)
            there.append(group)
    return there


def wait_for_end(groups: Sequence[int], seconds: float) -> None:
    """Return when none of the groups is left, or when the time is over: a zombie that no parent collects stays."""
    until = time.monotonic() + seconds
    while send(groups, 0) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    end([int(line) for line in sys.stdin], int(sys.argv[1]))
