"""Reading changes as links of the chain, in both SQL dialects.

Bypasses Django's converters, which cost more than the hashing: a time is read as the text that is hashed, the changes
as the stored JSON text.
"""

import uuid
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from apps.audit.seal.chain import Link

TEXT_COLUMNS = (
    *("actor_kind", "actor_id", "actor_label", "action", "target_kind", "target_id", "target_label"),
    *("changes", "outcome", "address", "user_agent", "request_id"),
)  # fmt: skip
AT_POSTGRESQL = """to_char({0}.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')"""


def columns(database: BaseDatabaseWrapper, alias: str = "e") -> str:
    """Return the SELECT list that ``to_link`` reads: the id, the time, the texts."""
    at = AT_POSTGRESQL.format(alias) if database.vendor == "postgresql" else f"CAST({alias}.at AS text)"
    changes = f"{alias}.changes::text" if database.vendor == "postgresql" else f"{alias}.changes"
    rest = ", ".join(changes if name == "changes" else f"{alias}.{name}" for name in TEXT_COLUMNS)
    return f"{alias}.id, {at}, {rest}"


def database_id(database: BaseDatabaseWrapper, value: uuid.UUID) -> Any:
    """Return an id as the database stores it."""
    return value if database.vendor == "postgresql" else value.hex


def to_link(row: tuple[Any, ...]) -> Link:
    """Return a row selected by ``columns`` as a link."""
    entry_id = row[0] if isinstance(row[0], uuid.UUID) else uuid.UUID(hex=row[0])
    return Link(entry_id, api_time(row[1]), *row[2:])


def api_time(text: str) -> str:
    """Format a stored time as the API does; a finer fraction is not cut, so that a changed time does not match."""
    day_and_time, fraction = text[:10] + "T" + text[11:19], text[20:].ljust(6, "0")
    return f"{day_and_time}.{fraction[:3] if fraction[3:] == '000' else fraction}Z"
