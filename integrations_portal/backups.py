"""A consistent copy of the database in one file, taken while the portal runs.

SQLite: its online backup, in one step, so that it is the state of one moment. PostgreSQL: ``pg_dump`` in its custom
format. Nothing is at the file's name before it is whole and on disk, and what is there already is never overwritten.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

from apps.base.errors import Conflict, PortalError

BUSY_SECONDS = 60
# Options of the connection that libpq takes from its environment: a password never stands on a command line.
LIBPQ = {
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS", "service": "PGSERVICE", "passfile": "PGPASSFILE",
}  # fmt: skip


@dataclass(frozen=True)
class Backup:
    """What was written: how it is restored depends on the kind."""

    path: Path
    kind: str
    size: int


def back_up(target: Path) -> Backup:
    """This will write the copy, readable by its owner only. Raises PortalError with what to do."""
    kinds = {"sqlite": _copy_sqlite, "postgresql": _dump_postgresql}
    with _whole_or_nothing(target) as partial:
        kinds[connection.vendor](partial)
    return Backup(target, connection.vendor, target.stat().st_size)


@contextlib.contextmanager
def _whole_or_nothing(target: Path) -> Iterator[Path]:
    """Give a new file of mode 0600 beside the target, and its name at the end, on disk; leave nothing otherwise."""
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
        _give_name(partial, target)
        _to_disk(target.parent)
    except FileExistsError:
        raise Conflict(f"{target} exists and is not overwritten: choose another name.") from None
    except OSError as problem:
        raise PortalError(f"{target} was not written: {problem.strerror}.") from None
    finally:
        for path in (partial, *(partial.with_name(partial.name + end) for end in ("-wal", "-shm", "-journal"))):
            path.unlink(missing_ok=True)


def _give_name(partial: Path, target: Path) -> None:
    """Link, not rename: that would overwrite what somebody has put there meanwhile. Not every file system links."""
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
    """Copy in one step: with several, each change of another process would start it anew, for ever on a busy portal."""
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
            dangling = copy.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as problem:
        raise PortalError(f"The database could not be copied: {problem}.") from None
    if found != ["ok"] or dangling:
        raise PortalError("The copy is damaged, and so the database may be: run PRAGMA integrity_check on it.")


def _dump_postgresql(partial: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise PortalError(
            "pg_dump is not on this machine: install the PostgreSQL client of the server's version (or newer), or "
            "run it where the server is."
        )
    command = [program, "--format=custom", "--no-password", f"--file={partial}"]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("pg_dump: error: ")
        raise PortalError(f"pg_dump ended without a backup: {words.rstrip('.')}.")


def _environment() -> dict[str, str]:
    """What pg_dump needs to reach the database, as libpq reads it."""
    settings: dict[str, Any] = connection.settings_dict
    given = {
        "PGHOST": settings["HOST"],
        "PGPORT": settings["PORT"],
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "PGDATABASE": settings["NAME"],
        **{LIBPQ[name]: value for name, value in (settings.get("OPTIONS") or {}).items() if name in LIBPQ},
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {name: str(value) for name, value in given.items() if value}
