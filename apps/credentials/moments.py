"""Seconds since 1970 as moments: the gate keeps the former, answers write the latter."""

from datetime import UTC, datetime


def to_datetime(seconds: float | None) -> datetime | None:
    """Return the moment in UTC, or None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
