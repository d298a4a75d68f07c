"""Group commit of the call log: one thread per process writes all pending calls in one transaction.

There is no timer: the next batch gathers while the current one is committed, so a single request waits for one commit
and concurrent requests share it. A forked process starts its own thread with its first call.
"""

import atexit
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from prometheus_client import Counter as Metric

from apps.audit.calls import store as call_store
from apps.audit.calls.store import Call, RefusalKey, is_stored

logger = logging.getLogger(__name__)

LOST = Metric("portal_api_calls_lost", "Answered API calls that could not be recorded.")
UNREACHABLE = (OperationalError, InterfaceError)
MAX_BATCH_SIZE = 1000
MAX_REFUSED_KEYS = 10_000
RETRY_SECONDS = 5.0
INITIAL_BACKOFF_SECONDS = 0.05
# Refused unauthenticated requests wait for the next batch or this long, so that a flood does not force a commit each.
MAX_REFUSED_DELAY_SECONDS = 1.0


class Batch:
    """Calls that are committed together; ``done`` is set after the commit."""

    __slots__ = ("calls", "done")

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.done = threading.Event()


class Writer:
    """The writer thread and its pending batch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._has_capacity = threading.Condition(self._lock)
        self._batch = Batch()
        self._refused: Counter[RefusalKey] = Counter()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._retry_seconds = RETRY_SECONDS

    def persist(self, call: Call) -> None:
        """Block until the call is committed or reported as lost; a full batch delays it and never drops it."""
        with self._lock:
            self._has_capacity.wait_for(lambda: len(self._batch.calls) < MAX_BATCH_SIZE)
            batch = self._batch
            batch.calls.append(call)
            self._wake()
        batch.done.wait()

    def count_refused(self, refused: RefusalKey) -> None:
        """Count a refused request; above MAX_REFUSED_KEYS, further addresses are counted together as an empty one."""
        with self._lock:
            if refused not in self._refused and len(self._refused) >= MAX_REFUSED_KEYS:
                refused = refused._replace(address="")
            self._refused[refused] += 1
            self._wake()

    def stop(self) -> None:
        """Write what is pending and stop the thread; the next call starts a new one."""
        with self._lock:
            thread, self._stopping = self._thread, True
            self._work.notify()
        if thread is not None:
            thread.join(timeout=RETRY_SECONDS + 1)
        with self._lock:
            self._stopping = False

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="call-log", daemon=True)
            self._thread.start()
        self._work.notify()

    def _run(self) -> None:
        try:
            while (work := self._take()) is not None:
                batch, refused = work
                try:
                    self._retry_seconds = RETRY_SECONDS if write(batch.calls, refused, self._retry_seconds) else 0
                finally:
                    batch.done.set()
        finally:
            connection.close()
            self._restart_after_error()

    def _restart_after_error(self) -> None:
        """Start another thread if this one stopped by an error, so that no request waits forever."""
        with self._lock:
            if self._thread is threading.current_thread():
                self._thread = None
                if self._batch.calls:
                    self._wake()

    def _take(self) -> tuple[Batch, Counter[RefusalKey]] | None:
        """Wait for work and return all of it, or None when none is left and the thread must stop."""
        with self._lock:
            self._work.wait_for(lambda: self._batch.calls or self._refused or self._stopping)
            self._work.wait_for(lambda: self._batch.calls or self._stopping, timeout=MAX_REFUSED_DELAY_SECONDS)
            if not self._batch.calls and not self._refused:
                self._thread = None
                return None
            work = self._batch, self._refused
            self._batch, self._refused = Batch(), Counter()
            self._has_capacity.notify_all()
            return work


def store(calls: list[Call], refused: Mapping[RefusalKey, int]) -> None:
    """Commit a batch, with the current time as that of its calls.

    With the Redis stream the calls keep their ids and times, by which those that Redis also has are recognized.
    """
    if settings.API_CALL_LOG == "stream":
        call_store.store(calls, refused)
    else:
        call_store.store_with_current_time(calls, refused)


def write(calls: list[Call], refused: Mapping[RefusalKey, int], retry_seconds: float) -> bool:
    """Commit the batch, retrying with backoff for up to ``retry_seconds``; return whether the database responds."""
    give_up_at = time.monotonic() + retry_seconds
    pause = INITIAL_BACKOFF_SECONDS
    error = _try(store, calls, refused)
    while isinstance(error, UNREACHABLE) and time.monotonic() + pause < give_up_at:
        time.sleep(pause)
        pause *= 2
        error = _try(_store_once, calls, refused)
    if error is None:
        return True
    if isinstance(error, UNREACHABLE) or len(calls) + len(refused) <= 1:
        report_lost_calls(len(calls), error)
        return not isinstance(error, UNREACHABLE)
    # One bad row must not lose the others: halve the batch until it is isolated.
    results = [write(*part, retry_seconds) for part in _halves(calls, refused)]
    return all(results)


def _try(save: Callable[..., None], calls: list[Call], refused: Mapping[RefusalKey, int]) -> Exception | None:
    try:
        save(calls, refused)
    except Exception as error:
        if isinstance(error, UNREACHABLE):
            connection.close()
        return error
    return None


def _store_once(calls: list[Call], refused: Mapping[RefusalKey, int]) -> None:
    if not is_stored(calls):
        store(calls, refused)


def _halves(calls: list[Call], refused: Mapping[RefusalKey, int]) -> list[tuple[list[Call], Mapping[RefusalKey, int]]]:
    if refused and calls:
        return [(calls, {}), ([], refused)]
    if refused:
        return [([], {key: count}) for key, count in refused.items()]
    middle = len(calls) // 2
    return [(calls[:middle], {}), (calls[middle:], {})]


def report_lost_calls(calls: int, error: Exception) -> None:
    """Count and log calls that cannot be stored."""
    LOST.inc(calls)
    logger.error("%d API calls could not be recorded and are answered without a row", calls, exc_info=error)


def persist_inline(calls: list[Call], refused: Mapping[RefusalKey, int]) -> None:
    """Write on the current connection, inside its open transaction."""
    try:
        store(calls, refused)
    except DatabaseError as error:
        report_lost_calls(len(calls), error)


_writer = Writer()


def persist(call: Call) -> None:
    """Hand a call to this process's writer and block until it is committed."""
    _writer.persist(call)


def count_refused(refused: RefusalKey) -> None:
    """Hand a refused request to this process's writer without waiting."""
    _writer.count_refused(refused)


def stop() -> None:
    """Write what is pending and stop this process's writer: at exit, and in tests before their database is dropped."""
    _writer.stop()


def _reset_after_fork() -> None:
    # The parent's thread and the owner of its lock do not exist in the child.
    global _writer
    _writer = Writer()


os.register_at_fork(after_in_child=_reset_after_fork)
atexit.register(stop)
