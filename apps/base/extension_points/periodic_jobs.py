"""Work that every worker process looks for by itself, every few seconds, whether or not somebody rang.

Each app has a table of its own in ``apps.py`` and registers it in ``AppConfig.ready``; a function is found by its
dotted name at its first run. A sweep must be safe to run in several processes at once. Sweeps of one lane run one after
the other, on a thread of theirs; one that takes longer than its budget keeps its thread, and the lane goes on with
another.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connections
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 1.0
MAIN = "main"
OUTCOMES = SUCCEEDED, FAILED, OVERRAN = "succeeded", "failed", "overran"


class JobFailed(Exception):
    """A run did what it could, and its log has said what it could not: it counts as failed, without a traceback."""


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """One piece of periodic work: the dotted name of a function without arguments, and how often and long it runs.

    ``lane``: another than the main one for work that waits for somebody else's server.
    """

    name: str
    dotted_path: str
    every_seconds: float
    budget_seconds: float
    does: str
    lane: str = MAIN

    @property
    def owner(self) -> str:
        """The app whose work it is."""
        return self.name.partition(".")[0]

    def run(self) -> bool:
        """Run it, log an error instead of raising it, and tell whether it went well."""
        try:
            import_string(self.dotted_path)()
        except JobFailed:
            return False
        except Exception:
            logger.exception("sweep %s failed", self.name)
            # A connection that broke is opened anew at the next run.
            connections.close_all()
            return False
        return True


# Is told of each run: the sweep's name, its outcome, the seconds that it took so far. Of one that overruns it is told
# twice: when its time is over, and when it ends.
ReportRun = Callable[[str, str, float], None]

_registered: dict[str, PeriodicJob] = {}


def register(*sweeps: PeriodicJob) -> None:
    """Add sweeps, or replace those of the same names."""
    _registered.update({sweep.name: sweep for sweep in sweeps})


def registered() -> list[PeriodicJob]:
    """Return every sweep, by name."""
    return [_registered[name] for name in sorted(_registered)]


def run_all(tell: ReportRun) -> int:
    """Run each sweep once, due or not, and return how many failed (``worker --once``)."""
    failed = 0
    for sweep in registered():
        started = time.monotonic()
        went_well = sweep.run()
        tell(sweep.name, SUCCEEDED if went_well else FAILED, time.monotonic() - started)
        failed += not went_well
    return failed


class _Hand:
    """A thread at work in a lane: what it runs at this moment, and whether another has taken its place."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self.sweep: PeriodicJob | None = None
        self.since = 0.0
        self.is_replaced = False
        self.thread: threading.Thread | None = None


class PeriodicJobRunner:
    """Runs each sweep of a worker process when its time has come."""

    def __init__(self, stop_event: threading.Event, tell: ReportRun) -> None:
        self._stop, self._tell = stop_event, tell
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._running: set[str] = set()
        self._hands: list[_Hand] = []

    def start(self) -> threading.Thread:
        """Sweep on daemon threads until the stop event is set, and return the one that looks after the others."""
        thread = threading.Thread(target=self.run_forever, name="sweeps", daemon=True)
        thread.start()
        return thread

    def run_forever(self) -> None:
        """Keep a thread at work in each lane until the stop event is set."""
        for lane in sorted({sweep.lane for sweep in registered()}):
            self._employ(lane)
        while not self._stop.wait(MAX_WAIT_SECONDS):
            self._replace_slow(time.monotonic())

    def _employ(self, lane: str) -> None:
        hand = _Hand(lane)
        hand.thread = threading.Thread(target=self._work, args=(hand,), name=f"sweeps-{lane}", daemon=True)
        self._hands.append(hand)
        hand.thread.start()

    def _replace_slow(self, now: float) -> None:
        """Let the lane of a sweep that is over its budget go on without it, and that of a thread that ended."""
        for hand in tuple(self._hands):
            with self._lock:
                sweep, seconds = hand.sweep, now - hand.since
                hand.is_replaced = sweep is not None and seconds > sweep.budget_seconds
            if sweep is not None and hand.is_replaced:
                logger.warning("sweep %s takes more than %d s; the others go on", sweep.name, sweep.budget_seconds)
                self._tell(sweep.name, OVERRAN, seconds)
            if hand.is_replaced or not (hand.thread and hand.thread.is_alive()):
                self._hands.remove(hand)
                self._employ(hand.lane)

    def _work(self, hand: _Hand) -> None:
        try:
            while not (self._stop.is_set() or hand.is_replaced):
                sweep = self._take(hand, time.monotonic())
                if sweep is None:
                    self._stop.wait(MAX_WAIT_SECONDS)
                else:
                    self._run(hand, sweep)
        finally:
            connections.close_all()

    def _take(self, hand: _Hand, now: float) -> PeriodicJob | None:
        """Return the sweep of the lane that has been due for longest and runs nowhere in this process."""
        with self._lock:
            waiting = [each for each in registered() if each.lane == hand.lane and each.name not in self._running]
            sweep = min(waiting, key=lambda each: self._next.get(each.name, 0.0), default=None)
            if sweep is None or self._next.get(sweep.name, 0.0) > now:
                return None
            # A little apart, so that processes that started together do not sweep together for ever.
            self._next[sweep.name] = now + sweep.every_seconds * random.uniform(0.9, 1.1)  # noqa: S311
            self._running.add(sweep.name)
            hand.sweep, hand.since = sweep, now
            return sweep

    def _run(self, hand: _Hand, sweep: PeriodicJob) -> None:
        went_well = False
        try:
            went_well = sweep.run()
        finally:
            with self._lock:
                hand.sweep = None
                self._running.discard(sweep.name)
            self._tell(sweep.name, SUCCEEDED if went_well else FAILED, time.monotonic() - hand.since)
