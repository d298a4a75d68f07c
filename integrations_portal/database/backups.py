"""Back up the database to one consistent file while the portal runs.

SQLite databases are copied by its online backup, PostgreSQL databases by ``pg_dump.py``. The file appears under its
name only when it is complete and on disk, and an existing file is never overwritten. For a folder the file name is
generated, and old backups in it can be removed.
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
# The second alternative is the name that earlier versions used; sorted as text, those backups come first.
BACKUP_NAME = re.compile(r"portal-\d{8}T\d{6}Z\.(sqlite3|dump)|\d{4}-\d\d-\d\dT\d{6}Z\.backup")
# Temporary files; one older than PARTIAL_SECONDS was left by a run that was killed.
PARTIAL = re.compile(r"\.(.+)\.\d+\.partial(-wal|-shm|-journal)?")
PARTIAL_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Backup:
    """A completed backup; ``vendor`` (sqlite or postgresql) determines how to restore it."""

    path: Path
    vendor: str
    size: int


def back_up(target: Path) -> Backup:
    """Write a backup that only its owner can read. Raises PortalError with what to do."""
    writers = {"sqlite": _copy_sqlite, "postgresql": dump_postgresql}
    if os.path.isdir(target):  # Path.is_dir raises where a parent folder is not accessible
        target /= f"portal-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{SUFFIXES[connection.vendor]}"
    with handle_signals(_exit_on_signal, signal.SIGTERM, signal.SIGHUP), _write_atomically(target) as partial:
        writers[connection.vendor](partial)
    return Backup(target, connection.vendor, target.stat().st_size)


def keep_newest(folder: Path, count: int) -> list[Path]:
    """Delete all but the newest ``count`` backups with generated names, and return the deleted paths."""
    named = sorted(path for path in folder.iterdir() if BACKUP_NAME.fullmatch(path.name))
    for path in folder.iterdir():
        found = PARTIAL.fullmatch(path.name)
        if found and BACKUP_NAME.fullmatch(found[1]) and time.time() - path.lstat().st_mtime > PARTIAL_SECONDS:
            path.unlink(missing_ok=True)
    for path in named[:-count]:
        path.unlink(missing_ok=True)
    return named[:-count]


def _exit_on_signal(number: int, _frame: object) -> NoReturn:
    """Exit by an exception on SIGTERM and SIGHUP, so that the partial file is removed and pg_dump is ended."""
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _write_atomically(target: Path) -> Iterator[Path]:
    """Yield a temporary file of mode 0600 beside the target, and rename it on success; remove it on failure."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    if os.path.lexists(target):
        raise Conflict(f"{target} exists and is not overwritten: choose another name.")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    except OSError as problem:
        raise PortalError(f"{target} cannot be written: {problem.strerror}.") from None
    try:
        yield partial
        _fsync(partial)
        _move_into_place(partial, target)
        _fsync(target.parent)
    except FileExistsError:
        raise Conflict(f"{target} exists and is not overwritten: choose another name.") from None
    except OSError as problem:
        raise PortalError(f"{target} was not written: {problem.strerror}.") from None
    finally:
        for path in (partial, *(partial.with_name(partial.name + end) for end in ("-wal", "-shm", "-journal"))):
            path.unlink(missing_ok=True)


def _move_into_place(partial: Path, target: Path) -> None:
    """Link the file to its name: a rename would overwrite a file created meanwhile. Some file systems have no links."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.replace(partial, target)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_sqlite(partial: Path) -> None:
    """Copy all pages in one step: between steps any change by another process would restart the backup."""
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
            # The copy is in WAL mode like the original; leaving that mode makes the backup a single file.
            copy.execute("PRAGMA journal_mode=DELETE")
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(5)")]
            broken_key = copy.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as problem:
        raise PortalError(f"The database could not be copied: {problem}.") from None
    if found != ["ok"] or broken_key:
        raise PortalError("The copy is damaged, and so the database may be: run PRAGMA integrity_check on it.")
