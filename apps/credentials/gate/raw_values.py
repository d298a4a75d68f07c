"""Values off a raw cursor, whichever database returned them."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any


def as_uuid(value: Any) -> uuid.UUID:
    """Read a UUID as either database returns it."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def as_json(value: Any) -> Any:
    """Read JSON as either database returns it on a raw cursor."""
    return json.loads(value) if isinstance(value, str) else value


def as_seconds(value: Any) -> float | None:
    """Read a time as either database returns it, as seconds since 1970."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def to_datetime(seconds: float | None) -> datetime | None:
    """Return the moment in UTC, or None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
