"""The demo's processes: started, watched, and stopped together."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations_portal.launcher.reaper import Reaper


class ProcessExited(Exception):
    """A process ended unexpectedly; the message names it."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process and its name in messages."""

    name: str
    process: subprocess.Popen[Any]


class Processes:
    """The processes of the demo."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []
        self._reaper = Reaper()

    def start(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        """Start a Python process; its output goes to stderr, because stdout is the command's."""
        process = self._reaper.start(
            [sys.executable, *arguments],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
        )
        self._children.append(Child(name, process))

    def has(self, name: str) -> bool:
        """Return whether a process of that name was started."""
        return any(child.name == name for child in self._children)

    def check(self) -> None:
        """Raise ProcessExited if one of them has ended."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                how = f"signal {-code}" if code < 0 else f"exit {code}"
                raise ProcessExited(f"The {child.name} stopped by itself ({how}); everything else was stopped too.")
        if not self._reaper.is_alive():
            raise ProcessExited("The process that ends the others was ended; everything else was stopped too.")

    def stop(self) -> None:
        """Stop all processes and wait for them."""
        self._reaper.stop()
