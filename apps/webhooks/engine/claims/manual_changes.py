"""Changes that users and operators make to deliveries: hold, release, drop, resend, test.

Each runs in the caller's transaction, after the caller changed or locked the row of the endpoint or organization:
publishing, claiming and finishing wait for that row or skip it, so that no delivery escapes the change.
"""

import uuid

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, EndpointStatus, Event

WAITING = (DeliveryStatus.PENDING, DeliveryStatus.HELD)


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
    """Drop an endpoint's deliveries in the given statuses, by default all that wait."""
    rows = Delivery.objects.filter(endpoint_id=endpoint_id, status__in=statuses or WAITING)
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
    """Create a new delivery of a finished one: the same event, so the same webhook-id, with a new retry schedule."""
    return _create(delivery.event, delivery.endpoint, test=delivery.test, replay_of=delivery, reason="manual")


def send_test(event: Event, endpoint: Endpoint) -> Delivery:
    """Create the delivery of a test event."""
    return _create(event, endpoint, test=True, replay_of=None, reason="test")


def _create(event: Event, endpoint: Endpoint, *, test: bool, replay_of: Delivery | None, reason: str) -> Delivery:
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
