"""Back up PostgreSQL by ``pg_dump``, never through a pooler that shares its connections."""

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

NO_PG_DUMP = (
    "pg_dump is not on this machine: install the PostgreSQL client of the server's version (or newer), or run it where "
    "the server is."
)
POOLER_REFUSED = (
    "{name} goes through a pooler that shares connections by the transaction, and pg_dump would leave its settings in "
    "connections that the portal uses. Set BACKUP_DATABASE_URL to the address of PostgreSQL itself."
)
OTHER_DATABASE = (
    "BACKUP_DATABASE_URL is another database than DATABASE_URL: a backup of it would be none of this portal."
)
TOO_OLD = (
    "pg_dump {ours} is older than the server, {theirs}: install the PostgreSQL client of version {theirs} or newer, "
    "and have its folder come first in PATH."
)
VERSIONS = re.compile(r"server version: (\d+)[^;]*; pg_dump version: (\d+)")
IDENTITY_SQL = "SELECT system_identifier, oid FROM pg_control_system(), pg_database WHERE datname = current_database()"
# Variables that pg_dump and libpq need; the portal's secrets are not passed.
PASSED_VARIABLES = re.compile(r"PATH|HOME|LANG|LC_[A-Z]+|TMPDIR|LD_LIBRARY_PATH|PG[A-Z]+|KRB5[A-Z0-9_]+")
# The environment variable of each libpq option: passwords must not be on the command line.
LIBPQ_VARIABLES = {
    option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar
}


def dump_postgresql(target: Path) -> None:
    """Write a dump in pg_dump's custom format. Raises PortalError with what to do."""
    program = shutil.which("pg_dump")
    if program is None:
        raise PortalError(NO_PG_DUMP)
    source = _backup_connection()
    command = [program, "--format=custom", "--no-password", f"--file={target}"]
    completed = subprocess.run(command, env=libpq_environment(source), capture_output=True, text=True, check=False)  # noqa: S603
    if completed.returncode:
        raise PortalError(_failure_message(completed.returncode, completed.stderr))


def libpq_environment(database: Any) -> dict[str, str]:
    """Return the environment variables by which PostgreSQL's programs connect to a database."""
    values = database.settings_dict
    options = {**(values.get("OPTIONS") or {}), "host": values["HOST"], "port": values["PORT"], "user": values["USER"],
               "password": values["PASSWORD"], "dbname": values["NAME"]}  # fmt: skip
    given = {LIBPQ_VARIABLES[name]: str(value) for name, value in options.items() if name in LIBPQ_VARIABLES and value}
    return {name: value for name, value in os.environ.items() if PASSED_VARIABLES.fullmatch(name)} | given


def _backup_connection() -> Any:
    """Return the connection of the database to dump; raise PortalError for another database or a shared connection."""
    name, database = "DATABASE_URL", connection
    if settings.BACKUP_DATABASE:
        name = "BACKUP_DATABASE_URL"
        database = ConnectionHandler({DEFAULT_DB_ALIAS: settings.BACKUP_DATABASE})[DEFAULT_DB_ALIAS]
    try:
        if settings.BACKUP_DATABASE and _differ(_database_identity(database), _database_identity(connection)):
            raise PortalError(OTHER_DATABASE)
        if poolers.shares_connections(database):
            raise PortalError(POOLER_REFUSED.format(name=name))
    except DatabaseError as problem:
        raise PortalError(f"{name} leads to no database that answers: {_first_line(str(problem))}.") from None
    return database


def _differ(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return bool(one and other and one != other)


def _database_identity(database: Any) -> tuple[Any, ...]:
    """Return an id that only replicas of a database share; an empty tuple where the role cannot read it."""
    try:
        with poolers.sessions(database) as sessions:
            return tuple(next(sessions).execute(IDENTITY_SQL).fetchone())
    except ProgrammingError:
        return ()


def _failure_message(code: int, error_output: str) -> str:
    if versions := VERSIONS.search(error_output):
        return TOO_OLD.format(theirs=versions[1], ours=versions[2])
    if code < 0:
        return f"pg_dump was ended by the signal {signal.Signals(-code).name}, without a backup."
    error = re.search(r"^pg_dump: error: (.+)", error_output, re.MULTILINE)
    return f"pg_dump ended without a backup: {_first_line(error[1] if error else error_output)}."


def _first_line(text: str) -> str:
    """Return the first line of an error message, which says what failed."""
    return (text.strip().splitlines() or ["no reason given"])[0].rstrip(".")
