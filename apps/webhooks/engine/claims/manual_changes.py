"""Change deliveries for users and operators: hold, release, drop, resend, test.

Each function runs in the caller's transaction, after the caller has changed or locked the row of the endpoint or
organization. Publishing, claiming and finishing wait for that row or skip it, so the change applies to all deliveries.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, EndpointStatus, Event, ReplayJob

UNSENT = (DeliveryStatus.PENDING, DeliveryStatus.HELD)


def _hold(rows: QuerySet[Delivery]) -> int:
    return rows.filter(status=DeliveryStatus.PENDING, test=False).update(
        status=DeliveryStatus.HELD, next_attempt_at=None, next_attempt_reason=""
    )


def _release(rows: QuerySet[Delivery]) -> int:
    return rows.filter(status=DeliveryStatus.HELD).update(
        status=DeliveryStatus.PENDING, next_attempt_at=Now(), next_attempt_reason="released"
    )


def hold(endpoint_id: uuid.UUID) -> int:
    """Hold an endpoint's pending deliveries until they are released, except tests."""
    return _hold(Delivery.objects.filter(endpoint_id=endpoint_id))


def release(endpoint_id: uuid.UUID) -> int:
    """Make an endpoint's held deliveries due now; its rate limit applies."""
    return _release(Delivery.objects.filter(endpoint_id=endpoint_id))


def drop(endpoint_id: uuid.UUID, *statuses: str) -> int:
    """Drop an endpoint's deliveries in the given statuses, by default all pending and held ones."""
    rows = Delivery.objects.filter(endpoint_id=endpoint_id, status__in=statuses or UNSENT)
    return rows.update(status=DeliveryStatus.DROPPED, next_attempt_at=None, next_attempt_reason="", finished_at=Now())


def hold_organization(organization_id: uuid.UUID) -> int:
    """Hold the pending deliveries of an organization that was just suspended."""
    endpoints = Endpoint.objects.filter(organization_id=organization_id).values("pk")
    return _hold(Delivery.objects.filter(endpoint_id__in=endpoints))


def release_organization(organization_id: uuid.UUID) -> int:
    """Release the held deliveries of enabled endpoints of an organization that was just resumed."""
    endpoints = Endpoint.objects.existing().filter(organization_id=organization_id, status=EndpointStatus.ENABLED)
    return _release(Delivery.objects.filter(endpoint_id__in=endpoints.values("pk")))


def send_now(delivery_id: uuid.UUID) -> bool:
    """Make a pending delivery due now and return whether it was still pending."""
    rows = Delivery.objects.filter(pk=delivery_id, status=DeliveryStatus.PENDING)
    return bool(rows.update(next_attempt_at=Now(), next_attempt_reason="manual"))


def resend(delivery: Delivery) -> Delivery:
    """Create a copy of a finished delivery; it has the same event, so the same webhook-id, and a new retry schedule."""
    return _create_delivery(delivery.event, delivery.endpoint, test=delivery.test, replay_of=delivery, reason="manual")


def send_test(event: Event, endpoint: Endpoint) -> Delivery:
    """Create the delivery of a test event."""
    return _create_delivery(event, endpoint, test=True, replay_of=None, reason="test")


def _create_delivery(
    event: Event, endpoint: Endpoint, *, test: bool, replay_of: Delivery | None, reason: str
) -> Delivery:
    delivery = Delivery(
        organization_id=endpoint.organization_id,
        endpoint=endpoint,
        event=event,
        event_type=event.type,
        test=test,
        replay_of=replay_of,
        created_at=Now(),
        next_attempt_at=Now(),
        next_attempt_reason=reason,
    )
    delivery.save(force_insert=True)
    delivery.refresh_from_db()
    return delivery


def newest_per_event(endpoint_id: uuid.UUID) -> QuerySet[Delivery]:
    """Return the newest delivery of each event to an endpoint, excluding tests."""
    later = Delivery.objects.filter(event=OuterRef("event"), endpoint=OuterRef("endpoint"), pk__gt=OuterRef("pk"))
    return Delivery.objects.filter(~Exists(later), endpoint_id=endpoint_id, test=False)


def create_replays(job: ReplayJob, due: Iterable[tuple[Delivery, datetime]]) -> int:
    """Create a copy of each delivery, due at the given time, and return their number.

    Each copy has the same event, so the same webhook-id, and a new retry schedule. The caller must have locked the row
    of the job; the constraint ``one_delivery_per_replay`` also prevents duplicates.
    """
    rows = [
        Delivery(
            organization_id=job.organization_id,
            endpoint_id=job.endpoint_id,
            event_id=each.event_id,
            event_type=each.event_type,
            replay_of_id=each.pk,
            replay_job=job,
            created_at=Now(),
            next_attempt_at=due_at,
            next_attempt_reason="replay",
        )
        for each, due_at in due
    ]
    Delivery.objects.bulk_create(rows)
    return len(rows)


def count_unattempted(job: ReplayJob) -> int:
    """Return how many of the job's deliveries have not finished their first attempt."""
    unattempted = Q(status=DeliveryStatus.PENDING, attempt_count=0) | Q(status=DeliveryStatus.SENDING, attempt_count=1)
    return Delivery.objects.filter(unattempted, replay_job=job).count()
