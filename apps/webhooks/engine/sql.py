"""How raw SQL writes what Django's fields hold: times and ids as SQLite keeps them, and version 7 UUIDs; and prepares.

Django keeps a time in SQLite as text ``YYYY-MM-DD HH:MM:SS.ffffff`` in UTC and a UUID as 32 hex digits.
"""

from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection


def as_text(moment: datetime) -> str:
    """Write a time as SQLite keeps it, always with six digits, so that texts compare like times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def from_text(value: str | datetime | None) -> datetime | None:
    """Read a time that SQLite kept; a plain column comes as a naive datetime, an expression as text."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return None if moment is None else moment.replace(tzinfo=UTC)


def uuid7_from(milliseconds: str) -> str:
    """Return a PostgreSQL expression for a fresh UUID version 7 (RFC 9562) of that time.

    PostgreSQL before 18 has no ``uuidv7()``: six bytes of time over a version 4 UUID, then the version's bits.
    """
    timed = f"overlay(uuid_send(gen_random_uuid()) placing substring(int8send({milliseconds}) from 3) from 1 for 6)"
    return f"encode(set_bit(set_bit({timed}, 52, 1), 53, 1), 'hex')::uuid"


class _Prepared(psycopg.Cursor[Any]):
    """A cursor whose statements the server plans once for each connection."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "_Prepared":
        """Run the statement as a prepared one."""
        return super().execute(query, params, **{**options, "prepare": True})


def prepared_cursor() -> Any:
    """Return Django's cursor over a preparing one: planning a large statement costs more than running it.

    Where ``DATABASE_PREPARE`` is off the connection prepares nothing and the statement is planned each time. PostgreSQL
    only; a parameter must have the same type at every call.
    """
    connection.ensure_connection()
    cursor = _Prepared(connection.connection)
    return connection._prepare_cursor(cursor)  # type: ignore[attr-defined]  # what connection.cursor() itself calls
