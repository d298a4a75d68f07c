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

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = f"portal-figures-{os.geteuid()}-"
METRIC_TYPES = ("counter", "histogram")
# Enough for the values of every route; a larger file grows on demand.
PREALLOCATED_BYTES = 2 * 1024 * 1024
# Open descriptors hold the locks: a shared one on the folder, and an exclusive one on this process's files.
_open_locks: list[int] = []


def enable_multiprocess_metrics() -> str:
    """Share this process's counters with its siblings; return why it failed, or an empty string.

    A process without a parent server does not share its counters.
    """
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return ""
    try:
        folder = Path(tempfile.gettempdir()) / f"{PREFIX}{parent.pid}-{_start_time(parent.pid)}"
        _remove_abandoned(folder)
        _open_and_lock(folder)
        number = _claim_files(folder)
    except OSError as error:
        return f"figures of web processes are not added up, each answers with its own: {error}"
    os.environ[DIRECTORY_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: number)
    util.Finalize(None, _release, args=(folder,), exitpriority=0)
    return ""


class WebCollector(Collector):
    """Collects the metrics of the web processes: the sums of all siblings, or this process's own.

    ``worker_counters`` returns what workers added to counters without labels.
    """

    def __init__(self, worker_counters: Callable[[], dict[str, float]]) -> None:
        self._worker_counters = worker_counters

    def collect(self) -> Iterator[Metric]:
        """Yield each metric once; counters without labels include what workers added."""
        folder, added = os.environ.get(DIRECTORY_VARIABLE), self._worker_counters()
        for metric in MultiProcessCollector(None, folder).collect() if folder else REGISTRY.collect():
            metric.samples = [
                each if each.labels else each._replace(value=each.value + added.get(each.name, 0.0))
                for each in metric.samples
            ]
            yield metric


def _start_time(pid: int) -> str:
    """Return a process's start time, which distinguishes reused process ids; "0" where it is unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"


def _open_and_lock(folder: Path) -> None:
    """Create the folder if missing and lock it; retry where it was removed while this waited for the lock."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = _open_folder(folder)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _still_exists(folder, descriptor):
            _open_locks.append(descriptor)
            return
        os.close(descriptor)


def _still_exists(folder: Path, descriptor: int) -> bool:
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


def _claim_files(folder: Path) -> int:
    """Claim the first set of files that no running process owns, and return its number."""
    for number in itertools.count():
        descriptor = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        if _try_lock(descriptor):
            _open_locks.append(descriptor)
            break
        os.close(descriptor)
    for metric_type in METRIC_TYPES:
        with (folder / f"{metric_type}_{number}.db").open("ab") as file:
            file.write(bytes(max(0, PREALLOCATED_BYTES - file.tell())))
    return number


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_abandoned(own: Path) -> None:
    """Remove the folders of servers without running processes."""
    for folder in own.parent.glob(f"{PREFIX}*"):
        if folder != own:
            _remove_unused(folder)


def _remove_unused(folder: Path) -> None:
    try:
        descriptor = _open_folder(folder)
    except OSError:
        return  # removed already, or another user's
    try:
        if _try_lock(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _release(folder: Path) -> None:
    """Remove the folder when the last process exits; after a kill, the next server removes it."""
    while _open_locks:
        os.close(_open_locks.pop())
    _remove_unused(folder)
