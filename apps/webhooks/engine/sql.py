"""Raw SQL: times as Django stores them in SQLite, UUIDs of version 7, and prepared statements.

In SQLite, Django stores a datetime as text ``YYYY-MM-DD HH:MM:SS.ffffff`` in UTC and a UUID as 32 hex digits.
"""

from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection


def sqlite_time(value: datetime) -> str:
    """Format a datetime as stored in SQLite, always with six digits, so that texts sort like times."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def from_sqlite_time(value: str | datetime | None) -> datetime | None:
    """Parse a datetime from SQLite, which is a naive datetime from a column and text from an expression."""
    parsed = datetime.fromisoformat(value) if isinstance(value, str) else value
    return None if parsed is None else parsed.replace(tzinfo=UTC)


def uuid7_sql(milliseconds: str) -> str:
    """Return a PostgreSQL expression for a new UUID version 7 (RFC 9562) of that time.

    PostgreSQL before 18 has no ``uuidv7()``. The expression puts six bytes of time into a UUID of version 4 and sets
    the bits of the version.
    """
    timed = f"overlay(uuid_send(gen_random_uuid()) placing substring(int8send({milliseconds}) from 3) from 1 for 6)"
    return f"encode(set_bit(set_bit({timed}, 52, 1), 53, 1), 'hex')::uuid"


class _Prepared(psycopg.Cursor[Any]):
    """A cursor whose statements the server plans once for each connection."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "_Prepared":
        return super().execute(query, params, **{**options, "prepare": True})


def prepared_cursor() -> Any:
    """Return a Django cursor that prepares its statements: planning a large one costs more than running it.

    It works on PostgreSQL only, and each parameter must always have the same type. If ``DATABASE_PREPARE`` is off, the
    connection does not prepare statements.
    """
    connection.ensure_connection()
    cursor = _Prepared(connection.connection)
    return connection._prepare_cursor(cursor)  # type: ignore[attr-defined]  # connection.cursor() itself calls it
