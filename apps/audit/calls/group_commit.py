"""Group commit: one thread per process writes whatever calls wait, in one transaction, and then wakes them.

No timer: while one batch is on its way to the disk the next one gathers, so that a lone caller waits for one commit
and a crowd shares it. Processes that fork get a thread of their own, started at their first call.
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
from apps.audit.calls.store import Call, Refused, is_stored

logger = logging.getLogger(__name__)

LOST = Metric("portal_api_calls_lost", "Answered API calls that could not be recorded.")
UNREACHABLE = (OperationalError, InterfaceError)
MAX_BATCH_SIZE = 1000
MAX_REFUSED_KEYS = 10_000
RETRY_SECONDS = 5.0
INITIAL_BACKOFF_SECONDS = 0.05
# Refusals of strangers wait for the next batch, or this long: a flood of them must not force a commit each.
MAX_REFUSED_DELAY_SECONDS = 1.0


class Batch:
    """Calls that are committed together, and the sign that this has happened."""

    __slots__ = ("calls", "done")

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.done = threading.Event()


class Writer:
    """The thread and what waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._batch = Batch()
        self._refused: Counter[Refused] = Counter()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._patience = RETRY_SECONDS

    def keep(self, call: Call) -> None:
        """Return when the call is committed, or was given up and logged; it waits for room, never drops."""
        with self._lock:
            self._room.wait_for(lambda: len(self._batch.calls) < MAX_BATCH_SIZE)
            batch = self._batch
            batch.calls.append(call)
            self._wake()
        batch.done.wait()

    def count(self, refused: Refused) -> None:
        """Count a refused stranger; too many different addresses are counted together, as no address."""
        with self._lock:
            if refused not in self._refused and len(self._refused) >= MAX_REFUSED_KEYS:
                refused = refused._replace(address="")
            self._refused[refused] += 1
            self._wake()

    def stop(self) -> None:
        """Write what waits and end the thread; the next call starts a new one."""
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
            while (taken := self._take()) is not None:
                batch, refused = taken
                try:
                    self._patience = RETRY_SECONDS if write(batch.calls, refused, self._patience) else 0
                finally:
                    batch.done.set()
        finally:
            connection.close()
            self._ended()

    def _ended(self) -> None:
        """Start another thread where this one ended by an error: nobody may wait for a dead one."""
        with self._lock:
            if self._thread is threading.current_thread():
                self._thread = None
                if self._batch.calls:
                    self._wake()

    def _take(self) -> tuple[Batch, Counter[Refused]] | None:
        """Wait for work and take all of it; None when there is none left and the thread is to end."""
        with self._lock:
            self._work.wait_for(lambda: self._batch.calls or self._refused or self._stopping)
            self._work.wait_for(lambda: self._batch.calls or self._stopping, timeout=MAX_REFUSED_DELAY_SECONDS)
            if not self._batch.calls and not self._refused:
                self._thread = None
                return None
            taken = self._batch, self._refused
            self._batch, self._refused = Batch(), Counter()
            self._room.notify_all()
            return taken


def store(calls: list[Call], refused: Mapping[Refused, int]) -> None:
    """Commit a batch as of now; where Redis may hold its calls as well, under the keys by which they are told apart."""
    if settings.API_CALL_LOG == "stream":
        call_store.store(calls, refused)
    else:
        call_store.store_with_current_time(calls, refused)


def write(calls: list[Call], refused: Mapping[Refused, int], patience: float) -> bool:
    """Commit the batch, trying again for so many seconds, and tell whether the database is there."""
    give_up_at = time.monotonic() + patience
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
    # One bad row must not take the others with it: halve the batch until it stands alone.
    taken = [write(*part, patience) for part in _halves(calls, refused)]
    return all(taken)


def _try(save: Callable[..., None], calls: list[Call], refused: Mapping[Refused, int]) -> Exception | None:
    try:
        save(calls, refused)
    except Exception as error:
        if isinstance(error, UNREACHABLE):
            connection.close()
        return error
    return None


def _store_once(calls: list[Call], refused: Mapping[Refused, int]) -> None:
    if not is_stored(calls):
        store(calls, refused)


def _halves(calls: list[Call], refused: Mapping[Refused, int]) -> list[tuple[list[Call], Mapping[Refused, int]]]:
    if refused and calls:
        return [(calls, {}), ([], refused)]
    if refused:
        return [([], {key: count}) for key, count in refused.items()]
    middle = len(calls) // 2
    return [(calls[:middle], {}), (calls[middle:], {})]


def report_lost_calls(calls: int, error: Exception) -> None:
    """Count and log calls that no row can be made of."""
    LOST.inc(calls)
    logger.error("%d API calls could not be recorded and are answered without a row", calls, exc_info=error)


def persist_inline(calls: list[Call], refused: Mapping[Refused, int]) -> None:
    """Write on the caller's own connection, inside the transaction that is open there."""
    try:
        store(calls, refused)
    except DatabaseError as error:
        report_lost_calls(len(calls), error)


_writer = Writer()


def persist(call: Call) -> None:
    """Hand a call to this process's writer and return when it is committed."""
    _writer.keep(call)


def count_refused(refused: Refused) -> None:
    """Hand a refused stranger to this process's writer and return at once."""
    _writer.count(refused)


def stop() -> None:
    """Write what waits and end this process's writer: at exit, and in tests before their database goes."""
    _writer.stop()


def _reset_after_fork() -> None:
    # The parent's thread, and whoever held its lock, did not come along.
    global _writer
    _writer = Writer()


os.register_at_fork(after_in_child=_reset_after_fork)
atexit.register(stop)
