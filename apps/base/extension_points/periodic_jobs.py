"""Periodic jobs, which every worker process runs, with or without a wakeup.

Each app lists its jobs in ``apps.py`` (``JOBS``); a function is imported by its dotted name at its first run. A job
must be safe to run in several processes at once. A lane is a queue with one thread, which runs its jobs one after the
other; while one exceeds its budget, a second thread runs the others of the lane.

Log messages call a job a sweep: docs/operate.md lists them.
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
    """A job failed in part and has logged why: it counts as failed, without a traceback."""


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """A function without arguments, by dotted name, how often it runs, and for how long it can run.

    ``lane``: a separate one for jobs that wait for external servers.
    """

    name: str
    dotted_path: str
    every_seconds: float
    budget_seconds: float
    does: str
    lane: str = MAIN

    @property
    def owner(self) -> str:
        """The app of the job."""
        return self.name.partition(".")[0]

    def run(self) -> bool:
        """Run the job and return whether it succeeded; errors are logged."""
        try:
            import_string(self.dotted_path)()
        except JobFailed:
            return False
        except Exception:
            logger.exception("sweep %s failed", self.name)
            # The next run opens broken connections again.
            connections.close_all()
            return False
        return True


# Called for each run with the job's name, the outcome and the seconds so far; twice for a job that exceeds its budget:
# when it does, and when it ends.
ReportRun = Callable[[str, str, float], None]

_registered: dict[str, PeriodicJob] = {}


def register(*jobs: PeriodicJob) -> None:
    """Add jobs, or replace those of the same names."""
    _registered.update({job.name: job for job in jobs})


def registered() -> list[PeriodicJob]:
    """Return all jobs, ordered by name."""
    return [_registered[name] for name in sorted(_registered)]


def run_all(report: ReportRun) -> int:
    """Run each job once, due or not, and return how many failed (``worker --once``)."""
    failed = 0
    for job in registered():
        started = time.monotonic()
        is_successful = job.run()
        report(job.name, SUCCEEDED if is_successful else FAILED, time.monotonic() - started)
        failed += not is_successful
    return failed


class _LaneThread:
    """A thread of a lane, the job that it runs, and whether another thread has replaced it."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self.job: PeriodicJob | None = None
        self.started_at = 0.0
        self.is_replaced = False
        self.thread: threading.Thread | None = None


class PeriodicJobRunner:
    """Runs the periodic jobs of a worker process when they are due."""

    def __init__(self, stop_event: threading.Event, report: ReportRun) -> None:
        self._stop, self._report = stop_event, report
        self._lock = threading.Lock()
        self._due_at: dict[str, float] = {}
        self._running: set[str] = set()
        self._workers: list[_LaneThread] = []

    def start(self) -> threading.Thread:
        """Run jobs on daemon threads until the stop event is set; return the supervising thread."""
        thread = threading.Thread(target=self.run_forever, name="sweeps", daemon=True)
        thread.start()
        return thread

    def run_forever(self) -> None:
        """Supervise a thread for each lane until the stop event is set."""
        for lane in sorted({job.lane for job in registered()}):
            self._start_worker(lane)
        while not self._stop.wait(MAX_WAIT_SECONDS):
            self._replace_stuck_threads(time.monotonic())

    def _start_worker(self, lane: str) -> None:
        worker = _LaneThread(lane)
        worker.thread = threading.Thread(target=self._work, args=(worker,), name=f"sweeps-{lane}", daemon=True)
        self._workers.append(worker)
        worker.thread.start()

    def _replace_stuck_threads(self, now: float) -> None:
        """Start another thread for each lane whose job exceeds its budget or whose thread died."""
        for worker in tuple(self._workers):
            with self._lock:
                job, seconds = worker.job, now - worker.started_at
                worker.is_replaced = job is not None and seconds > job.budget_seconds
            if job is not None and worker.is_replaced:
                logger.warning("sweep %s takes more than %d s; the others go on", job.name, job.budget_seconds)
                self._report(job.name, OVERRAN, seconds)
            if worker.is_replaced or not (worker.thread and worker.thread.is_alive()):
                self._workers.remove(worker)
                self._start_worker(worker.lane)

    def _work(self, worker: _LaneThread) -> None:
        try:
            while not (self._stop.is_set() or worker.is_replaced):
                job = self._claim(worker, time.monotonic())
                if job is None:
                    self._stop.wait(MAX_WAIT_SECONDS)
                else:
                    self._run(worker, job)
        finally:
            connections.close_all()

    def _claim(self, worker: _LaneThread, now: float) -> PeriodicJob | None:
        """Return the job of the lane that has been due for longest and is not running in this process."""
        with self._lock:
            waiting = [each for each in registered() if each.lane == worker.lane and each.name not in self._running]
            job = min(waiting, key=lambda each: self._due_at.get(each.name, 0.0), default=None)
            if job is None or self._due_at.get(job.name, 0.0) > now:
                return None
            # Jitter: processes that started together must not run the same job together every time.
            self._due_at[job.name] = now + job.every_seconds * random.uniform(0.9, 1.1)  # noqa: S311
            self._running.add(job.name)
            worker.job, worker.started_at = job, now
            return job

    def _run(self, worker: _LaneThread, job: PeriodicJob) -> None:
        is_successful = False
        try:
            is_successful = job.run()
        finally:
            with self._lock:
                worker.job = None
                self._running.discard(job.name)
            self._report(job.name, SUCCEEDED if is_successful else FAILED, time.monotonic() - worker.started_at)
