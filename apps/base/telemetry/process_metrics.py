"""Metrics shared by the web processes of one server: each writes its own files, and any of them reads all.

This is the multiprocess mode of ``prometheus_client``, which must be enabled before the first counter is created. This
module adds a folder per server run; files that the successor of a dead process continues, so that no count is lost and
no file is left over; and preallocated disk space, as writing to a mapped file on a full disk would kill the process.
"""

import fcntl
import itertools
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import util
from pathlib import Path

from prometheus_client import REGISTRY, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = f"portal-figures-{os.geteuid()}-"
KINDS = ("counter", "histogram")
# Enough for the values of every route; a larger file grows on demand.
ROOM_BYTES = 2 * 1024 * 1024
# Open descriptors hold the locks: a shared one on the folder, and an exclusive one on this process's files.
_held: list[int] = []


def enable_multiprocess_metrics() -> str:
    """Share this process's counters with its siblings; return why it failed, or an empty string.

    A process without a parent server does not share its counters.
    """
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return ""
    try:
        folder = Path(tempfile.gettempdir()) / f"{PREFIX}{parent.pid}-{_started(parent.pid)}"
        _remove_left(folder)
        _enter(folder)
        number = _take_files(folder)
    except OSError as error:
        return f"figures of web processes are not added up, each answers with its own: {error}"
    os.environ[VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: number)
    util.Finalize(None, _leave, args=(folder,), exitpriority=0)
    return ""


class WebCollector(Collector):
    """Collects the metrics of the web processes: the sums of all siblings, or this process's own.

    ``of_workers`` returns what workers added to counters without labels.
    """

    def __init__(self, of_workers: Callable[[], dict[str, float]]) -> None:
        self._of_workers = of_workers

    def collect(self) -> Iterator[Metric]:
        """Return each counter once."""
        folder, added = os.environ.get(VARIABLE), self._of_workers()
        for metric in MultiProcessCollector(None, folder).collect() if folder else REGISTRY.collect():
            metric.samples = [
                each if each.labels else each._replace(value=each.value + added.get(each.name, 0.0))
                for each in metric.samples
            ]
            yield metric


def _started(pid: int) -> str:
    """Return a process's start time, which distinguishes reused process ids; "0" where it is unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"


def _enter(folder: Path) -> None:
    """Create the folder if missing and lock it; retry where it was removed while this waited for the lock."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = _open_folder(folder)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_there(folder, descriptor):
            _held.append(descriptor)
            return
        os.close(descriptor)


def _is_there(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _open_folder(folder: Path) -> int:
    """Open a folder, and raise PermissionError unless it is private to this user: /tmp is shared."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(descriptor)
        raise PermissionError(f"{folder} is not of this user alone")
    return descriptor


def _take_files(folder: Path) -> int:
    """Claim the first set of files that no running process owns, and return its number."""
    for number in itertools.count():
        descriptor = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        if _is_locked(descriptor):
            _held.append(descriptor)
            break
        os.close(descriptor)
    for kind in KINDS:
        with (folder / f"{kind}_{number}.db").open("ab") as file:
            file.write(bytes(max(0, ROOM_BYTES - file.tell())))
    return number


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_left(own: Path) -> None:
    """Remove the folders of servers without running processes."""
    for folder in own.parent.glob(f"{PREFIX}*"):
        if folder != own:
            _remove(folder)


def _remove(folder: Path) -> None:
    try:
        descriptor = _open_folder(folder)
    except OSError:
        return  # removed already, or another user's
    try:
        if _is_locked(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _leave(folder: Path) -> None:
    """Remove the folder when the last process exits; after a kill, the next server removes it."""
    while _held:
        os.close(_held.pop())
    _remove(folder)
