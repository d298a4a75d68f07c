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

EVERY_SECONDS = 60.0
# A message that is logged exactly once a minute must not be suppressed for arriving slightly early.
TOLERANCE_SECONDS = 1.0
FORGET_AFTER_SECONDS = 600.0
MAX_FAULTS, MAX_MESSAGES, MAX_MESSAGE_LENGTH = 500, 10, 300


@dataclass(slots=True)
class Fault:
    """A repeated error: when it was last logged and last occurred, and what was suppressed since."""

    said_at: float
    met_at: float
    suppressed: int = 0
    latest: logging.LogRecord | None = None
    events: dict[str, int] = field(default_factory=dict)


def identity(record: logging.LogRecord) -> Hashable:
    """Return the identity of a record's error: equal for two lines about the same one."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record.name, record.levelno, str(record.msg)
    error = root_cause(error)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = () if place is None else (place.tb_frame.f_code.co_filename, place.tb_lineno)
    return class_name(error), where


def root_cause(error: BaseException) -> BaseException:
    """Return the first error of a chain of causes."""
    seen = {id(error)}
    while True:
        below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if below is None or id(below) in seen:
            return error
        error = below
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
        self._known: dict[Hashable, Fault] = {}
        # When the next summary of suppressed lines is due: before that no record needs the lock.
        self._overdue_at = float("inf")

    def admit(self, record: logging.LogRecord) -> Iterator[logging.LogRecord]:
        """Yield the lines to write for a record: overdue summaries, and the record in full, in short or not at all."""
        yield from self.due()
        if record.levelno < logging.WARNING:
            yield record
            return
        found = self._meet(record, self._clock())
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
                if each.latest is not None and (now is None or now - each.said_at >= EVERY_SECONDS)
            ]
            found = [_say(each, each.latest, now or each.met_at) for each in ready if each.latest is not None]
            waiting = [each.said_at for each in self._known.values() if each.latest is not None]
            self._overdue_at = min(waiting, default=float("inf")) + EVERY_SECONDS
        return found

    def _meet(self, record: logging.LogRecord, now: float) -> logging.LogRecord | None:
        key = identity(record)
        with self._lock:
            fault = self._known.pop(key, None)
            if fault is None or now - fault.met_at > FORGET_AFTER_SECONDS:
                self._known[key] = Fault(said_at=now, met_at=now)
                if len(self._known) > MAX_FAULTS:
                    del self._known[next(iter(self._known))]
                return record
            # Moved to the end, so that the least recent error is first.
            self._known[key], fault.met_at = fault, now
            if now - fault.said_at >= EVERY_SECONDS - TOLERANCE_SECONDS:
                return _say(fault, record, now)
            _leave_out(fault, record)
            self._overdue_at = min(self._overdue_at, fault.said_at + EVERY_SECONDS)
        return None


def _leave_out(fault: Fault, record: logging.LogRecord) -> None:
    brief = _brief(record)
    fault.suppressed += 1
    fault.latest = brief
    words = brief.getMessage()[:MAX_MESSAGE_LENGTH]
    if words in fault.events or len(fault.events) < MAX_MESSAGES:
        fault.events[words] = fault.events.get(words, 0) + 1


def _say(fault: Fault, record: logging.LogRecord, now: float) -> logging.LogRecord:
    said = _brief(record)
    vars(said).update(suppressed=fault.suppressed, left_out=dict(fault.events))
    fault.said_at, fault.suppressed, fault.latest = now, 0, None
    fault.events.clear()
    return said


def _brief(record: logging.LogRecord) -> logging.LogRecord:
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
