"""The database's clock beside this machine's: one rules, the other is watched.

What is due, leases and retries follow the database. Signatures carry its time too, for receivers refuse what is more
than five minutes off. A machine whose clock disagrees raises an alarm: in its log, and as a metric.
"""

import logging
import time
from datetime import UTC, datetime, timedelta

from apps.base.timestamps import database_seconds

logger = logging.getLogger(__name__)

MOST_OFFSET_SECONDS = 3.0
SAID_EVERY_SECONDS = 60.0

_offset = 0.0
_said_at: float | None = None


def offset() -> float:
    """Return by how many seconds this machine was ahead of the database when they were last compared."""
    return _offset


def now() -> datetime:
    """Return the database's time, without asking it: as far as the last comparison tells."""
    return datetime.now(UTC) - timedelta(seconds=_offset)


def check() -> float:
    """Compare the clocks, raise the alarm where they are more than 3 s apart, and return the offset."""
    global _offset
    _offset = measure()
    _alarm()
    return _offset


def measure() -> float:
    """Return by how many seconds this machine is ahead; what the question took may be in it by half."""
    before = time.time()
    theirs = database_seconds()
    return (before + time.time()) / 2 - theirs


def _alarm() -> None:
    """Say it once a minute while it lasts, and once when it is over."""
    global _said_at
    is_off = abs(_offset) > MOST_OFFSET_SECONDS
    if is_off and (_said_at is None or time.monotonic() - _said_at >= SAID_EVERY_SECONDS):
        _said_at = time.monotonic()
        logger.critical("this machine's clock is %.1f s off the database's: set it by NTP", _offset)
    elif not is_off and _said_at is not None:
        _said_at = None
        logger.warning("this machine's clock agrees with the database's again")
