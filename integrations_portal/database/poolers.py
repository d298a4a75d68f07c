"""Detect a pooler such as PgBouncer in front of PostgreSQL, and whether it preserves session state.

A pooler in transaction mode gives each transaction any free connection: settings of one session leak to others
(pg_dump sets an empty ``search_path``), and prepared statements are on another connection. A client cannot query the
mode of a pooler, so two sessions are opened to observe its behavior.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection
from psycopg import pq

# While other sessions are active, the connection of either session changes within a few rounds.
ROUNDS = 10
PROBE = b"portal_probe"
PREPARE_ERROR = (
    "DATABASE_PREPARE must be false: DATABASE_URL goes through a pooler that shares connections by the transaction and "
    "does not keep prepared statements."
)

_is_compatible = False


def shares_connections(database: Any) -> bool:
    """Return whether a pooler in transaction mode is in front of the database; session mode does not count."""
    with sessions(database) as opened:
        first = next(opened)
        if not _is_pooled(first):
            return False
        second = next(opened)
        # Two queries and one: with equal numbers, a round-robin pooler would give each session the same connection.
        seen = [({_backend_pid(first), _backend_pid(first)}, _backend_pid(second)) for _round in range(ROUNDS)]
        first_pids, second_pids = set().union(*(mine for mine, _theirs in seen)), {theirs for _mine, theirs in seen}
    return len(first_pids) > 1 or len(second_pids) > 1 or first_pids == second_pids


def loses_prepared_statements(database: Any) -> bool:
    """Return whether a pooler loses prepared statements."""
    with sessions(database) as opened:
        first = next(opened)
        if not _is_pooled(first):
            return False
        second = next(opened)
        if not (_prepare(first) and _prepare(second)):
            return True
        return not all(_execute_prepared(session) for _round in range(ROUNDS) for session in (first, first, second))


def prepared_statements_error() -> str:
    """Return an error for a setting that is incompatible with the pooler, or an empty string, which is cached."""
    global _is_compatible
    prepares = settings.DATABASE_PREPARE and connection.vendor == "postgresql"
    _is_compatible = _is_compatible or not (prepares and loses_prepared_statements(connection))
    return "" if _is_compatible else PREPARE_ERROR


@contextmanager
def sessions(database: Any) -> Iterator[Iterator[Any]]:
    """Yield an iterator of new sessions in autocommit mode; database errors are Django's."""
    open_sessions: list[Any] = []

    def new_sessions() -> Iterator[Any]:
        while True:
            open_sessions.append(database.get_new_connection(database.get_connection_params()))
            open_sessions[-1].autocommit = True
            yield open_sessions[-1]

    try:
        with database.wrap_database_errors:
            yield new_sessions()
    finally:
        for each in open_sessions:
            each.close()


def _backend_pid(session: Any) -> int:
    return int(session.execute("SELECT pg_backend_pid()").fetchone()[0])


def _is_pooled(session: Any) -> bool:
    """Return whether the process id for cancel requests is not the server's, because a pooler generated it."""
    return bool(_backend_pid(session) != session.info.backend_pid)


def _prepare(session: Any) -> bool:
    return bool(session.pgconn.prepare(PROBE, b"SELECT 1").status == pq.ExecStatus.COMMAND_OK)


def _execute_prepared(session: Any) -> bool:
    return bool(session.pgconn.exec_prepared(PROBE, []).status == pq.ExecStatus.TUPLES_OK)
