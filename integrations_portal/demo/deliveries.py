"""Generates thirty days of events and their deliveries to each endpoint."""

import random
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from apps.base.identifiers import uuid_at
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus, Event
from apps.webhooks.publishing import make_body
from apps.webhooks.types.catalogue import patterns_for
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS
from integrations_portal.demo import attempts
from integrations_portal.demo.activity_times import random_times
from integrations_portal.demo.attempts import (
    BAD_GATEWAY,
    FAILED_RESULTS,
    NO_CONTENT,
    NO_NAME,
    OK,
    REFUSED,
    AttemptResult,
)
from integrations_portal.demo.endpoints import (
    DISABLED_DAYS_AGO,
    FAILING_HOURS_AGO,
    OLD_CRM,
    PAUSED_DAYS_AGO,
    TROUBLE_DAYS_AGO,
    DemoEndpoint,
)
from integrations_portal.demo.receiver import UNREACHABLE, WAREHOUSE
from integrations_portal.demo.users import ACME, RIVAL, DemoAccounts

BATCH = 40  # rows a statement: SQLite takes 999 parameters
PER_DAY = {ACME: 14, RIVAL: 4}
EVENT_WEIGHTS = {
    "order.created": 30, "order.updated": 22, "order.cancelled": 4, "invoice.created": 16, "invoice.paid": 12,
    "appointment.booked": 8, "appointment.cancelled": 2, "license.updated": 2, "assessment.completed": 4,
}  # fmt: skip
# The failing endpoint gets only these events in its last hours, so that its next attempts are hours away.
FAILING_TYPES = ("appointment.booked", "appointment.cancelled", "assessment.completed")
FAILING_EVENTS_HOURS_AGO = (4.6, 4.2, 3.7, 3.2)
LONGEST_RUN = timedelta(hours=80)
TimedResult = tuple[datetime, AttemptResult]


class History(NamedTuple):
    """The history of a delivery: attempts, status and next attempt."""

    tries: list[TimedResult]
    status: str
    next_at: datetime | None = None


def create(rng: random.Random, accounts: DemoAccounts, endpoints: list[DemoEndpoint], now: datetime) -> None:
    """Store events, deliveries and attempts."""
    events: list[Event] = []
    deliveries: list[Delivery] = []
    tries: list[Attempt] = []
    for slug, per_day in PER_DAY.items():
        organization = accounts.organizations[slug]
        receivers = [target for target in endpoints if target.endpoint.organization_id == organization.pk]
        for at, kind in _event_times(rng, slug, per_day, now):
            event = _event(rng, organization.pk, at, kind, len(events))
            events.append(event)
            for target in _matching(receivers, event):
                delivery, made = _deliver(rng, target, event, now)
                event.match_count += 1
                deliveries.append(delivery)
                tries += made
    Event.objects.bulk_create(events, batch_size=BATCH)
    Delivery.objects.bulk_create(sorted(deliveries, key=lambda row: row.pk), batch_size=BATCH)
    Attempt.objects.bulk_create(sorted(tries, key=lambda row: row.pk), batch_size=BATCH)


def _event_times(rng: random.Random, slug: str, per_day: int, now: datetime) -> list[tuple[datetime, str]]:
    found = []
    for at in random_times(rng, now, per_day, now - timedelta(days=29), now - timedelta(minutes=9)):
        kind = rng.choices(list(EVENT_WEIGHTS), weights=list(EVENT_WEIGHTS.values()))[0]
        is_quiet = at > now - timedelta(hours=FAILING_HOURS_AGO + 1) and kind in FAILING_TYPES
        found.append((at, "order.created" if is_quiet else kind))
    if slug == ACME:
        found += [(now - timedelta(hours=hours), FAILING_TYPES[0]) for hours in FAILING_EVENTS_HOURS_AGO]
        found += [(now - timedelta(minutes=minutes), "order.created") for minutes in (55, 31, 9)]
    return sorted(found)


def _event(rng: random.Random, organization_id: Any, at: datetime, kind: str, number: int) -> Event:
    return Event(
        id=uuid_at(at),
        organization_id=organization_id,
        type=kind,
        body=make_body(kind, at, _data(rng, kind, number)),
        publisher="own",
        created_at=at,
    )


def _data(rng: random.Random, kind: str, number: int) -> dict[str, Any]:
    """Return the type's sample payload with varied values."""
    data = deepcopy(HOST_PRODUCT_EVENTS[kind].sample)
    for name in (name for name in data if name.endswith("_id")):
        data[name] = f"{data[name].partition('-')[0]}-{10_000 + number}"
    if "customer" in data:
        data["customer"] = f"CUST-{rng.randint(10, 99)}"
    if "total" in data:
        quantity, cents = rng.randint(1, 6), rng.randint(900, 19_900)
        data["total"]["amount"] = f"{quantity * cents / 100:.2f}"
        for line in data.get("lines", ()):
            line["quantity"], line["price"]["amount"] = quantity, f"{cents / 100:.2f}"
    return data


def _matching(receivers: list[DemoEndpoint], event: Event) -> list[DemoEndpoint]:
    wanted = set(patterns_for(event.type))
    return [
        target
        for target in receivers
        if wanted.intersection(target.endpoint.event_types) and target.endpoint.created_at < event.created_at
    ]


def _deliver(rng: random.Random, target: DemoEndpoint, event: Event, now: datetime) -> tuple[Delivery, list[Attempt]]:
    history = HISTORIES.get(target.name, _healthy)(rng, event.created_at, now)
    last = history.tries[-1] if history.tries else None
    is_over = history.status in (DeliveryStatus.SUCCEEDED, DeliveryStatus.EXHAUSTED)
    delivery = Delivery(
        id=uuid_at(event.created_at),
        organization_id=event.organization_id,
        endpoint=target.endpoint,
        event=event,
        event_type=event.type,
        status=history.status,
        created_at=event.created_at,
        attempt_count=len(history.tries),
        next_attempt_at=history.next_at,
        next_attempt_reason="retry" if history.next_at else "",
        last_status_code=last[1].status_code if last else None,
        last_error=last[1].error if last else "",
        finished_at=last[0] + timedelta(milliseconds=last[1].milliseconds) if last and is_over else None,
    )
    numbered = enumerate(history.tries, start=1)
    return delivery, [attempts.write(rng, target, delivery, event, number, *each) for number, each in numbered]


def _healthy(rng: random.Random, at: datetime, now: datetime) -> History:
    """Usually delivered at the first attempt, sometimes after retries, rarely not at all."""
    roll, good, trouble = rng.random(), rng.choice((OK, OK, NO_CONTENT)), rng.choice(FAILED_RESULTS)
    if roll > 0.985 and at < now - LONGEST_RUN:
        return History([(moment, trouble) for moment in attempts.attempt_times(at, now)], DeliveryStatus.EXHAUSTED)
    failures = 0 if roll < 0.91 else 1 if roll < 0.965 else rng.randint(2, 4)
    planned = attempts.attempt_times(at, now - timedelta(minutes=1)) or [at]
    failures = min(failures, len(planned) - 1)
    tries = [(moment, trouble) for moment in planned[:failures]]
    return History([*tries, (planned[failures], good)], DeliveryStatus.SUCCEEDED)


def _paused(rng: random.Random, at: datetime, now: datetime) -> History:
    if at > now - timedelta(days=PAUSED_DAYS_AGO):
        return History([], DeliveryStatus.HELD)
    return _healthy(rng, at, now - timedelta(days=PAUSED_DAYS_AGO))


def _failing(rng: random.Random, at: datetime, now: datetime) -> History:
    if at < now - timedelta(hours=FAILING_HOURS_AGO, minutes=1):
        return History([(at, NO_CONTENT)], DeliveryStatus.SUCCEEDED)
    tries = [(moment, REFUSED) for moment in attempts.attempt_times(at, now)]
    return History(tries, DeliveryStatus.PENDING, attempts.next_attempt_time(tries[-1][0], len(tries)))


def _disabled(rng: random.Random, at: datetime, now: datetime) -> History:
    """Delivered, then failing for five days, then held."""
    trouble, off = now - timedelta(days=TROUBLE_DAYS_AGO), now - timedelta(days=DISABLED_DAYS_AGO)
    if at < trouble:
        return History([(at, OK)], DeliveryStatus.SUCCEEDED)
    result = BAD_GATEWAY if at < trouble + timedelta(days=2) else NO_NAME
    tries = [(moment, result) for moment in attempts.attempt_times(at, off)]
    is_over = len(tries) > len(attempts.RETRY_WAITS)
    return History(tries, DeliveryStatus.EXHAUSTED if is_over else DeliveryStatus.HELD)


HISTORIES = {WAREHOUSE: _paused, UNREACHABLE: _failing, OLD_CRM: _disabled}
