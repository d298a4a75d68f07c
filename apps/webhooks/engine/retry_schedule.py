"""Calculate when a failed delivery is retried."""

import random
from collections.abc import Sequence

JITTER = 0.2
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0


def retry_delay(counted_attempts: int, waits: Sequence[int], retry_after: float | None = None) -> float | None:
    """Return the seconds until the next attempt, or None if the schedule is used up.

    ``counted_attempts`` is at least 1. Each wait has a jitter of ±20 %. ``retry_after``, in seconds, can lengthen the
    wait to up to a day, and never shortens it.
    """
    if counted_attempts > len(waits):
        return None
    wait = with_jitter(waits[counted_attempts - 1])
    return wait if retry_after is None else max(wait, min(retry_after, MAX_RETRY_AFTER_SECONDS))


def with_jitter(seconds: float) -> float:
    """Return the wait with jitter, so that deliveries that failed together are not retried together."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - nothing secret
