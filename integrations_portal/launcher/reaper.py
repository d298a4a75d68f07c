"""Child processes that end, with all their descendants, when the parent ends, even by SIGKILL.

A process that is killed cannot clean up, and the system notifies direct children at most. So each child is started in
a new session, and a watcher process (this file, run as a program) reads a pipe that only the parent keeps open. When
the pipe is closed, for whatever reason, the watcher ends the sessions.

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

TERMINATE_SECONDS = 1.0  # then SIGKILL
KILL_SECONDS = 0.3  # until killed processes are gone
POLL_SECONDS = 0.02


class Reaper:
    """Starts child processes and ends them. ``first_signal``: sent before SIGKILL."""

    def __init__(self, first_signal: signal.Signals = signal.SIGTERM) -> None:
        self._first_signal = first_signal
        self._pipe = -1
        self._watcher: subprocess.Popen[Any] | None = None
        self._children: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self, command: Sequence[Any], **options: Any) -> subprocess.Popen[Any]:
        """Start a child like subprocess.Popen, in a new session."""
        if self._watcher is None:
            self._watcher = self._start_watcher()
        child = subprocess.Popen(  # noqa: S603 - no shell, and no untrusted arguments
            command, start_new_session=True, preexec_fn=self._register_child, **options
        )
        self._children.append(child)
        return child

    def is_alive(self) -> bool:
        """Return whether the process that watches the children is alive."""
        return self._watcher is None or self._watcher.poll() is None

    def stop(self) -> None:
        """End every child, by ``first_signal``, then by SIGKILL, and wait for them."""
        if self._watcher is None:
            return
        os.close(self._pipe)
        while self._watcher.poll() is None:
            self._reap_children()
            time.sleep(POLL_SECONDS)
        if self._watcher.returncode:  # the watcher was killed
            end_groups([child.pid for child in self._children], self._first_signal)
        self._reap_children()
        self._watcher, self._children = None, []

    def _start_watcher(self) -> subprocess.Popen[Any]:
        read_end, self._pipe = os.pipe()
        # Isolated and without site-packages it starts in milliseconds. The environment's Python could be removed.
        python = getattr(sys, "_base_executable", "") or sys.executable
        command = [python, "-I", "-S", __file__, str(int(self._first_signal))]
        devnull = subprocess.DEVNULL
        try:
            return subprocess.Popen(command, stdin=read_end, stdout=devnull, stderr=devnull, start_new_session=True)  # noqa: S603
        finally:
            os.close(read_end)

    def _register_child(self) -> None:
        """Send the child's id to the watcher; in the child before exec, while it keeps the pipe open."""
        os.write(self._pipe, b"%d\n" % os.getpid())

    def _reap_children(self) -> None:
        """Reap children that ended: a zombie's process group still exists."""
        for child in self._children:
            child.poll()


def end_groups(groups: Sequence[int], first_signal: int) -> None:
    """End process groups by the first signal, then by SIGKILL."""
    signal_groups(groups, first_signal)
    wait_for_groups(groups, TERMINATE_SECONDS)
    signal_groups(groups, signal.SIGKILL)
    wait_for_groups(groups, KILL_SECONDS)


def signal_groups(groups: Sequence[int], signal_number: int) -> list[int]:
    """Send a signal to process groups and return those that exist; 0 sends none."""
    alive = []
    for group in groups:
        with suppress(OSError):  # gone; macOS refuses where only a zombie is left
            os.killpg(group, signal_number)
            alive.append(group)
    return alive


def wait_for_groups(groups: Sequence[int], seconds: float) -> None:
    """Wait until the groups are gone, for a limited time: a zombie whose parent does not reap it remains."""
    until = time.monotonic() + seconds
    while signal_groups(groups, 0) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    end_groups([int(line) for line in sys.stdin], int(sys.argv[1]))
