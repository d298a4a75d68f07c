"""Several reads that see the database at one moment: what is committed between two of them is in none."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

BEGIN = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    # Not IMMEDIATE, as transactions of writers begin: a reader waits for nobody.
    "sqlite": "BEGIN DEFERRED",
}


@contextmanager
def consistent_snapshot() -> Iterator[None]:
    """Read all that is inside at one moment; within a transaction, as that sees the database."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(BEGIN[connection.vendor])
    try:
        yield
    finally:
        # Nothing was written. A connection that broke meanwhile is closed by whoever made the request.
        if connection.connection is not None:
            connection.connection.rollback()
