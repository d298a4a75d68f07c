"""Of a fault that repeats, one log line a minute: the first in full, the others counted."""

import io
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from apps.base.telemetry.logging import JsonStreamHandler
from apps.base.telemetry.repeated_errors import FORGET_AFTER_SECONDS, MAX_ERRORS, MAX_MESSAGES, RepeatedErrors

pytestmark = pytest.mark.pure


class Log:
    """A logger with the portal's handler and a clock that stands."""

    def __init__(self) -> None:
        self.now, self.stream = 1000.0, io.StringIO()
        handler = JsonStreamHandler(self.stream)
        handler._repeated_errors = RepeatedErrors(lambda: self.now)
        self.handler, self.logger = handler, logging.Logger("of.a.test")
        self.logger.addHandler(handler)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def fail(self, message: str = "it failed", kind: type[Exception] = OSError, text: str = "no route") -> None:
        try:
            raise kind(text)
        except Exception:
            self.logger.exception(message)


@pytest.fixture
def log() -> Log:
    return Log()


def test_the_first_line_is_whole_and_the_next_comes_a_minute_later_with_the_number_left_out(log):
    for _ in range(500):
        log.fail()
        log.now += 0.1
    (first,) = log.lines
    assert (first["error"], first["error_text"]) == ("OSError", "no route") and "Traceback" in first["exception"]
    log.now += 10.5
    log.fail()
    log.fail()
    second = log.lines[1]
    assert len(log.lines) == 2 and second["suppressed"] == 499 and second["left_out"] == {"it failed": 499}
    assert "exception" not in second and second["error"] == "OSError"


def test_one_fault_is_one_whoever_met_it(log):
    for number in range(40):
        log.fail(f"sweep {number} failed")
    assert len(log.lines) == 1
    log.now += 60
    log.fail("the desk failed")
    assert log.lines[1]["suppressed"] == 39 and len(log.lines[1]["left_out"]) == MAX_MESSAGES


def test_what_an_error_was_made_of_counts_and_not_what_it_became(log):
    def wrapped(kind: type[Exception]) -> None:
        try:
            try:
                raise ConnectionRefusedError("refused")
            except OSError as error:
                raise kind("cannot connect") from error
        except Exception:
            log.logger.exception("a call failed")

    for kind in (RuntimeError, ValueError, LookupError):
        wrapped(kind)
    assert [line["error"] for line in log.lines] == ["ConnectionRefusedError"]


def test_other_places_other_classes_and_other_messages_are_other_faults(log):
    log.fail(kind=OSError)
    log.fail(kind=ValueError)
    try:
        raise OSError("elsewhere")
    except OSError:
        log.logger.exception("it failed")
    log.logger.warning("one thing %d", 1)
    log.logger.warning("one thing %d", 2)
    log.logger.warning("another thing")
    log.logger.error("another thing")
    assert len(log.lines) == 6


def test_lines_below_warning_are_never_suppressed(log):
    for _ in range(5):
        log.logger.info("audit checkpoint")
    assert len(log.lines) == 5


def test_what_was_left_out_is_told_though_it_never_came_again(log):
    for _ in range(4):
        log.fail()
    log.now += 59
    log.logger.info("something else")
    assert len(log.lines) == 2
    log.now += 2
    log.logger.info("something else")
    told = log.lines[2]
    assert (told["event"], told["suppressed"], told["error"]) == ("it failed", 3, "OSError")
    log.now += 100
    log.logger.info("something else")
    assert [line["event"] for line in log.lines[3:]] == ["something else", "something else"]


def test_what_was_left_out_is_told_at_the_end(log):
    for _ in range(4):
        log.fail()
    log.handler.flush_repeated_errors()
    log.handler.flush_repeated_errors()
    assert [line.get("suppressed") for line in log.lines] == [None, 3]


def test_after_ten_quiet_minutes_it_is_news_again(log):
    log.fail()
    log.now += FORGET_AFTER_SECONDS + 1
    log.fail()
    assert ["exception" in line for line in log.lines] == [True, True]


def test_memory_is_bounded_however_many_faults_there_are(log):
    for number in range(MAX_ERRORS * 2):
        log.logger.warning(f"fault {number}")  # noqa: G004 - as libraries write it
    assert len(log.lines) == MAX_ERRORS * 2 and len(log.handler._repeated_errors._known) == MAX_ERRORS


def test_it_holds_over_all_threads(log):
    def fail_often() -> None:
        for _ in range(200):
            log.fail()

    threads = [threading.Thread(target=fail_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.now += 60
    log.fail()
    assert [line.get("suppressed") for line in log.lines] == [None, 1599]


@pytest.mark.parametrize(
    "secret", ["ipk_Abcd1234567890123456789012345678901234567890", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_no_secret_is_in_any_of_its_lines(log: Log, secret: str):
    for _ in range(3):
        log.fail(f"failed with {secret}", text=f"it held {secret}")
    log.now += 61
    log.fail(f"failed with {secret}", text=f"it held {secret}")
    assert len(log.lines) == 2 and secret not in log.stream.getvalue()


def test_a_line_that_cannot_be_made_is_one_line(log: Log, capsys: Any):
    for _ in range(2):
        log.logger.error("%d rows", "no number")
    log.logger.info("%d rows", "no number")
    assert {line["event"] for line in log.lines} == {"a log line could not be written: TypeError"}
    assert len(log.lines) == 3 and capsys.readouterr().err == ""


def test_a_broken_log_stream_stops_no_process(monkeypatch: pytest.MonkeyPatch, capsys: Any):
    log = Log()
    broken: Callable[..., Any] = lambda _text: (_ for _ in ()).throw(OSError("no space left on device"))  # noqa: E731
    monkeypatch.setattr(log.stream, "write", broken)
    log.fail()
    log.logger.info("on it goes")
    assert capsys.readouterr().err == ""
