"""Conversion of values from a raw cursor, for both databases."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any


def as_uuid(value: Any) -> uuid.UUID:
    """Return a UUID."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def as_json(value: Any) -> Any:
    """Return parsed JSON."""
    return json.loads(value) if isinstance(value, str) else value


def as_seconds(value: Any) -> float | None:
    """Return a time as seconds since 1970, or None."""
    if value is None:
        return None
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def to_datetime(seconds: float | None) -> datetime | None:
    """Return seconds since 1970 as a datetime in UTC, or None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
