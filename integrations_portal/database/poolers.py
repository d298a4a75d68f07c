"""Detect a pooler such as PgBouncer in front of PostgreSQL, and whether it preserves session state.

A pooler that shares connections by the transaction gives each transaction whichever connection is free: what one
session sets, others find (pg_dump sets an empty ``search_path``), and what it prepared is on another connection.
Nothing tells how a pooler was set up, so two sessions of our own find out by what they see.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection
from psycopg import pq

# With other sessions about, either sees a change of its connection within a few.
ROUNDS = 10
PROBE = b"portal_probe"
PREPARE_ERROR = (
    "DATABASE_PREPARE must be false: DATABASE_URL goes through a pooler that shares connections by the transaction and "
    "does not keep prepared statements."
)

_is_right = False


def shares_connections(database: Any) -> bool:
    """Tell whether a pooler gives out connections by the transaction; a session of one's own is no such sharing."""
    with sessions(database) as opened:
        first = next(opened)
        if not _is_pooled(first):
            return False
        second = next(opened)
        # Twice and once: a pooler that goes round its connections would else show each session the same one.
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
    """Return which setting is wrong for the pooler there is, or nothing; then it is not asked again."""
    global _is_right
    prepares = settings.DATABASE_PREPARE and connection.vendor == "postgresql"
    _is_right = _is_right or not (prepares and loses_prepared_statements(connection))
    return "" if _is_right else PREPARE_ERROR


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
    """A pooler makes up the process number by which its client may cancel: it cannot know whose it will be."""
    return bool(_backend_pid(session) != session.info.backend_pid)


def _prepare(session: Any) -> bool:
    return bool(session.pgconn.prepare(PROBE, b"SELECT 1").status == pq.ExecStatus.COMMAND_OK)


def _execute_prepared(session: Any) -> bool:
    return bool(session.pgconn.exec_prepared(PROBE, []).status == pq.ExecStatus.TUPLES_OK)
