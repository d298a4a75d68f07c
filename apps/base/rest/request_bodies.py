"""Request bodies with a deadline: complete or an error, and read only when they are used.

granian reads a body while the application waits, for as long as the client takes, and an interrupted body looks
complete. So a separate thread reads, the request waits a limited time, and the length is checked: against
Content-Length, or, for a chunked body, by reading it at once, which granian allows only where it ended properly.

After a request granian blocks until its body has been read, and no Python runs meanwhile. So the response to a request
that timed out closes the connection (``ConnectionClosingResponse``): nothing else frees a reader from a client that
stops sending. A response over HTTP/2 ends only its stream, and after a stream error granian never stops reading: there
no body is read.
"""

import io
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext_lazy as _

from apps.base.concurrency.web_threads import slow_thread_limit
from apps.base.errors import BodyRefused
from apps.base.requests import PortalRequest

# Behind a buffering proxy, as in docs/run.md, a body arrives together with the head.
BRIEF_WAIT_SECONDS = 0.1
# While all slots for slow bodies are in use.
BUSY_WAIT_SECONDS = 0.03
TIMEOUT_SECONDS = 15.0
# A body without Content-Length counts as too large once the process has grown by so much while reading it.
MAX_GROWTH_BYTES = 64 * 1024 * 1024
POLL_SECONDS = 0.05
FLUSH_SECONDS = 0.05
UNREACHABLE_LENGTH = 1_000_000_000
# Key of the WSGI environment: the reader that still waits for the body, which the response must cut off.
STILL_READING = "portal.left_reader"
STATM = "/proc/self/statm"

METHODS_WITH_BODY = ("POST", "PUT", "PATCH")
INCOMPLETE = _("The request body ended before it was complete. Send the request again.")
HTTP_2 = "HTTP/2"
PROTOCOLS = _("Send a request that has a body over HTTP/1.1.")
CODINGS = _("The only Transfer-Encoding is “chunked”, without Content-Length.")
TIMED_OUT = _("The request body did not arrive in time. Send the request again.")


class WsgiInput(Protocol):
    """``wsgi.input`` (PEP 3333)."""

    def read(self, size: int = ..., /) -> bytes:
        """Return ``size`` bytes, or all of them."""


class BodyReader:
    """A thread that reads one body after another until one times out."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[WsgiInput, int | None] | None] = SimpleQueue()
        self._bodies: SimpleQueue[bytes] = SimpleQueue()
        self._reading_since: float | None = None
        self.body = b""
        threading.Thread(target=self._run, name="body", daemon=True).start()

    def start_reading(self, source: WsgiInput, size: int | None) -> None:
        """Start reading ``size`` bytes, or all of them."""
        self._reading_since = None
        self._jobs.put((source, size))

    def wait(self, seconds: float) -> bool:
        """Return whether reading ended within the time, and set ``body``."""
        try:
            self.body = self._bodies.get(timeout=seconds)
        except Empty:
            return False
        return True

    def wait_briefly(self) -> bool:
        """Return whether the body had arrived already; the time counts from when the thread has started to read."""
        until = time.monotonic() + TIMEOUT_SECONDS
        brief_wait = BUSY_WAIT_SECONDS if slow_body_slots.are_taken else BRIEF_WAIT_SECONDS
        while not self.wait(brief_wait):
            now = time.monotonic()
            if now > until or (self._reading_since is not None and now - self._reading_since >= brief_wait):
                return False
        return True

    def stop(self) -> None:
        """End the thread after the body that it reads now."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._reading_since = time.monotonic()
            self._bodies.put(self._read(*job))
            del job

    def _read(self, source: WsgiInput, size: int | None) -> bytes:
        try:
            return source.read() if size is None else source.read(size)
        except Exception:
            # Other servers raise where the connection broke: the body is incomplete in any case.
            return b""


class SlowBodySlots:
    """Limits how many requests wait for slow bodies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used = 0

    @property
    def are_taken(self) -> bool:
        """Whether all slots are in use."""
        return self._used >= slow_thread_limit()

    def acquire(self) -> bool:
        """Take a slot, or return False where there is none."""
        with self._lock:
            is_free = not self.are_taken
            self._used += is_free
        return is_free

    def release(self) -> None:
        """Give the slot back."""
        with self._lock:
            self._used -= 1


idle_readers: deque[BodyReader] = deque()
slow_body_slots = SlowBodySlots()


class Body:
    """The body of one request as a file, read completely at its first use."""

    def __init__(self, environ: dict[str, Any], size: int | None) -> None:
        self._environ, self._size = environ, size
        self._content: io.BytesIO | None = None
        self._refusal: Exception | None = None

    def read(self, size: int | None = -1) -> bytes:
        """Return ``size`` bytes, or raise the error of an unusable body."""
        return self._file().read(size)

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line, or raise the error of an unusable body."""
        return self._file().readline(size)

    def close(self) -> None:
        """Do nothing: an unread body is left to the server."""

    def _file(self) -> io.BytesIO:
        if self._refusal is not None:
            raise self._refusal
        if self._content is None:
            try:
                self._content = io.BytesIO(read_complete(self._environ, self._size))
            except (BodyRefused, RequestDataTooBig) as error:
                self._refusal = error
                raise
        return self._content


def attach_body(request: PortalRequest) -> None:
    """Replace the request's stream by a ``Body``, where its headers announce one.

    Django and DRF do not read a body without Content-Length, so that is set to the maximum.
    """
    environ = request.environ
    length, coding = environ.get("CONTENT_LENGTH", ""), environ.get("HTTP_TRANSFER_ENCODING")
    # HTTP/2 marks the end of a body by a frame, and often has no Content-Length.
    has_unknown_length = not length and environ.get("SERVER_PROTOCOL") == HTTP_2 and request.method in METHODS_WITH_BODY
    if coding is None and not has_unknown_length and length in ("", "0"):
        return
    size = None if coding is not None or has_unknown_length else content_length(length)
    request._stream = Body(environ, size)  # type: ignore[assignment]  # as much of a file as Django and DRF use
    if not length:
        environ["CONTENT_LENGTH"] = str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def content_length(length: str) -> int:
    """Return a Content-Length as a number; -1, which no body has, where it is malformed."""
    return int(length) if length.isascii() and length.isdigit() else -1


def read_complete(environ: dict[str, Any], size: int | None) -> bytes:
    """Return a complete body, or raise BodyRefused or RequestDataTooBig. ``size``: Content-Length, None without one."""
    coding, limit = environ.get("HTTP_TRANSFER_ENCODING"), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if environ.get("SERVER_PROTOCOL") == HTTP_2:
        raise BodyRefused(PROTOCOLS)
    if coding is not None and coding.strip().lower() != "chunked":
        raise BodyRefused(CODINGS)
    if size is not None and not 0 <= size <= limit:
        raise RequestDataTooBig("the body is larger than 1 MiB")
    body = read_in_time(environ, size)
    if len(body) > limit:
        raise RequestDataTooBig("the body is larger than 1 MiB")
    if not body or (size is not None and len(body) < size):
        raise BodyRefused(INCOMPLETE)
    return body


def read_in_time(environ: dict[str, Any], size: int | None) -> bytes:
    """Return the body that one of the process's readers reads; raise BodyRefused where it is late or too large."""
    reader = idle_readers.pop() if idle_readers else BodyReader()
    reader.start_reading(environ["wsgi.input"], size)
    if reader.wait_briefly() or _wait_in_slot(reader, size):
        body, reader.body = reader.body, b""
        idle_readers.append(reader)
        return body
    reader.stop()
    environ[STILL_READING] = reader
    raise BodyRefused(TIMED_OUT, "request_timeout")


def _wait_in_slot(reader: BodyReader, size: int | None) -> bool:
    """Wait for a slow body, if there is a slot; return whether it arrived."""
    if not slow_body_slots.acquire():
        return False
    try:
        if size is not None:
            return reader.wait(TIMEOUT_SECONDS - BRIEF_WAIT_SECONDS)
        return _wait_within_memory(reader)
    finally:
        slow_body_slots.release()


def _wait_within_memory(reader: BodyReader) -> bool:
    """Wait for a body of unknown length until the process has grown too much; return whether it arrived."""
    before, until = resident_bytes(), time.monotonic() + TIMEOUT_SECONDS - BRIEF_WAIT_SECONDS
    has_arrived = False
    while not has_arrived and time.monotonic() < until and resident_bytes() - before < MAX_GROWTH_BYTES:
        has_arrived = reader.wait(POLL_SECONDS)
    return has_arrived


class ConnectionClosingResponse:
    """A response after which granian closes the connection, because it is shorter than its Content-Length."""

    def __init__(self, response: Any, reader: BodyReader) -> None:
        self._response, self._reader = response, reader

    def __iter__(self) -> Iterator[bytes]:
        yield b"".join(self._response)
        # Next granian finds the premature end, which closes the connection: let it send the response first.
        time.sleep(FLUSH_SECONDS)

    def close(self) -> None:
        """Close the response (PEP 3333)."""
        self._response.close()

    def __del__(self) -> None:
        """Wait in Python, where other threads can run, until the reader ends with the connection."""
        self._reader.wait(TIMEOUT_SECONDS * 4)


def start_closing_response(
    start_response: Any, status: str, headers: list[tuple[str, str]], exc_info: Any = None
) -> Any:
    """Start a response with a Content-Length that its body never reaches."""
    other_headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
    length = lengths[0] + 1 if lengths else UNREACHABLE_LENGTH
    return start_response(status, [*other_headers, ("Content-Length", str(length))], *([exc_info] if exc_info else []))


def resident_bytes() -> int:
    """Return the resident memory of the process, 0 where /proc does not have it."""
    try:
        with open(STATM, "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
