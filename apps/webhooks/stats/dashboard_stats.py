"""Figures about deliveries for pages; none of them counts the log."""

import uuid
from collections import defaultdict
from datetime import timedelta
from typing import NamedTuple

from django.utils import timezone

from apps.base.actor import Actor
from apps.base.identifiers import uuid_at
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus, Endpoint, Event
from apps.webhooks.stats import hourly_rollup

# The newest events, whose deliveries are added up.
MOST_EVENTS = 10_000
# The newest attempts of the last day, from which the slowest endpoint is told.
MOST_ATTEMPTS = 1000
FEWEST_ATTEMPTS = 5
# The newest deliveries, among which the first answers are looked for.
MOST_DELIVERIES = 200


class FanOut(NamedTuple):
    """How many events there were, the deliveries that they became, and the most of a single one."""

    events: int
    deliveries: int
    most: int
    is_more: bool


class SlowestEndpoint(NamedTuple):
    """The endpoint whose slowest twentieth is slowest, and where that begins."""

    endpoint: Endpoint
    milliseconds: float


class FirstSuccesses(NamedTuple):
    """Whether a receiver answered 2xx: to a test, to a real event."""

    test: bool
    event: bool


def hours_24h(actor: Actor) -> list[tuple[int, int]]:
    """Return the attempts that succeeded and failed in each of the last 24 hours, oldest first."""
    series = hourly_rollup.last_24h(actor).values()
    return [(sum(good for good, _ in column), sum(bad for _, bad in column)) for column in zip(*series, strict=True)]


def fan_out_24h(actor: Actor) -> FanOut:
    """Return what the organization's newest events of the last day became; ``is_more``: there were more events."""
    rows = Event.objects.for_actor(actor).filter(test=False, pk__gt=uuid_at(timezone.now() - timedelta(days=1)))
    counts = list(rows.order_by("-pk").values_list("match_count", flat=True)[: MOST_EVENTS + 1])
    is_more, counts = len(counts) > MOST_EVENTS, counts[:MOST_EVENTS]
    return FanOut(len(counts), sum(counts), max(counts, default=0), is_more)


def slowest_p95(actor: Actor) -> SlowestEndpoint | None:
    """Return the slowest endpoint by the 95th percentile of its newest attempts; None without enough."""
    since = uuid_at(timezone.now() - timedelta(days=1))
    rows = Attempt.objects.for_actor(actor).filter(pk__gt=since).order_by("-pk")
    taken: dict[uuid.UUID, list[float]] = defaultdict(list)
    for endpoint_id, duration in rows.values_list("endpoint_id", "duration_ms")[:MOST_ATTEMPTS]:
        if duration is not None:
            taken[endpoint_id].append(duration)
    slow = {key: _p95(times) for key, times in taken.items() if len(times) >= FEWEST_ATTEMPTS}
    for key in sorted(slow, key=lambda each: -slow[each])[:1]:
        endpoint = Endpoint.objects.for_actor(actor).filter(pk=key).first()
        return SlowestEndpoint(endpoint, slow[key]) if endpoint else None
    return None


def _p95(times: list[float]) -> float:
    """Nearest rank: the smallest time that is no shorter than 95 % of all."""
    return sorted(times)[-(-len(times) * 95 // 100) - 1]


def first_successes(actor: Actor) -> FirstSuccesses:
    """Tell whether a test and a real event ever arrived, as far as endpoints and newest deliveries know."""
    arrived = Endpoint.objects.for_actor(actor).exclude(last_success_at=None).exists()
    if arrived:
        return FirstSuccesses(True, True)
    newest = Delivery.objects.for_actor(actor).order_by("-pk").values_list("status", "test")[:MOST_DELIVERIES]
    good = {test for status, test in newest if status == DeliveryStatus.SUCCEEDED}
    return FirstSuccesses(True in good, False in good)
