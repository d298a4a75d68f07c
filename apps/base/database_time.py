"""The database's time: what removes or seals for good goes by it, and never by the clock of one machine."""

from datetime import UTC, datetime

from django.db import connection

NOW = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())::float8",
    # The same machine's clock, past what this process may have been told.
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400",
}


def database_now() -> datetime:
    """Ask the database what time it is."""
    return datetime.fromtimestamp(database_seconds(), UTC)


def database_seconds() -> float:
    """Ask the database for the seconds since 1970."""
    with connection.cursor() as cursor:
        cursor.execute(NOW[connection.vendor])
        return float(cursor.fetchone()[0])
