"""Compare this machine's clock with the database's, which is authoritative.

Due times, leases and retries use the database's time. So do signatures, because endpoints reject timestamps that are
more than five minutes off. A difference of more than MAX_OFFSET_SECONDS is logged and exported as a metric.
"""

import logging
import time
from datetime import UTC, datetime, timedelta

from apps.base.timestamps import database_seconds

logger = logging.getLogger(__name__)

MAX_OFFSET_SECONDS = 3.0
LOG_EVERY_SECONDS = 60.0

_offset = 0.0
_logged_at: float | None = None


def offset() -> float:
    """Return how many seconds this machine was ahead of the database at the last comparison."""
    return _offset


def now() -> datetime:
    """Return the database's time without a query, estimated from the last comparison."""
    return datetime.now(UTC) - timedelta(seconds=_offset)


def check() -> float:
    """Compare the clocks, log an error if they are more than 3 s apart, and return the offset in seconds."""
    global _offset
    _offset = measure()
    _log_alarm()
    return _offset


def measure() -> float:
    """Return how many seconds this machine is ahead, to within half the query's duration."""
    before = time.time()
    database_time = database_seconds()
    return (before + time.time()) / 2 - database_time


def _log_alarm() -> None:
    """Log once a minute while the clock is off, and once when it agrees again."""
    global _logged_at
    is_off = abs(_offset) > MAX_OFFSET_SECONDS
    if is_off and (_logged_at is None or time.monotonic() - _logged_at >= LOG_EVERY_SECONDS):
        _logged_at = time.monotonic()
        logger.critical("this machine's clock is %.1f s off the database's: set it by NTP", _offset)
    elif not is_off and _logged_at is not None:
        _logged_at = None
        logger.warning("this machine's clock agrees with the database's again")
