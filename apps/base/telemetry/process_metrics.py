"""Counters of web processes that one server started: each writes into files of its own, and any of them reads all.

``prometheus_client`` has this mode; it must be chosen before the first counter is made. What it leaves to the server:
a folder for as long as the server runs, a set of files that the successor of a dead process goes on with, so that no
count is lost and no file is left over, and room on the disk from the start: writing into a mapped file on a full disk
would kill the process.
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
# For the values of every route; a file that outgrew it would get more, as long as the disk has it.
ROOM_BYTES = 2 * 1024 * 1024
# Locks hold as long as somebody has these open: on the folder while any process lives, on a set of files its owner.
_held: list[int] = []


def enable_multiprocess_metrics() -> str:
    """Share this process's counters with its siblings, and return what is in the way of it, if anything is.

    A process that no server started as one of several keeps them to itself.
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
    """What Prometheus is told of the web processes: the sums of all siblings, or this process's own.

    ``of_workers`` returns what processes that serve no page added to counters without labels.
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
    """Return when a process started, so that another one of its number is not taken for it; 0 where nobody tells."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"


def _enter(folder: Path) -> None:
    """Make the folder where it is missing and hold it; it may have been removed while this waited for the lock."""
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
    """Open a folder of ours; names in a folder for all may be somebody else's."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(descriptor)
        raise PermissionError(f"{folder} is not of this user alone")
    return descriptor


def _take_files(folder: Path) -> int:
    """Take the first set of files that no living process has, and return its number."""
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
    """Remove the folders of servers of which no process lives."""
    for folder in own.parent.glob(f"{PREFIX}*"):
        if folder != own:
            _remove(folder)


def _remove(folder: Path) -> None:
    try:
        descriptor = _open_folder(folder)
    except OSError:
        return  # gone, or somebody else's
    try:
        if _is_locked(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _leave(folder: Path) -> None:
    """Remove the folder at the end of the last process; one that is killed leaves it to the next server."""
    while _held:
        os.close(_held.pop())
    _remove(folder)
