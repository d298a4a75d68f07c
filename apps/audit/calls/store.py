"""The SQL of the call log: stores a batch of calls and updates its rollups in one transaction.

Every statement takes its rows in one fixed order, so that processes that update the same rollups never deadlock.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from psycopg import Cursor

from apps.audit.models import NO_CREDENTIAL, ApiCall
from apps.base.identifiers import ORDERED_UUIDS

MAX_PARAMETERS = 999
# Responses to a rejected key: counted in usage, but not as a use of the key.
REJECTED_STATUSES = frozenset({401, 403, 429})


class AdditionalUse(NamedTuple):
    """A call that also counts for another key. Plain strings and numbers, so that it can be sent as JSON."""

    organization_id: str
    credential_id: str
    method: str
    route: str
    status: int
    scopes: str
    address: str
    user_agent: str


class Call(NamedTuple):
    """One completed request; all fields but the last are columns of ApiCall."""

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
    scopes: str = ""
    flagged: bool = False
    uses: Sequence[Sequence[Any]] = ()  # each one a Use


class RefusalKey(NamedTuple):
    """The key by which refused unauthenticated requests are counted."""

    address: str
    minute: datetime
    code: str


class NewestUse(NamedTuple):
    """The newest accepted call of one key."""

    credential_id: uuid.UUID
    at: datetime
    address: str


class HourlyUsageKey(NamedTuple):
    """The key of the hourly rollup."""

    organization_id: uuid.UUID
    credential_id: uuid.UUID
    hour: datetime
    method: str
    route: str
    status_class: str
    address: str
    user_agent: str
    scopes: str


class DailyUsageKey(NamedTuple):
    """The key of the rollup by UTC day."""

    organization_id: uuid.UUID
    credential_id: uuid.UUID
    day: date
    method: str
    route: str
    status_class: str
    address: str
    scopes: str


class CallCount(NamedTuple):
    """The number of calls and the time of the newest."""

    calls: int
    last_at: datetime


RollupKey = TypeVar("RollupKey", HourlyUsageKey, DailyUsageKey)
CALL_COLUMNS = Call._fields[:-1]
COUNTED_USAGE = (*HourlyUsageKey._fields, *CallCount._fields)
COUNTED_DAYS = (*DailyUsageKey._fields, *CallCount._fields)
COUNTED_REFUSED = (*RefusalKey._fields, "calls")
COUNT_UP = "DO UPDATE SET calls = {table}.calls + excluded.calls"
COUNT_UP_AND_KEEP_NEWEST = (
    f"{COUNT_UP}, last_at = CASE WHEN excluded.last_at > {{table}}.last_at"
    " THEN excluded.last_at ELSE {table}.last_at END"
)
KEEP_NEWEST = "DO UPDATE SET at = excluded.at, address = excluded.address WHERE excluded.at >= {table}.at"


def store(calls: Sequence[Call], refused: Mapping[RefusalKey, int]) -> None:
    """Commit the calls and their rollups, or raise a database error and store nothing.

    A call that is already stored (by another process, or by an earlier attempt) is skipped and not counted again.
    """
    with transaction.atomic():
        _insert_batch(calls, refused)


def store_with_current_time(calls: list[Call], refused: Mapping[RefusalKey, int]) -> None:
    """Store calls that no other process has seen, dated (and so keyed) inside the transaction.

    Otherwise a call that waited for the database would sort before rows that were committed and read meanwhile.
    """
    with transaction.atomic():
        now = timezone.now()
        calls[:] = [call._replace(id=ORDERED_UUIDS.at(now), at=now) for call in calls]
        _insert_batch(calls, refused)


def _insert_batch(calls: Sequence[Call], refused: Mapping[RefusalKey, int]) -> None:
    database = connections[DEFAULT_DB_ALIAS]
    with database.wrap_database_errors:
        calls = _insert_calls(database, calls)
        _insert(database, "audit_lastuse", NewestUse._fields, newest_uses(calls), ("credential_id",), KEEP_NEWEST)
        hours = count_by_hour(calls)
        newest = COUNT_UP_AND_KEEP_NEWEST
        _insert(database, "audit_usagehour", COUNTED_USAGE, _count_rows(hours), HourlyUsageKey._fields, newest)
        _insert(
            database, "audit_usageday", COUNTED_DAYS, _count_rows(count_by_day(hours)), DailyUsageKey._fields, newest
        )
        refusals = [(*key, count) for key, count in sorted(refused.items())]
        _insert(database, "audit_refusedcalls", COUNTED_REFUSED, refusals, RefusalKey._fields, COUNT_UP)


def is_stored(calls: Sequence[Call]) -> bool:
    """Return whether an earlier attempt was committed although its result was lost."""
    return bool(calls) and ApiCall.objects.filter(pk=calls[0].id).exists()


def newest_uses(calls: Iterable[Call]) -> list[NewestUse]:
    """Return the newest accepted use of each key, ordered by key."""
    newest: dict[uuid.UUID, NewestUse] = {}
    for used in _accepted_uses(calls):
        if used.credential_id not in newest or newest[used.credential_id].at <= used.at:
            newest[used.credential_id] = used
    return sorted(newest.values())


def _accepted_uses(calls: Iterable[Call]) -> Iterator[NewestUse]:
    for call in calls:
        if call.credential_id is not None and call.status not in REJECTED_STATUSES:
            yield NewestUse(call.credential_id, call.at, call.address)
        for use in map(AdditionalUse._make, call.uses):
            if use.status < 400:
                yield NewestUse(uuid.UUID(use.credential_id), call.at, use.address)


def count_by_hour(calls: Iterable[Call]) -> dict[HourlyUsageKey, CallCount]:
    """Count the calls by hour, including the other keys that they count for."""
    return _summed((key, CallCount(1, call.at)) for call in calls for key in _usage_keys(call))


def count_by_day(hours: Mapping[HourlyUsageKey, CallCount]) -> dict[DailyUsageKey, CallCount]:
    """Sum the counts by UTC day, over all user agents."""
    return _summed(
        (
            DailyUsageKey(
                *(key.organization_id, key.credential_id, key.hour.astimezone(UTC).date()),
                *(key.method, key.route, key.status_class, key.address, key.scopes),
            ),
            count,
        )
        for key, count in hours.items()
    )


def _summed(counts: Iterable[tuple[RollupKey, CallCount]]) -> dict[RollupKey, CallCount]:
    sums: dict[RollupKey, CallCount] = {}
    for key, count in counts:
        before = sums.get(key, CallCount(0, count.last_at))
        sums[key] = CallCount(before.calls + count.calls, max(before.last_at, count.last_at))
    return sums


def _count_rows(counts: Mapping[Any, CallCount]) -> list[tuple[Any, ...]]:
    return [(*key, *count) for key, count in sorted(counts.items())]


def _usage_keys(call: Call) -> Iterator[HourlyUsageKey]:
    hour = call.at.replace(minute=0, second=0, microsecond=0)
    own = call.credential_id or NO_CREDENTIAL
    rest = call.method, call.route, status_class(call.status), call.address, call.user_agent[:120], call.scopes
    yield HourlyUsageKey(call.organization_id, own, hour, *rest)
    for use in map(AdditionalUse._make, call.uses):
        what = use.method, use.route, status_class(use.status), use.address, use.user_agent[:120], use.scopes
        yield HourlyUsageKey(uuid.UUID(use.organization_id), uuid.UUID(use.credential_id), hour, *what)


def status_class(status: int) -> str:
    """Return 2xx (3xx too), 4xx, 429 or 5xx."""
    if status == 429:
        return "429"
    return "5xx" if status >= 500 else "4xx" if status >= 400 else "2xx"


def _insert_calls(database: BaseDatabaseWrapper, calls: Sequence[Call]) -> Sequence[Call]:
    """Insert the calls that are not stored yet, and return these."""
    if not calls:
        return calls
    insert = _insert_new_postgresql if database.vendor == "postgresql" else _insert_new_sqlite
    new = insert(database.connection, calls)
    return calls if len(new) == len(calls) else [call for call in calls if call.id in new]


def _insert_new_postgresql(driver: Any, calls: Sequence[Call]) -> set[uuid.UUID]:
    # One parameter for the whole batch: PostgreSQL parses the JSON faster than psycopg writes columns.
    rows = json.dumps([dict(zip(CALL_COLUMNS, call, strict=False)) for call in calls], default=str)
    columns = ", ".join(CALL_COLUMNS)
    with Cursor(driver) as cursor:
        cursor.execute(
            f"INSERT INTO audit_apicall ({columns}) SELECT {columns}"  # noqa: S608
            " FROM jsonb_populate_recordset(NULL::audit_apicall, %s::jsonb) ON CONFLICT (id) DO NOTHING RETURNING id",
            [rows],
        )
        return {row[0] for row in cursor}


def _insert_new_sqlite(driver: Any, calls: Sequence[Call]) -> set[uuid.UUID]:
    columns, values = ", ".join(CALL_COLUMNS), ", ".join("?" * len(CALL_COLUMNS))
    statement = f"INSERT INTO audit_apicall ({columns}) VALUES ({values}) ON CONFLICT (id) DO NOTHING RETURNING id"  # noqa: S608
    return {call.id for call in calls if driver.execute(statement, _for_sqlite(call[:-1])).fetchall()}


def _insert(
    database: BaseDatabaseWrapper,
    table: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    unique: tuple[str, ...],
    on_conflict: str,
) -> None:
    """Insert the rows without Django's cursors, whose conversion of each value costs more than the database's work."""
    if not rows:
        return
    conflict = f" ON CONFLICT ({', '.join(unique)}) {on_conflict.format(table=table)}"
    insert = _insert_postgresql if database.vendor == "postgresql" else _insert_sqlite
    insert(database.connection, f"{table} ({', '.join(columns)})", len(columns), rows, conflict)


def _insert_sqlite(driver: Any, target: str, width: int, rows: Sequence[tuple[Any, ...]], conflict: str) -> None:
    placeholders = ", ".join("?" * width)
    driver.executemany(f"INSERT INTO {target} VALUES ({placeholders}){conflict}", map(_for_sqlite, rows))  # noqa: S608


# As Django does for SQLite: ids in hex, times in UTC without a zone.
SQLITE_VALUES: dict[type, Callable[[Any], str]] = {
    uuid.UUID: attrgetter("hex"),
    datetime: lambda at: at.astimezone(UTC).replace(tzinfo=None).isoformat(" "),
    date: date.isoformat,
}


def _for_sqlite(row: Iterable[Any]) -> list[Any]:
    """Return the values of a row as SQLite stores them."""
    return [SQLITE_VALUES[type(value)](value) if type(value) in SQLITE_VALUES else value for value in row]


def _insert_postgresql(driver: Any, target: str, width: int, rows: Sequence[tuple[Any, ...]], conflict: str) -> None:
    with Cursor(driver) as cursor:
        step = MAX_PARAMETERS // width
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            placeholders = ", ".join([f"({', '.join(['%s'] * width)})"] * len(part))
            statement = f"INSERT INTO {target} VALUES {placeholders}{conflict}"  # noqa: S608
            cursor.execute(statement, [value for row in part for value in row])
