"""Work that every worker process looks for by itself, every few seconds, whether or not somebody rang.

Apps register a dotted name in ``AppConfig.ready``; it is resolved at its first run. A sweep must be safe to run in
several processes at once.
"""

import logging
import random
import threading
import time
from dataclasses import dataclass

from django.db import connections
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """One piece of periodic work: the dotted name of a function without arguments."""

    name: str
    dotted_path: str
    every_seconds: float

    def run(self) -> bool:
        """This will run it, log an error instead of raising it, and tell whether it went well."""
        try:
            import_string(self.dotted_path)()
        except Exception:
            logger.exception("sweep %s failed", self.name)
            # A connection that broke is opened anew at the next run.
            connections.close_all()
            return False
        return True


_registered: dict[str, Sweep] = {}


def register(name: str, dotted_path: str, every_seconds: float) -> None:
    """This will add a sweep, or replace the one of the same name."""
    _registered[name] = Sweep(name, dotted_path, every_seconds)


def registered() -> list[Sweep]:
    """This will return every sweep, by name."""
    return [_registered[name] for name in sorted(_registered)]


def run_all() -> int:
    """This will run each sweep once, due or not, and return how many failed (``worker --once``)."""
    return sum(not sweep.run() for sweep in registered())


class Sweeper:
    """Runs each sweep when its time has come, on one thread of a worker process."""

    def __init__(self, stop_event: threading.Event) -> None:
        self._stop = stop_event
        self._next: dict[str, float] = {}

    def due(self, now: float) -> list[Sweep]:
        """This will return the sweeps whose time has come (``now`` from ``time.monotonic``)."""
        return [sweep for sweep in registered() if self._next.get(sweep.name, 0.0) <= now]

    def run_due(self, now: float) -> int:
        """This will run what is due and return how many sweeps that was."""
        sweeps = self.due(now)
        for sweep in sweeps:
            if self._stop.is_set():
                break
            # A little apart, so that processes that started together do not sweep together for ever.
            self._next[sweep.name] = now + sweep.every_seconds * random.uniform(0.9, 1.1)  # noqa: S311
            sweep.run()
        return len(sweeps)

    def run_forever(self) -> None:
        """This will sweep until the stop event is set."""
        while not self._stop.is_set():
            self.run_due(time.monotonic())
            self._stop.wait(LONGEST_WAIT_SECONDS)
        connections.close_all()

    def start(self) -> threading.Thread:
        """This will run the sweeps on a daemon thread and return it."""
        thread = threading.Thread(target=self.run_forever, name="sweeps", daemon=True)
        thread.start()
        return thread
