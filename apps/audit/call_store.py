"""The SQL of the call log: a batch of calls and the figures that follow from it, in one transaction.

Every statement takes its rows in one fixed order, so that processes that count up the same figures wait for each
other and never deadlock.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Cursor

from apps.audit.models import NO_CREDENTIAL, ApiCall

MOST_PARAMETERS = 999


class Call(NamedTuple):
    """One answered request; the fields are the columns of ApiCall."""

    id: uuid.UUID
    at: datetime
    organization_id: uuid.UUID
    actor_kind: str
    actor_id: str
    actor_label: str
    credential_id: uuid.UUID | None
    method: str
    route: str
    status: int
    code: str
    duration_ms: float
    address: str
    user_agent: str
    request_id: str


class Refused(NamedTuple):
    """What refused strangers are counted by."""

    address: str
    minute: datetime
    code: str


class LastUse(NamedTuple):
    """The newest use of one key."""

    credential_id: uuid.UUID
    at: datetime
    address: str


class Usage(NamedTuple):
    """What calls are counted by."""

    organization_id: uuid.UUID
    credential_id: uuid.UUID
    hour: datetime
    method: str
    route: str
    status_class: str
    address: str


COUNTED_USAGE = (*Usage._fields, "calls")
COUNTED_REFUSED = (*Refused._fields, "calls")
COUNT_UP = "DO UPDATE SET calls = {table}.calls + excluded.calls"
KEEP_NEWEST = "DO UPDATE SET at = excluded.at, address = excluded.address WHERE excluded.at >= {table}.at"


def store(calls: Sequence[Call], refused: Mapping[Refused, int]) -> None:
    """This will commit the calls and everything counted from them, or raise a database error and keep nothing."""
    database = connections[DEFAULT_DB_ALIAS]
    with transaction.atomic(), database.wrap_database_errors:
        _insert(database, "audit_apicall", Call._fields, calls)
        _insert(database, "audit_lastuse", LastUse._fields, last_uses(calls), ("credential_id",), KEEP_NEWEST)
        _insert(database, "audit_usagehour", COUNTED_USAGE, _counted(usage(calls)), Usage._fields, COUNT_UP)
        _insert(database, "audit_refusedcalls", COUNTED_REFUSED, _counted(refused), Refused._fields, COUNT_UP)


def is_stored(calls: Sequence[Call]) -> bool:
    """This will tell whether an earlier try committed after all, though its answer was lost on the way."""
    return bool(calls) and ApiCall.objects.filter(pk=calls[0].id).exists()


def last_uses(calls: Iterable[Call]) -> list[LastUse]:
    """This will return the newest use of each key, by key."""
    newest: dict[uuid.UUID, LastUse] = {}
    for call in calls:
        key = call.credential_id
        if key is not None and (key not in newest or newest[key].at <= call.at):
            newest[key] = LastUse(key, call.at, call.address)
    return sorted(newest.values())


def usage(calls: Iterable[Call]) -> Counter[Usage]:
    """This will count the calls by hour."""
    return Counter(
        Usage(
            call.organization_id,
            call.credential_id or NO_CREDENTIAL,
            call.at.replace(minute=0, second=0, microsecond=0),
            call.method,
            call.route,
            status_class(call.status),
            call.address,
        )
        for call in calls
    )


def status_class(status: int) -> str:
    """This will return 2xx (3xx too), 4xx, 429 or 5xx."""
    if status == 429:
        return "429"
    return "5xx" if status >= 500 else "4xx" if status >= 400 else "2xx"


def _counted(counts: Mapping[Any, int]) -> list[tuple[Any, ...]]:
    return [(*key, counts[key]) for key in sorted(counts)]


def _insert(
    database: BaseDatabaseWrapper,
    table: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    unique: tuple[str, ...] = (),
    on_conflict: str = "",
) -> None:
    """This will insert the rows past Django's cursors, whose work on each value costs more than the database's."""
    if not rows:
        return
    conflict = f" ON CONFLICT ({', '.join(unique)}) {on_conflict.format(table=table)}" if on_conflict else ""
    insert = _insert_postgresql if database.vendor == "postgresql" else _insert_sqlite
    insert(database.connection, f"{table} ({', '.join(columns)})", len(columns), rows, conflict)


def _insert_sqlite(raw: Any, into: str, width: int, rows: Sequence[tuple[Any, ...]], conflict: str) -> None:
    places = ", ".join("?" * width)
    values = [[_for_sqlite(value) for value in row] for row in rows]
    raw.executemany(f"INSERT INTO {into} VALUES ({places}){conflict}", values)  # noqa: S608


def _for_sqlite(value: Any) -> Any:
    """This will write a value as Django does in SQLite: ids in hex, times in UTC without a zone."""
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    return value


def _insert_postgresql(raw: Any, into: str, width: int, rows: Sequence[tuple[Any, ...]], conflict: str) -> None:
    with Cursor(raw) as cursor:
        if not conflict:
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        step = MOST_PARAMETERS // width
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            places = ", ".join([f"({', '.join(['%s'] * width)})"] * len(part))
            statement = f"INSERT INTO {into} VALUES {places}{conflict}"  # noqa: S608
            cursor.execute(statement, [value for row in part for value in row])
