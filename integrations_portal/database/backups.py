"""A consistent copy of the database in one file, taken while the portal runs.

SQLite: its online backup, in one step, so that it is the state of one moment. PostgreSQL: dumps.py. Nothing is at the
file's name before it is whole and on disk, and what is there already is never overwritten. In a folder files get their
names here, and the oldest of them go.
"""

import contextlib
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from django.db import connection

from apps.base.errors import Conflict, PortalError
from integrations_portal.database.pg_dump import dump_postgresql
from integrations_portal.launcher.signals import handle_signals

BUSY_SECONDS = 60
SUFFIXES = {"sqlite": "sqlite3", "postgresql": "dump"}
# Behind the bar the name that the timer of earlier versions gave: sorted as text, those are the older ones.
BACKUP_NAME = re.compile(r"portal-\d{8}T\d{6}Z\.(sqlite3|dump)|\d{4}-\d\d-\d\dT\d{6}Z\.backup")
# What a run that was killed left behind; one that is at work is younger.
PARTIAL = re.compile(r"\.(.+)\.\d+\.partial(-wal|-shm|-journal)?")
PARTIAL_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Backup:
    """A written backup; ``vendor`` (sqlite or postgresql) decides how to restore it."""

    path: Path
    vendor: str
    size: int


def back_up(target: Path) -> Backup:
    """Write the copy, readable by its owner only. Raises PortalError with what to do."""
    writers = {"sqlite": _copy_sqlite, "postgresql": dump_postgresql}
    if os.path.isdir(target):  # unlike Path.is_dir, no error where a folder above may not be entered
        target /= f"portal-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{SUFFIXES[connection.vendor]}"
    with handle_signals(_exit_on_signal, signal.SIGTERM, signal.SIGHUP), _write_atomically(target) as partial:
        writers[connection.vendor](partial)
    return Backup(target, connection.vendor, target.stat().st_size)


def keep_newest(folder: Path, count: int) -> list[Path]:
    """Remove all but the newest backups that got their names here, and return those that went."""
    named = sorted(path for path in folder.iterdir() if BACKUP_NAME.fullmatch(path.name))
    for path in folder.iterdir():
        found = PARTIAL.fullmatch(path.name)
        if found and BACKUP_NAME.fullmatch(found[1]) and time.time() - path.lstat().st_mtime > PARTIAL_SECONDS:
            path.unlink(missing_ok=True)
    for path in named[:-count]:
        path.unlink(missing_ok=True)
    return named[:-count]


def _exit_on_signal(number: int, _frame: object) -> NoReturn:
    """Make SIGTERM and SIGHUP errors, as Ctrl-C is one: nothing half is left, and no pg_dump that goes on."""
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _write_atomically(target: Path) -> Iterator[Path]:
    """Yield a new file of mode 0600 beside the target, and give it the target's name on success; else remove it."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    if os.path.lexists(target):
        raise Conflict(f"{target} exists and is not overwritten: choose another name.")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    except OSError as problem:
        raise PortalError(f"{target} cannot be written: {problem.strerror}.") from None
    try:
        yield partial
        _to_disk(partial)
        _move_into_place(partial, target)
        _to_disk(target.parent)
    except FileExistsError:
        raise Conflict(f"{target} exists and is not overwritten: choose another name.") from None
    except OSError as problem:
        raise PortalError(f"{target} was not written: {problem.strerror}.") from None
    finally:
        for path in (partial, *(partial.with_name(partial.name + end) for end in ("-wal", "-shm", "-journal"))):
            path.unlink(missing_ok=True)


def _move_into_place(partial: Path, target: Path) -> None:
    """Link, not rename: that would overwrite what has been put there meanwhile. Not every file system links."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.replace(partial, target)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_sqlite(partial: Path) -> None:
    """Copy in one step: with several, each change of another process would restart it, for ever on a busy portal."""
    name = str(connection.settings_dict["NAME"])
    if not Path(name).is_file():
        raise PortalError("This database is in memory: there is no file to back up.")
    address = f"{Path(name).as_uri()}?mode=rw"
    try:
        with (
            contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as source,
            contextlib.closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy, pages=-1)
            # One file by itself: the copy says of itself that it has a write-ahead log, as the original does.
            copy.execute("PRAGMA journal_mode=DELETE")
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(5)")]
            broken_key = copy.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as problem:
        raise PortalError(f"The database could not be copied: {problem}.") from None
    if found != ["ok"] or broken_key:
        raise PortalError("The copy is damaged, and so the database may be: run PRAGMA integrity_check on it.")
