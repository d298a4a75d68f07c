"""Times as the API writes and reads them: UTC, RFC 3339."""

from datetime import UTC, datetime


def instant(moment: datetime | None) -> str | None:
    """This will write a time of a resource: UTC, whole seconds, ``Z`` (RFC 3339)."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")[:-6] + "Z"


def instant_ms(moment: datetime | None) -> str | None:
    """This will write a time of an event, delivery, attempt or log: UTC with milliseconds."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
