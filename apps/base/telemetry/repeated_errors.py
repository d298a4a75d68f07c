"""Limit repeated errors to one log line a minute: a database outage must not fill the disk with tracebacks.

An error is identified by its class and the line of code that raised it, or else by logger and message. The first
occurrence is logged in full; after that one line a minute with the number of suppressed lines, until it has not
occurred for ten minutes.
"""

import copy
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from structlog.contextvars import get_contextvars

LOG_INTERVAL_SECONDS = 60.0
# A message that is logged exactly once a minute must not be suppressed for arriving slightly early.
TOLERANCE_SECONDS = 1.0
FORGET_AFTER_SECONDS = 600.0
MAX_ERRORS, MAX_MESSAGES, MAX_MESSAGE_LENGTH = 500, 10, 300


@dataclass(slots=True)
class RepeatedError:
    """A repeated error: when it was last logged and last occurred, and what was suppressed since."""

    logged_at: float
    occurred_at: float
    suppressed: int = 0
    latest: logging.LogRecord | None = None
    events: dict[str, int] = field(default_factory=dict)


def identity(record: logging.LogRecord) -> Hashable:
    """Return the identity of a record's error: equal for two lines about the same one."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record.name, record.levelno, str(record.msg)
    error = root_cause(error)
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    source_line = () if traceback is None else (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
    return class_name(error), source_line


def root_cause(error: BaseException) -> BaseException:
    """Return the first error of a chain of causes."""
    seen = {id(error)}
    while True:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or id(cause) in seen:
            return error
        error = cause
        seen.add(id(error))


def class_name(error: BaseException) -> str:
    """Return the dotted name of an error's class; built-in classes without module."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


class RepeatedErrors:
    """Decides which log lines of a process are written. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Hashable, RepeatedError] = {}
        # When the next summary of suppressed lines is due: before that no record needs the lock.
        self._overdue_at = float("inf")

    def admit(self, record: logging.LogRecord) -> Iterator[logging.LogRecord]:
        """Yield the lines to write for a record: overdue summaries, and the record in full, in short or not at all."""
        yield from self.due()
        if record.levelno < logging.WARNING:
            yield record
            return
        found = self._record_occurrence(record, self._clock())
        if found is not None:
            yield found

    def due(self) -> list[logging.LogRecord]:
        """Return a line for each error with suppressed lines whose minute is over."""
        now = self._clock()
        return self.overdue(now) if now >= self._overdue_at else []

    def overdue(self, now: float | None = None) -> list[logging.LogRecord]:
        """Return the lines that are due at a time; without one, those of all errors with suppressed lines."""
        with self._lock:
            ready = [
                each
                for each in self._known.values()
                if each.latest is not None and (now is None or now - each.logged_at >= LOG_INTERVAL_SECONDS)
            ]
            found = [
                _summary_record(each, each.latest, now or each.occurred_at) for each in ready if each.latest is not None
            ]
            waiting = [each.logged_at for each in self._known.values() if each.latest is not None]
            self._overdue_at = min(waiting, default=float("inf")) + LOG_INTERVAL_SECONDS
        return found

    def _record_occurrence(self, record: logging.LogRecord, now: float) -> logging.LogRecord | None:
        key = identity(record)
        with self._lock:
            repeated = self._known.pop(key, None)
            if repeated is None or now - repeated.occurred_at > FORGET_AFTER_SECONDS:
                self._known[key] = RepeatedError(logged_at=now, occurred_at=now)
                if len(self._known) > MAX_ERRORS:
                    del self._known[next(iter(self._known))]
                return record
            # Moved to the end, so that the least recent error is first.
            self._known[key], repeated.occurred_at = repeated, now
            if now - repeated.logged_at >= LOG_INTERVAL_SECONDS - TOLERANCE_SECONDS:
                return _summary_record(repeated, record, now)
            _suppress(repeated, record)
            self._overdue_at = min(self._overdue_at, repeated.logged_at + LOG_INTERVAL_SECONDS)
        return None


def _suppress(repeated: RepeatedError, record: logging.LogRecord) -> None:
    brief = _without_traceback(record)
    repeated.suppressed += 1
    repeated.latest = brief
    message = brief.getMessage()[:MAX_MESSAGE_LENGTH]
    if message in repeated.events or len(repeated.events) < MAX_MESSAGES:
        repeated.events[message] = repeated.events.get(message, 0) + 1


def _summary_record(repeated: RepeatedError, record: logging.LogRecord, now: float) -> logging.LogRecord:
    summary = _without_traceback(record)
    vars(summary).update(suppressed=repeated.suppressed, left_out=dict(repeated.events))
    repeated.logged_at, repeated.suppressed, repeated.latest = now, 0, None
    repeated.events.clear()
    return summary


def _without_traceback(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy without traceback (the first line had it), with the request id."""
    brief = copy.copy(record)
    brief.msg, brief.args = record.getMessage(), ()
    brief.request_id = getattr(record, "request_id", None) or get_contextvars().get("request_id")
    if record.exc_info and record.exc_info[1]:
        error, text = describe(record.exc_info[1])
        vars(brief).update(error=error, error_text=text)
    vars(brief).update(exc_info=None, exc_text=None, stack_info=None)
    return brief


def describe(error: BaseException) -> tuple[str, str]:
    """Return class and text of an error's root cause for a log line."""
    cause = root_cause(error)
    return class_name(cause), " ".join(str(cause).split())[:MAX_MESSAGE_LENGTH]
