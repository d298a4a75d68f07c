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
PREPARES_IN_VAIN = (
    "DATABASE_PREPARE must be false: DATABASE_URL goes through a pooler that shares connections by the transaction and "
    "does not keep prepared statements."
)

_is_right = False


def shares_connections(database: Any) -> bool:
    """Tell whether a pooler gives out connections by the transaction; a session of one's own is no such sharing."""
    with sessions(database) as opened:
        one = next(opened)
        if not _is_pooled(one):
            return False
        other = next(opened)
        # Twice and once: a pooler that goes round its connections would else show each session the same one.
        seen = [({_server(one), _server(one)}, _server(other)) for _round in range(ROUNDS)]
        ones, others = set().union(*(mine for mine, _theirs in seen)), {theirs for _mine, theirs in seen}
    return len(ones) > 1 or len(others) > 1 or ones == others


def loses_prepared_statements(database: Any) -> bool:
    """Return whether a pooler loses prepared statements."""
    with sessions(database) as opened:
        one = next(opened)
        if not _is_pooled(one):
            return False
        other = next(opened)
        if not (_prepare(one) and _prepare(other)):
            return True
        return not all(_run(session) for _round in range(ROUNDS) for session in (one, one, other))


def prepared_statements_error() -> str:
    """Return which setting is wrong for the pooler there is, or nothing; then it is not asked again."""
    global _is_right
    prepares = settings.DATABASE_PREPARE and connection.vendor == "postgresql"
    _is_right = _is_right or not (prepares and loses_prepared_statements(connection))
    return "" if _is_right else PREPARES_IN_VAIN


@contextmanager
def sessions(database: Any) -> Iterator[Iterator[Any]]:
    """Yield an iterator of new sessions in autocommit mode; database errors are Django's."""
    open_ones: list[Any] = []

    def opening() -> Iterator[Any]:
        while True:
            open_ones.append(database.get_new_connection(database.get_connection_params()))
            open_ones[-1].autocommit = True
            yield open_ones[-1]

    try:
        with database.wrap_database_errors:
            yield opening()
    finally:
        for each in open_ones:
            each.close()


def _server(session: Any) -> int:
    return int(session.execute("SELECT pg_backend_pid()").fetchone()[0])


def _is_pooled(session: Any) -> bool:
    """A pooler makes up the process number by which its client may cancel: it cannot know whose it will be."""
    return bool(_server(session) != session.info.backend_pid)


def _prepare(session: Any) -> bool:
    return bool(session.pgconn.prepare(PROBE, b"SELECT 1").status == pq.ExecStatus.COMMAND_OK)


def _run(session: Any) -> bool:
    return bool(session.pgconn.exec_prepared(PROBE, []).status == pq.ExecStatus.TUPLES_OK)
