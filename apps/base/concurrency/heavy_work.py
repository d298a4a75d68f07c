"""Limits on heavy work: password hashing, exports, probing URLs.

Each organization has two slots across all processes; each process uses at most half of its threads. Further requests
fail at once with Busy. Locks shared between processes are released when their process dies: on SQLite a lock on a byte
of a file beside the database; on PostgreSQL an advisory lock in a transaction on a dedicated connection, which also
works behind a pooler. Work that belongs to no organization, such as a sign-in, takes no shared lock.
"""

import fcntl
import hashlib
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any, Self

from django.db import connection
from django.http import StreamingHttpResponse
from django.utils.translation import gettext_lazy as _

from apps.base.concurrency.web_threads import heavy_thread_limit
from apps.base.errors import Busy

SLOTS_PER_ORGANIZATION = 2
NO_ORGANIZATION = ""
MAX_COUNTERS = 1000
BUSY = _("Too much is going on at once. Try again in a second.")
# 63 bits: valid both as a file offset and as a PostgreSQL bigint.
KEY_MASK = (1 << 63) - 1

# Reentrant: garbage collection can release an abandoned slot while this thread holds the lock.
_lock = threading.RLock()
_slots_in_use: Counter[str] = Counter()
# Slots held by the current thread: nested heavy work, such as hashing in a batch, needs no other slot.
_thread_state = threading.local()


class WorkSlot:
    """A slot for heavy work, held within a ``with`` block or until a streamed response is sent."""

    def __init__(self, organization: str) -> None:
        self._organization = organization
        self._is_held, self._is_held_by_response = True, False
        self._release_shared_lock: Callable[[], object] = lambda: None
        if organization:
            try:
                self._release_shared_lock = _acquire_shared_lock(organization)
            except BaseException:
                self.release()
                raise

    def __enter__(self) -> Self:
        _thread_state.slots = _slots_of_this_thread() + 1
        return self

    def __exit__(self, *_error: object) -> None:
        _thread_state.slots -= 1
        if not self._is_held_by_response:
            self.release()

    def hold_until_sent(self, response: StreamingHttpResponse) -> StreamingHttpResponse:
        """Return the response, which holds the slot until its stream ends or is dropped."""
        response._resource_closers.append(self.release)  # type: ignore[attr-defined]  # Django calls it on close
        self._is_held_by_response = True
        return response

    def release(self) -> None:
        """Release the slot; a second call does nothing."""
        with _lock:
            if not self._is_held:
                return
            self._is_held = False
            _slots_in_use.subtract([self._organization])
        self._release_shared_lock()

    def __del__(self) -> None:
        self.release()


def reserve_slot(organization_id: object = NO_ORGANIZATION) -> WorkSlot:
    """Return a slot for heavy work of an organization, or raise Busy."""
    organization = str(organization_id)
    with _lock:
        if _slots_in_use.total() >= heavy_thread_limit() or (
            organization and _slots_in_use[organization] >= SLOTS_PER_ORGANIZATION
        ):
            raise Busy(BUSY)
        _slots_in_use[organization] += 1
        if len(_slots_in_use) > MAX_COUNTERS:
            _drop_unused_counters()
    return WorkSlot(organization)


def _drop_unused_counters() -> None:
    for organization in [organization for organization, count in _slots_in_use.items() if not count]:
        del _slots_in_use[organization]


def _slots_of_this_thread() -> int:
    return getattr(_thread_state, "slots", 0)


class FairLock:
    """A first-in, first-out lock; ``threading.Lock`` guarantees no order."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        turn = threading.Lock()
        turn.acquire()
        with self._guard:
            self._waiting.append(turn)
            is_first = len(self._waiting) == 1
        if not is_first:
            turn.acquire()

    def __exit__(self, *_error: object) -> None:
        with self._guard:
            self._waiting.popleft()
            if self._waiting:
                self._waiting[0].release()


_hashing_lock = FairLock()


@contextmanager
def password_hashing_slot() -> Iterator[None]:
    """Allow one password hash at a time in this process: hashing is limited by CPU and memory alone."""
    slot = nullcontext() if _slots_of_this_thread() else reserve_slot()
    with slot, _hashing_lock:
        yield


def _acquire_shared_lock(organization: str) -> Callable[[], object]:
    keys = [_key(organization, number) for number in range(SLOTS_PER_ORGANIZATION)]
    if connection.vendor == "postgresql":
        return _acquire_advisory_lock(keys)
    return _acquire_file_lock(keys)


def _key(organization: str, number: int) -> int:
    digest = hashlib.blake2b(f"heavy work {organization} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & KEY_MASK


def _acquire_advisory_lock(keys: list[int]) -> Callable[[], object]:
    with connection.wrap_database_errors:
        raw: Any = connection.get_new_connection(connection.get_connection_params())
        try:
            for key in keys:
                if raw.execute("SELECT pg_try_advisory_xact_lock(%s)", [key]).fetchone()[0]:
                    release: Callable[[], object] = raw.close
                    return release
        except BaseException:
            raw.close()
            raise
    raw.close()
    raise Busy(BUSY)


_locked_bytes: set[int] = set()


def _acquire_file_lock(keys: list[int]) -> Callable[[], object]:
    """Lock a byte of the lock file. Such locks belong to the whole process, so a set records those of its threads."""
    name = str(connection.settings_dict["NAME"])
    if name == ":memory:" or "mode=memory" in name:
        return lambda: None
    file = _lock_file(f"{name}.work")
    with _lock:
        for key in keys:
            if key not in _locked_bytes and _lock_byte(file, key):
                _locked_bytes.add(key)
                return lambda: _release_byte(file, key)
    raise Busy(BUSY)


@cache
def _lock_file(path: str) -> int:
    # Never closed: closing any descriptor of a file releases all locks that the process has on it.
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:  # as SQLite does with its own files: a command run by root must not lock out the service
        owner = os.stat(path.removesuffix(".work"))
        os.fchown(file, owner.st_uid, owner.st_gid)
    return file


def _lock_byte(file: int, key: int) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, key)
    except OSError:
        return False
    return True


def _release_byte(file: int, key: int) -> None:
    with _lock:
        _locked_bytes.discard(key)
        fcntl.lockf(file, fcntl.LOCK_UN, 1, key)


def _reset_after_fork() -> None:
    # Slots held by the parent stay with the parent.
    global _lock, _hashing_lock, _thread_state
    _lock, _hashing_lock, _thread_state = threading.RLock(), FairLock(), threading.local()
    _slots_in_use.clear()
    _locked_bytes.clear()


os.register_at_fork(after_in_child=_reset_after_fork)
