"""Change the state of deliveries: claim due ones, record results, release expired leases.

Only this package changes the state of deliveries. The two SQL dialects are in ``postgresql.py`` and ``sqlite.py``.
"""

import uuid
from collections.abc import Iterable
from types import ModuleType

from django.conf import settings
from django.db import connection

from apps.webhooks.engine.claims import postgresql, sqlite
from apps.webhooks.engine.claims.manual_changes import (
    count_unattempted,
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
from apps.webhooks.engine.claims.rows import ClaimedDelivery, ClaimLimits, EndpointSnapshot, Result
from apps.webhooks.engine.crash_points import CRASH_AT, LEASE_MARGIN_SECONDS, crash

__all__ = [
    "ClaimLimits",
    "ClaimedDelivery",
    "EndpointSnapshot",
    "Result",
    "claim",
    "count_unattempted",
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

RELEASE_BATCH_SIZE = 1000
# The share of the requests in flight to one host and port that its slow endpoints can have.
MAX_SLOW_SHARE = 0.4


def _dialect() -> ModuleType:
    return postgresql if connection.vendor == "postgresql" else sqlite


def lease_seconds() -> float:
    """Return how long a claim lasts: the timeout of one request and a margin."""
    return settings.WEBHOOK_TIMEOUT + LEASE_MARGIN_SECONDS


def claim(
    limit: int, endpoint_share: float = 1.0, slow: Iterable[uuid.UUID] = (), slow_limit: int | None = None
) -> list[ClaimedDelivery]:
    """Claim up to ``limit`` due deliveries and start an attempt of each, in one short transaction.

    The caps on deliveries in flight hold over all workers: ``max_in_flight`` per endpoint, 200 per organization, and
    WEBHOOK_HOST_IN_FLIGHT per organization, host and port. Rate limits apply. First attempts go before retries, then
    endpoints take turns, oldest delivery first. Beyond its first slot, an endpoint gets at most ``endpoint_share`` of
    the free slots. Failing endpoints have at most four in flight; they and those in ``slow`` together get at most
    ``slow_limit`` of the deliveries.
    """
    max_slow = limit if slow_limit is None else slow_limit
    host_limit = settings.WEBHOOK_HOST_IN_FLIGHT
    caps = {"target_in_flight": host_limit, "target_slow": max(1, int(host_limit * MAX_SLOW_SHARE))}
    limits = ClaimLimits(limit, lease_seconds(), endpoint_share, tuple(slow), max_slow, **caps)
    claimed: list[ClaimedDelivery] = _dialect().claim(limits)
    if CRASH_AT == "after_claim":
        crash()
    return claimed


def finish(results: list[Result]) -> set[uuid.UUID]:
    """Record results whose lease token still matches and return the ids of those deliveries.

    The lease of the other deliveries has passed to another worker, and their rows stay unchanged.
    """
    return _dialect().finish(results) if results else set()


# The periodic job webhooks.release_expired_leases (apps.py).
def release_expired() -> int:
    """Make deliveries with an expired lease due again and return their number.

    Their attempts are recorded as lost, which neither uses up the schedule nor counts against the endpoint.
    """
    released = 0
    while count := _dialect().release_expired(RELEASE_BATCH_SIZE, lease_seconds()):
        released += count
        if count < RELEASE_BATCH_SIZE:
            break
    return released


def next_due_in() -> float | None:
    """Return the seconds until a delivery is due (0 or less: now), or None if none is pending."""
    seconds: float | None = _dialect().next_due_in()
    return seconds
