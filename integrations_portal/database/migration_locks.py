"""Locks of ``migrate`` while the portal runs: one migration at a time, with short waits for table locks.

A request for a lock on a whole table waits for every transaction that uses the table, and blocks all later ones. So it
waits half a second, lets the others proceed, and retries.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from psycopg import errors

from integrations_portal.database import poolers

LOCK_MILLISECONDS = 500
# While migrate waits, VACUUM may not: half a second is too short for PostgreSQL to end one not started by hand.
VACUUM_MILLISECONDS = 5000
POLL_SECONDS = 0.5
MAX_PAUSE_SECONDS = 8.0
# Two numbers of 32 bits, which no key of heavy_work is.
ADVISORY_LOCK = (0x706F7274, 1)
WAITING_MESSAGE = "Another migrate is running here; this one waits for its end."
POOLER_REFUSED = (
    "DATABASE_URL goes through a pooler that shares connections by the transaction, but migrate needs locks and "
    "settings that are its own. Give it PostgreSQL's own address: DATABASE_URL=postgres://… manage.py migrate"
)
# Of another role's session nothing but its name may be seen.
LOCK_HOLDERS_SQL = r"""
SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type), a.backend_type = 'autovacuum worker',
       to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), coalesce(a.state, a.usename)
FROM pg_stat_activity a
WHERE a.pid <> ALL(%s) AND a.xact_start < clock_timestamp() - %s * interval '1 millisecond' IS NOT false AND EXISTS (
    SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = a.pid AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND %s ~ ('\y' || c.relname || '\y'))
ORDER BY a.xact_start LIMIT 3
"""


def is_migrated() -> bool:
    """Return whether the database has every migration of this version."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


@contextmanager
def migration_lock(connection: Any, report: Callable[[str], object]) -> Iterator[None]:
    """Wait until no other process migrates this database, and block others meanwhile."""
    if connection.vendor == "postgresql":
        if poolers.shares_connections(connection):
            raise CommandError(POOLER_REFUSED)
        with _advisory_lock(connection, report):
            yield
    elif connection.is_in_memory_db():
        yield
    else:
        with _folder_lock(os.path.dirname(os.path.abspath(connection.settings_dict["NAME"])), report):
            yield


@contextmanager
def _advisory_lock(connection: Any, report: Callable[[str], object]) -> Iterator[None]:
    # Asked for again and again: a statement that waits would hold up every index that is made beside it.
    is_reported = False
    while not _call_lock_function(connection, "SELECT pg_try_advisory_lock(%s, %s)"):
        if not is_reported:
            report(WAITING_MESSAGE)
        is_reported = True
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        _call_lock_function(connection, "SELECT pg_advisory_unlock(%s, %s)")


def _call_lock_function(connection: Any, statement: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, ADVISORY_LOCK)
        return bool(cursor.fetchone()[0])


@contextmanager
def _folder_lock(folder: str, report: Callable[[str], object]) -> Iterator[None]:
    # Of the folder: to close a descriptor of SQLite's own file would end SQLite's locks.
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(WAITING_MESSAGE)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class LockRetrier:
    """Runs work with a lock timeout of half a second, and retries it with backoff."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._holders: list[tuple[Any, ...]] = []
        self._tables: list[str] = []

    def run(self, work: Callable[[], object], timeout_seconds: float, report: Callable[[str], object]) -> None:
        """Do what may be done again after it was broken off, or say who held what it needs all the while."""
        until, pause = time.monotonic() + timeout_seconds, 1.0
        while not self._is_done(work):
            if time.monotonic() + pause > until:
                raise CommandError(self._explain(timeout_seconds))
            report(f"\nIt did not get the lock on {self._table_names()} at once, and tries again.")
            time.sleep(pause)
            self._interrupt_autovacuum()
            pause = min(pause * 2, MAX_PAUSE_SECONDS)

    def _is_done(self, work: Callable[[], object]) -> bool:
        self._execute(f"SET lock_timeout = {LOCK_MILLISECONDS}")
        try:
            with self._connection.execute_wrapper(self._note_lock_timeout):
                work()
        except OperationalError as error:
            if not _is_lock_timeout(error):
                raise
            return False
        finally:
            self._execute("RESET lock_timeout")
        return True

    def _note_lock_timeout(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        try:
            return execute(sql, params, many, context)
        except OperationalError as error:
            if _is_lock_timeout(error):
                self._find_holders(str(sql))
            raise

    def _find_holders(self, sql: str) -> None:
        # On a connection of its own: the transaction of this one has failed.
        other = self._connection.copy()
        try:
            with other.cursor() as cursor:
                self._tables = [
                    name for name in other.introspection.table_names(cursor) if re.search(rf"\b{name}\b", sql)
                ]
                own = [each.connection.info.backend_pid for each in (self._connection, other)]
                cursor.execute(LOCK_HOLDERS_SQL, [own, LOCK_MILLISECONDS, sql])
                self._holders = cursor.fetchall()
        finally:
            other.close()

    def _interrupt_autovacuum(self) -> None:
        """Ask for what VACUUM holds and nothing else needs: PostgreSQL ends an automatic one after a second of that."""
        for table in self._tables if any(is_vacuum for _pid, _name, is_vacuum, *_ in self._holders) else ():
            with suppress(OperationalError), transaction.atomic(self._connection.alias):
                self._execute(f"SET LOCAL lock_timeout = {VACUUM_MILLISECONDS}")
                quoted = self._connection.ops.quote_name(table)
                self._execute(f"LOCK TABLE {quoted} IN SHARE UPDATE EXCLUSIVE MODE")

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def _table_names(self) -> str:
        return ", ".join(self._tables) or "what it changes"

    def _explain(self, timeout_seconds: float) -> str:
        holders = [
            f"process {pid} ({name}, {state}){f' in a transaction since {since}' if since else ''}"
            for pid, name, _is_vacuum, since, state in self._holders
        ]
        return (
            f"migrate did not get a lock on {self._table_names()} in {timeout_seconds:g} seconds. It is held by "
            f"{'; '.join(holders) or 'transactions that are over by now'}. What is applied stays: wait for its end, or "
            "bring it about (SELECT pg_terminate_backend(number)), then run migrate again; it goes on where it stopped."
        )


def _is_lock_timeout(error: OperationalError) -> bool:
    return isinstance(error.__cause__, errors.LockNotAvailable)
