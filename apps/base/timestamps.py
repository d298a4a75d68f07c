"""Read and write times: in the API (UTC, RFC 3339), and in pages and mails (the reader's language and zone)."""

import re
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.translation import pgettext

from apps.base.errors import Invalid

NOW = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())::float8",
    # The clock of the machine, also where tests set that of the process.
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400",
}

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
INSTANT = re.compile(rf"{DAY.pattern}T\d\d:\d\d:\d\dZ", re.ASCII)
# RFC 3339 section 5.6: T and Z in either case, and a fraction of any length that clocks write.
CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
LOCAL_TIME = re.compile(rf"{DAY.pattern}T{CLOCK}(?::[0-5]\d)?", re.ASCII)
TIME = re.compile(rf"({DAY.pattern})[Tt]({CLOCK}:[0-5]\d)(?:\.(\d{{1,20}}))?([Zz]|[+-]{CLOCK})", re.ASCII)


def format_timestamp(moment: datetime | None) -> str | None:
    """Format the time of a resource: UTC, whole seconds, ``Z`` (RFC 3339)."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")[:-6] + "Z"


def format_timestamp_ms(moment: datetime | None) -> str | None:
    """Format the time of an event, delivery, attempt or log entry: UTC with milliseconds."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_timestamp(name: str, text: str) -> datetime:
    """Parse an RFC 3339 time, or a date, which is 00:00 UTC; or raise Invalid naming the field.

    Every time from outside is parsed here.
    """
    try:
        if DAY.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        match = TIME.fullmatch(text)
        if match:
            day, clock, fraction, zone = match.groups()
            whole = f"{day}T{clock}.{(fraction or '')[:6]:0<6}{zone.upper()}"
            return datetime.fromisoformat(whole).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid.field(name, f"{name} must be a time such as 2026-11-22T10:00:00Z, or a date such as 2026-11-22.")


def parse_day(name: str, text: str) -> date:
    """Parse a day such as 2026-11-22, or raise Invalid naming the field."""
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Invalid.field(name, f"{name} must be a day such as 2026-11-22.")


def format_date_for_reader(moment: datetime | date, style: str) -> str:
    """Format a time in the active language.

    ``style``: ``date``, ``short`` (to the minute), ``exact`` (to the second) or ``clock`` (time of day).
    """
    day = pgettext("date format, see Django's date filter", "j M Y")
    styles = {"clock": "H:i:s", "exact": f"{day}, H:i:s T", "short": f"{day}, H:i T"}
    return format_date(moment, styles.get(style, day))


def readable(value: object) -> object:
    """Format a time or day of the API in the active language and zone; return anything else unchanged."""
    if not isinstance(value, str):
        return value
    if INSTANT.fullmatch(value):
        return format_date_for_reader(timezone.localtime(datetime.fromisoformat(value)), "short")
    return format_date_for_reader(date.fromisoformat(value), "date") if DAY.fullmatch(value) else value


def time_zone_of(name: str) -> tzinfo:
    """Return the time zone of a name such as ``Europe/Paris``; UTC for an empty or unknown name."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def database_now() -> datetime:
    """Return the current time of the database's clock."""
    return datetime.fromtimestamp(database_seconds(), UTC)


def database_seconds() -> float:
    """Return the current time of the database's clock in seconds since 1970."""
    with connection.cursor() as cursor:
        cursor.execute(NOW[connection.vendor])
        return float(cursor.fetchone()[0])
