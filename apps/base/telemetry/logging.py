"""JSON logs on one stream, each line with the request id and with secrets redacted (``text/redaction.py``)."""

import contextlib
import json
import logging
import logging.config
import os
import sys
import threading
from multiprocessing.util import Finalize
from typing import Any, TextIO

import structlog

from apps.base.telemetry import repeated_errors
from apps.base.text.redaction import redact

SERVER_LOGGERS = ("_granian", "granian.access", "uncaught")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
REPEATED_ERROR_FIELDS = ("request_id", "error", "error_text", "suppressed", "left_out")


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(key)): _redact_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact_value(item) for item in value]
    if value is None or isinstance(value, (int, float)):
        return value
    return redact(str(value))


def _redact_event(logger: Any, method: str, event: Any) -> Any:
    return {key: _redact_value(value) for key, value in event.items() if not key.startswith("_")}


def _add_error_fields(logger: Any, method: str, event: Any) -> Any:
    """Add the class and text of a line's exception, and the fields that ``repeated_errors`` set on the record."""
    record = event.get("_record")
    if record is None:
        return event
    if record.exc_info and record.exc_info[1]:
        event["error"], event["error_text"] = repeated_errors.describe(record.exc_info[1])
    event.update({name: value for name in REPEATED_ERROR_FIELDS if (value := getattr(record, name, None)) is not None})
    return event


SHARED_PROCESSORS: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    _add_error_fields,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats a log record as one line of JSON."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[*SHARED_PROCESSORS],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redact_event,
                structlog.processors.JSONRenderer(),
            ],
        )


class JsonStreamHandler(logging.StreamHandler[TextIO]):
    """Writes JSON lines, at most one a minute for an error that repeats."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(JsonFormatter())
        self._repeated_errors = repeated_errors.RepeatedErrors()
        # Not atexit, which does not run in processes that multiprocessing started, such as granian's.
        Finalize(None, self.flush_repeated_errors, exitpriority=0)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it as suppressed."""
        try:
            for each in self._repeated_errors.admit(record):
                super().emit(each)
        except Exception:
            self.handleError(record)

    def write_line(self, line: dict[str, Any]) -> None:
        """Write a line without log record and redaction, which take five times as long; all values must be trusted."""
        for each in self._repeated_errors.due():
            super().emit(each)
        # A full disk must not fail the request.
        with contextlib.suppress(OSError, ValueError), self.lock:  # type: ignore[union-attr]  # a handler has one
            self.stream.write(json.dumps(line) + self.terminator)

    def flush_repeated_errors(self) -> None:
        """Write the summaries of suppressed lines that are still due."""
        for each in self._repeated_errors.overdue():
            super().emit(each)

    def handleError(self, record: logging.LogRecord) -> None:
        """Write one line that a record could not be logged, instead of the library's traceback."""
        with contextlib.suppress(Exception):
            error = sys.exc_info()[1]
            text = f"a log line could not be written: {type(error).__name__}"
            self.stream.write(json.dumps({"event": text, "level": "error", "logger": record.name}) + self.terminator)


def configure_logging(level: str, stream: TextIO) -> None:
    """Configure all loggers, including those of Django and libraries, to write redacted JSON to the stream."""
    structlog.configure(
        processors=[*SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"stream": {"()": JsonStreamHandler, "stream": stream}},
            "root": {"handlers": ["stream"], "level": level},
            "loggers": {
                "django.request": {"level": "ERROR"},
                # At DEBUG it logs whole template contexts, which can contain secrets that are shown once.
                "django.template": {"level": "INFO"},
                "django.server": {"level": "WARNING"},
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                # Replaces the handlers of granian.json, which the server uses until the application is loaded.
                **{name: {"handlers": [], "level": "NOTSET", "propagate": True} for name in SERVER_LOGGERS},
            },
        }
    )
    logging.captureWarnings(True)


def server_stream() -> JsonStreamHandler:
    """Return the log handler of granian's main process, which loads no settings; named in ``granian.json``."""
    handler = JsonStreamHandler(sys.stderr)
    level = os.environ.get("LOG_LEVEL", "").strip().upper()
    handler.setLevel(level if level in LOG_LEVELS else "INFO")
    log_uncaught_exceptions()
    return handler


def log_uncaught_exceptions() -> None:
    """Log exceptions that end the process or a thread as one line, where Python would print a traceback."""
    logger = logging.getLogger("uncaught")

    def log_exception(error_type: type[BaseException], error: BaseException, _traceback: Any) -> None:
        if not issubclass(error_type, KeyboardInterrupt):
            logger.critical("the program ends by an error", exc_info=error)

    def log_thread_exception(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            name = arguments.thread.name if arguments.thread else "unknown"
            logger.error("the thread %s ended by an error", name, exc_info=arguments.exc_value)

    sys.excepthook, threading.excepthook = log_exception, log_thread_exception
