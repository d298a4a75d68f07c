"""Moving deliveries: claim what is due, finish what was sent, take back what a dead worker held.

This package alone changes the state of deliveries. The two SQL dialects live in ``postgresql.py`` and ``sqlite.py``.
"""

import uuid
from collections.abc import Iterable
from types import ModuleType

from django.conf import settings
from django.db import connection

from apps.webhooks.engine.claims import postgresql, sqlite
from apps.webhooks.engine.claims.manual_changes import (
    drop,
    hold,
    hold_organization,
    release,
    release_organization,
    resend,
    send_now,
    send_test,
)
from apps.webhooks.engine.claims.replayed import count_untried, create_replays, newest_per_event
from apps.webhooks.engine.claims.rows import ClaimedDelivery, EndpointSnapshot, Limits, Result
from apps.webhooks.engine.crash_points import lease_margin, reach

__all__ = [
    "ClaimedDelivery",
    "EndpointSnapshot",
    "Limits",
    "Result",
    "claim",
    "count_untried",
    "create_replays",
    "drop",
    "finish",
    "hold",
    "hold_organization",
    "lease_seconds",
    "newest_per_event",
    "next_due_in",
    "release",
    "release_expired",
    "release_organization",
    "resend",
    "send_now",
    "send_test",
]

RELEASED_AT_ONCE = 1000
# Of the places of one host and port, for the endpoints there that are slow.
MAX_SLOW_SHARE = 0.4


def _dialect() -> ModuleType:
    return postgresql if connection.vendor == "postgresql" else sqlite


def lease_seconds() -> float:
    """Return how long a claimed delivery is its worker's own: one request's time limit and a margin."""
    return settings.WEBHOOK_TIMEOUT + lease_margin()


def claim(
    limit: int, part_of_one: float = 1.0, slow: Iterable[uuid.UUID] = (), slow_limit: int | None = None
) -> list[ClaimedDelivery]:
    """Take up to ``limit`` due deliveries and start an attempt of each, in one short transaction.

    Fair: at most ``max_in_flight`` for an endpoint, 200 for an organization and WEBHOOK_HOST_IN_FLIGHT for what one
    organization sends to one host and port, with those in flight; an endpoint's rate, first tries before retries,
    endpoints in turn, oldest first. The caps are exact over all workers. Beyond its first, an endpoint comes to hold at
    most ``part_of_one`` of what is still free. Endpoints that fail have at most four in flight; they and those named
    ``slow`` get ``slow_limit`` of the deliveries at most.
    """
    most_slow = limit if slow_limit is None else slow_limit
    of_host = settings.WEBHOOK_HOST_IN_FLIGHT
    limits = Limits(
        limit,
        lease_seconds(),
        part_of_one,
        tuple(slow),
        most_slow,
        target_in_flight=of_host,
        target_slow=max(1, int(of_host * MAX_SLOW_SHARE)),
    )
    claimed: list[ClaimedDelivery] = _dialect().claim(limits)
    reach("after_claim")
    return claimed


def finish(results: list[Result]) -> set[uuid.UUID]:
    """Record results where the lease token still matches and return those deliveries.

    What is missing in the answer was lost to another worker; nothing of it was touched.
    """
    return _dialect().finish(results) if results else set()


# The periodic job webhooks.release_expired_leases (apps.py).
def release_expired() -> int:
    """Make deliveries due again whose worker did not come back within the lease, and count them.

    Their attempt is closed as lost; it neither uses up the schedule nor counts against the endpoint.
    """
    released = 0
    while count := _dialect().release_expired(RELEASED_AT_ONCE, lease_seconds()):
        released += count
        if count < RELEASED_AT_ONCE:
            break
    return released


def next_due_in() -> float | None:
    """Return the seconds until something is due (0 or less: now), None where nothing waits."""
    seconds: float | None = _dialect().next_due_in()
    return seconds
