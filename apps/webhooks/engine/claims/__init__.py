"""State changes of deliveries: claim due ones, record results, release expired leases.

Only this package changes the state of deliveries. The two SQL dialects are in ``postgresql.py`` and ``sqlite.py``.
"""

import uuid
from collections.abc import Iterable
from types import ModuleType

from django.conf import settings
from django.db import connection

from apps.webhooks.engine.claims import postgresql, sqlite
from apps.webhooks.engine.claims.manual_changes import (
    count_untried,
    create_replays,
    drop,
    hold,
    hold_organization,
    newest_per_event,
    release,
    release_organization,
    resend,
    send_now,
    send_test,
)
from apps.webhooks.engine.claims.rows import ClaimedDelivery, EndpointSnapshot, Limits, Result
from apps.webhooks.engine.crash_points import CRASH_AT, LEASE_MARGIN_SECONDS, crash

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
# Of the requests in flight to one host and port, for its slow endpoints.
MAX_SLOW_SHARE = 0.4


def _dialect() -> ModuleType:
    return postgresql if connection.vendor == "postgresql" else sqlite


def lease_seconds() -> float:
    """Return how long a claim lasts: the timeout of one request and a margin."""
    return settings.WEBHOOK_TIMEOUT + LEASE_MARGIN_SECONDS


def claim(
    limit: int, part_of_one: float = 1.0, slow: Iterable[uuid.UUID] = (), slow_limit: int | None = None
) -> list[ClaimedDelivery]:
    """Claim up to ``limit`` due deliveries and start an attempt of each, in one short transaction.

    Caps on deliveries in flight, exact over all workers: ``max_in_flight`` per endpoint, 200 per organization, and
    WEBHOOK_HOST_IN_FLIGHT per organization and host and port. Rate limits apply. First attempts go before retries, then
    endpoints take turns, oldest delivery first. Beyond its first slot, an endpoint gets at most ``part_of_one`` of the
    free ones. Failing endpoints have at most four in flight; they and those in ``slow`` get at most ``slow_limit`` of
    the deliveries.
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
    if CRASH_AT == "after_claim":
        crash()
    return claimed


def finish(results: list[Result]) -> set[uuid.UUID]:
    """Record results where the lease token still matches and return the ids of those deliveries.

    Another worker has the lease of the missing ones; they are unchanged.
    """
    return _dialect().finish(results) if results else set()


# The periodic job webhooks.release_expired_leases (apps.py).
def release_expired() -> int:
    """Make deliveries with an expired lease due again and return their number.

    Their attempt is recorded as lost; it neither uses up the schedule nor counts against the endpoint.
    """
    released = 0
    while count := _dialect().release_expired(RELEASED_AT_ONCE, lease_seconds()):
        released += count
        if count < RELEASED_AT_ONCE:
            break
    return released


def next_due_in() -> float | None:
    """Return the seconds until a delivery is due (0 or less: now), None where none is pending."""
    seconds: float | None = _dialect().next_due_in()
    return seconds
