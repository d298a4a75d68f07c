"""Bodies of requests: whole or refused, read only when somebody asks for them, and not for ever.

granian reads a body while the application waits, as long as the client likes, and shows one that broke off as one that
ended. So another thread reads, the request waits a limited time, and what came is measured: against the announced
length, or, for a body in chunks, by reading it in one piece, which granian hands over only where it ended as it should.

Once a request is over granian waits for whoever still reads its body, and no Python runs meanwhile. So the answer to a
request that gave up ends the connection (``BodyDeadlines``): nothing else takes a reader from a client that
sends no more. An answer over HTTP/2 ends its stream alone, and after a stream's error granian reads on for ever: no
body is read there.
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

# Behind a proxy that buffers, as docs/run.md has it, a body comes with its head.
QUICK_SECONDS = 0.1
# While others wait for as many slow bodies as may be waited for.
CROWDED_SECONDS = 0.03
WHOLE_SECONDS = 15.0
# A body without a length is read unseen: from so much more memory on it is taken to be too large.
MOST_UNSEEN_BYTES = 64 * 1024 * 1024
LOOK_SECONDS = 0.05
FLUSH_SECONDS = 0.05
LONGER_THAN_ANY = 1_000_000_000
# In the environment of a request: the reader that still waits for its body, which the answer must cut off.
STILL_READING = "portal.left_reader"
STATM = "/proc/self/statm"

CHANGING = ("POST", "PUT", "PATCH")
INCOMPLETE = _("The request body ended before it was complete. Send the request again.")
HTTP_2 = "HTTP/2"
PROTOCOLS = _("Send a request that has a body over HTTP/1.1.")
CODINGS = _("The only Transfer-Encoding is “chunked”, without Content-Length.")
LATE = _("The request body did not arrive in time. Send the request again.")


class Source(Protocol):
    """What a server gives as ``wsgi.input``."""

    def read(self, size: int = ..., /) -> bytes:
        """Return so many bytes, or all of them."""


class Reader:
    """A thread that reads one body after another, and ends after one that nobody waits for any more."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[Source, int | None] | None] = SimpleQueue()
        self._bodies: SimpleQueue[bytes] = SimpleQueue()
        self._reads_since: float | None = None
        self.body = b""
        threading.Thread(target=self._run, name="body", daemon=True).start()

    def begin(self, source: Source, size: int | None) -> None:
        """Start reading so many bytes, or all of them."""
        self._reads_since = None
        self._jobs.put((source, size))

    def wait(self, seconds: float) -> bool:
        """Return whether reading ended within the time; the body is there then."""
        try:
            self.body = self._bodies.get(timeout=seconds)
        except Empty:
            return False
        return True

    def wait_for_what_is_there(self) -> bool:
        """Return whether the body was there already; a thread that has not had its turn yet says nothing of it."""
        until = time.monotonic() + WHOLE_SECONDS
        quick = CROWDED_SECONDS if slow_places.are_taken else QUICK_SECONDS
        while not self.wait(quick):
            now = time.monotonic()
            if now > until or (self._reads_since is not None and now - self._reads_since >= quick):
                return False
        return True

    def leave(self) -> None:
        """Have the thread end with what it reads now."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._reads_since = time.monotonic()
            self._bodies.put(self._read(*job))
            del job

    def _read(self, source: Source, size: int | None) -> bytes:
        try:
            return source.read() if size is None else source.read(size)
        except Exception:
            # Other servers raise where a connection broke: either way the body is not whole.
            return b""


class SlowPlaces:
    """How many requests wait for slow bodies, and whether one more may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    @property
    def are_taken(self) -> bool:
        """Whether as many wait as may."""
        return self._taken >= slow_thread_limit()

    def take(self) -> bool:
        """Wait for one more, or return False."""
        with self._lock:
            is_free = not self.are_taken
            self._taken += is_free
        return is_free

    def release(self) -> None:
        """Stop waiting."""
        with self._lock:
            self._taken -= 1


idle: deque[Reader] = deque()
slow_places = SlowPlaces()


class Body:
    """The body of one request as a file, read whole at the first look into it."""

    def __init__(self, environ: dict[str, Any], size: int | None) -> None:
        self._environ, self._size = environ, size
        self._whole: io.BytesIO | None = None
        self._refusal: Exception | None = None

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, or raise where the body cannot be used."""
        return self._file().read(size)

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line."""
        return self._file().readline(size)

    def close(self) -> None:
        """Do nothing: what is not read stays the server's."""

    def _file(self) -> io.BytesIO:
        if self._refusal is not None:
            raise self._refusal
        if self._whole is None:
            try:
                self._whole = io.BytesIO(read_whole(self._environ, self._size))
            except (BodyRefused, RequestDataTooBig) as error:
                self._refusal = error
                raise
        return self._whole


def attach_body(request: PortalRequest) -> None:
    """Put a ``Body`` in place of what the server gave, where the head of the request announces one.

    Django and DRF read nothing of a body without a length, so such a one is announced at its longest.
    """
    environ = request.environ
    length, coding = environ.get("CONTENT_LENGTH", ""), environ.get("HTTP_TRANSFER_ENCODING")
    # HTTP/2 marks the end of a body in another way, and its length is often left out.
    is_unmeasured = not length and environ.get("SERVER_PROTOCOL") == HTTP_2 and request.method in CHANGING
    if coding is None and not is_unmeasured and length in ("", "0"):
        return
    size = None if coding is not None or is_unmeasured else announced(length)
    request._stream = Body(environ, size)  # type: ignore[assignment]  # as much of a file as Django and DRF use
    if not length:
        environ["CONTENT_LENGTH"] = str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def announced(length: str) -> int:
    """Return a Content-Length as a number; what is none announces a body that never comes whole."""
    return int(length) if length.isascii() and length.isdigit() else -1


def read_whole(environ: dict[str, Any], size: int | None) -> bytes:
    """Return a whole body, or raise what refuses it. ``size``: announced, None where it is not."""
    coding, most = environ.get("HTTP_TRANSFER_ENCODING"), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if environ.get("SERVER_PROTOCOL") == HTTP_2:
        raise BodyRefused(PROTOCOLS)
    if coding is not None and coding.strip().lower() != "chunked":
        raise BodyRefused(CODINGS)
    if size is not None and not 0 <= size <= most:
        raise RequestDataTooBig("the body is larger than 1 MiB")
    body = arrived(environ, size)
    if len(body) > most:
        raise RequestDataTooBig("the body is larger than 1 MiB")
    if not body or (size is not None and len(body) < size):
        raise BodyRefused(INCOMPLETE)
    return body


def arrived(environ: dict[str, Any], size: int | None) -> bytes:
    """Return what arrives in time, by a reader of the process; raise where it is late or too much."""
    reader = idle.pop() if idle else Reader()
    reader.begin(environ["wsgi.input"], size)
    if reader.wait_for_what_is_there() or _waited_in_a_place(reader, size):
        body, reader.body = reader.body, b""
        idle.append(reader)
        return body
    reader.leave()
    environ[STILL_READING] = reader
    raise BodyRefused(LATE, "request_timeout")


def _waited_in_a_place(reader: Reader, size: int | None) -> bool:
    """Wait for a slow body, as long as not too many others are waited for."""
    if not slow_places.take():
        return False
    try:
        if size is not None:
            return reader.wait(WHOLE_SECONDS - QUICK_SECONDS)
        return _watched(reader)
    finally:
        slow_places.release()


def _watched(reader: Reader) -> bool:
    """Wait for a body of unknown length, with an eye on what it takes."""
    before, until = resident_bytes(), time.monotonic() + WHOLE_SECONDS - QUICK_SECONDS
    is_there = False
    while not is_there and time.monotonic() < until and resident_bytes() - before < MOST_UNSEEN_BYTES:
        is_there = reader.wait(LOOK_SECONDS)
    return is_there


class BodyDeadlines:
    """An answer in one piece after which granian hangs up, because it is shorter than its length says."""

    def __init__(self, answer: Any, reader: Reader) -> None:
        self._answer, self._reader = answer, reader

    def __iter__(self) -> Iterator[bytes]:
        yield b"".join(self._answer)
        # The next thing that granian sees is the end, which is wrong: let it send the answer first.
        time.sleep(FLUSH_SECONDS)

    def close(self) -> None:
        """Close the answer, as a server does at the end."""
        self._answer.close()

    def __del__(self) -> None:
        """Wait for the reader in Python, where others go on, should the connection not end at once."""
        self._reader.wait(WHOLE_SECONDS * 4)


def start_body_deadlines(start_response: Any, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    """Begin an answer with a length that it does not have."""
    kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
    lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
    length = lengths[0] + 1 if lengths else LONGER_THAN_ANY
    return start_response(status, [*kept, ("Content-Length", str(length))], *([exc_info] if exc_info else []))


def resident_bytes() -> int:
    """Return the memory that the process has in use, 0 where the system does not tell."""
    try:
        with open(STATM, "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
