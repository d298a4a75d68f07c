"""PostgreSQL's own dump, taken by ``pg_dump`` where it may be taken: never through connections that others share."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, ProgrammingError, connection
from django.db.utils import ConnectionHandler
from psycopg import pq

from apps.base.errors import PortalError
from integrations_portal.database import poolers

NO_PROGRAM = (
    "pg_dump is not on this machine: install the PostgreSQL client of the server's version (or newer), or run it where "
    "the server is."
)
POOLED = (
    "{name} goes through a pooler that shares connections by the transaction, and pg_dump would leave its settings in "
    "connections that the portal uses. Set BACKUP_DATABASE_URL to the address of PostgreSQL itself."
)
ANOTHER = "BACKUP_DATABASE_URL is another database than DATABASE_URL: a backup of it would be none of this portal."
TOO_OLD = (
    "pg_dump {ours} is older than the server, {theirs}: install the PostgreSQL client of version {theirs} or newer, "
    "and have its folder come first in PATH."
)
VERSIONS = re.compile(r"server version: (\d+)[^;]*; pg_dump version: (\d+)")
WHICH = "SELECT system_identifier, oid FROM pg_control_system(), pg_database WHERE datname = current_database()"
# What libpq reads, and how programs and Kerberos' tickets are found; none of the portal's secrets.
PASSED_ON = re.compile(r"PATH|HOME|LANG|LC_[A-Z]+|TMPDIR|LD_LIBRARY_PATH|PG[A-Z]+|KRB5[A-Z0-9_]+")
# How each option is called in libpq's environment: a password never stands on a command line.
LIBPQ = {option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}


def dump_postgresql(target: Path) -> None:
    """Write a dump in pg_dump's custom format. Raises PortalError with what to do."""
    program = shutil.which("pg_dump")
    if program is None:
        raise PortalError(NO_PROGRAM)
    source = _source()
    command = [program, "--format=custom", "--no-password", f"--file={target}"]
    done = subprocess.run(command, env=environment(source), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PortalError(_reason(done.returncode, done.stderr))


def environment(database: Any) -> dict[str, str]:
    """Return what PostgreSQL's programs need to reach a database, as libpq reads it."""
    values = database.settings_dict
    options = {**(values.get("OPTIONS") or {}), "host": values["HOST"], "port": values["PORT"], "user": values["USER"],
               "password": values["PASSWORD"], "dbname": values["NAME"]}  # fmt: skip
    given = {LIBPQ[name]: str(value) for name, value in options.items() if name in LIBPQ and value}
    return {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)} | given


def _source() -> Any:
    """Return the database that is dumped, once it is known to be the portal's, and no session of others is touched."""
    name, database = "DATABASE_URL", connection
    if settings.BACKUP_DATABASE:
        name = "BACKUP_DATABASE_URL"
        database = ConnectionHandler({DEFAULT_DB_ALIAS: settings.BACKUP_DATABASE})[DEFAULT_DB_ALIAS]
    try:
        if settings.BACKUP_DATABASE and _differ(_which(database), _which(connection)):
            raise PortalError(ANOTHER)
        if poolers.shares_connections(database):
            raise PortalError(POOLED.format(name=name))
    except DatabaseError as problem:
        raise PortalError(f"{name} leads to no database that answers: {_first_line(str(problem))}.") from None
    return database


def _differ(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return bool(one and other and one != other)


def _which(database: Any) -> tuple[Any, ...]:
    """Return what tells a database from all others but its replicas; nothing where that may not be asked."""
    try:
        with poolers.sessions(database) as sessions:
            return tuple(next(sessions).execute(WHICH).fetchone())
    except ProgrammingError:
        return ()


def _reason(code: int, said: str) -> str:
    if versions := VERSIONS.search(said):
        return TOO_OLD.format(theirs=versions[1], ours=versions[2])
    if code < 0:
        return f"pg_dump was ended by the signal {signal.Signals(-code).name}, without a backup."
    error = re.search(r"^pg_dump: error: (.+)", said, re.MULTILINE)
    return f"pg_dump ended without a backup: {_first_line(error[1] if error else said)}."


def _first_line(text: str) -> str:
    """The first line is what went wrong, the others where."""
    return (text.strip().splitlines() or ["no reason given"])[0].rstrip(".")
