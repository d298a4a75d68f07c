"""Calculate delivery statistics for pages, without counting whole tables."""

import uuid
from collections import defaultdict
from datetime import timedelta
from typing import NamedTuple

from django.utils import timezone

from apps.base.actor import Actor
from apps.base.identifiers import uuid_at
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus, Endpoint, Event
from apps.webhooks.stats import hourly_rollup

# The number of newest events that the fan-out is calculated from.
MAX_EVENTS = 10_000
# The number of newest attempts that the slowest endpoint is searched among, and the minimum for each endpoint.
MAX_ATTEMPTS = 1000
MIN_ATTEMPTS = 5
# The number of newest deliveries that the first successes are searched among.
MAX_DELIVERIES = 200


class FanOut(NamedTuple):
    """The number of events, of their deliveries, and of the deliveries of the largest event."""

    events: int
    deliveries: int
    most: int
    is_more: bool


class SlowestEndpoint(NamedTuple):
    """The endpoint with the highest 95th percentile of attempt durations, in milliseconds."""

    endpoint: Endpoint
    milliseconds: float


class FirstSuccesses(NamedTuple):
    """Whether a test and a real event were ever delivered."""

    test: bool
    event: bool


def attempts_by_hour_24h(actor: Actor) -> list[tuple[int, int]]:
    """Return the attempts that succeeded and failed in each of the last 24 hours, oldest first."""
    series = hourly_rollup.last_24h(actor).values()
    return [(sum(ok for ok, _ in column), sum(failed for _, failed in column)) for column in zip(*series, strict=True)]


def fan_out_24h(actor: Actor) -> FanOut:
    """Return the fan-out of the organization's newest events of the last day; ``is_more`` if not all were counted."""
    rows = Event.objects.for_actor(actor).filter(test=False, pk__gt=uuid_at(timezone.now() - timedelta(days=1)))
    counts = list(rows.order_by("-pk").values_list("match_count", flat=True)[: MAX_EVENTS + 1])
    is_more, counts = len(counts) > MAX_EVENTS, counts[:MAX_EVENTS]
    return FanOut(len(counts), sum(counts), max(counts, default=0), is_more)


def slowest_endpoint_24h(actor: Actor) -> SlowestEndpoint | None:
    """Return the slowest endpoint by the 95th percentile of its newest attempts, or None if there are too few."""
    since = uuid_at(timezone.now() - timedelta(days=1))
    rows = Attempt.objects.for_actor(actor).filter(pk__gt=since).order_by("-pk")
    durations: dict[uuid.UUID, list[float]] = defaultdict(list)
    for endpoint_id, duration in rows.values_list("endpoint_id", "duration_ms")[:MAX_ATTEMPTS]:
        if duration is not None:
            durations[endpoint_id].append(duration)
    slow = {key: _p95(times) for key, times in durations.items() if len(times) >= MIN_ATTEMPTS}
    for key in sorted(slow, key=lambda each: -slow[each])[:1]:
        endpoint = Endpoint.objects.for_actor(actor).filter(pk=key).first()
        return SlowestEndpoint(endpoint, slow[key]) if endpoint else None
    return None


def _p95(times: list[float]) -> float:
    """Return the 95th percentile by nearest rank."""
    return sorted(times)[-(-len(times) * 95 // 100) - 1]


def first_successes(actor: Actor) -> FirstSuccesses:
    """Return whether a test and a real event were ever delivered, as far as the newest deliveries show."""
    has_success = Endpoint.objects.for_actor(actor).exclude(last_success_at=None).exists()
    if has_success:
        return FirstSuccesses(True, True)
    newest = Delivery.objects.for_actor(actor).order_by("-pk").values_list("status", "test")[:MAX_DELIVERIES]
    succeeded = {test for status, test in newest if status == DeliveryStatus.SUCCEEDED}
    return FirstSuccesses(True in succeeded, False in succeeded)
