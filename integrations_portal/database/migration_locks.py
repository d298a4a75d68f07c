"""Locks of ``migrate`` while the portal runs: one migration at a time, with short waits for table locks.

A request for a table lock waits for every transaction that uses the table, and blocks all later ones. So ``migrate``
waits at most half a second for a lock, then releases the queue and retries.
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
# PostgreSQL cancels an autovacuum for a lock request that waits longer than deadlock_timeout (1 s).
VACUUM_MILLISECONDS = 5000
POLL_SECONDS = 0.5
MAX_PAUSE_SECONDS = 8.0
# A pair of 32-bit keys: distinct from the 64-bit keys of heavy_work.
ADVISORY_LOCK = (0x706F7274, 1)
WAITING_MESSAGE = "Another migrate is running here; this one waits for its end."
POOLER_REFUSED = (
    "DATABASE_URL goes through a pooler that shares connections by the transaction, but migrate needs locks and "
    "settings that are its own. Give it PostgreSQL's own address: DATABASE_URL=postgres://… manage.py migrate"
)
# The sessions that hold a lock on a table in the statement. Times and states of other roles' sessions are NULL.
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
    """Hold the lock that lets one process at a time migrate this database; wait for it first."""
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
    # Polled: CREATE INDEX CONCURRENTLY of the other process would wait for the transaction of a waiting statement.
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
    # Locks the folder: closing a descriptor of the database file would release SQLite's own locks on it.
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
        """Run work that can be repeated; raise CommandError naming the lock's holders after ``timeout_seconds``."""
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
        # On another connection, because the transaction of this one has failed.
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
        """Request the lock that VACUUM holds, which blocks no query: PostgreSQL then cancels an autovacuum."""
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
