"""Deliveries that a replay job creates: new rows for old events, in batches, in the job's transaction."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.webhooks.models import Delivery, DeliveryStatus, ReplayJob


def newest_per_event(endpoint_id: uuid.UUID) -> QuerySet[Delivery]:
    """Return the newest delivery of each event to an endpoint, without tests."""
    later = Delivery.objects.filter(event=OuterRef("event"), endpoint=OuterRef("endpoint"), pk__gt=OuterRef("pk"))
    return Delivery.objects.filter(~Exists(later), endpoint_id=endpoint_id, test=False)


def create_replays(job: ReplayJob, due: Iterable[tuple[Delivery, datetime]]) -> int:
    """Create a new delivery of each, due at the given time, and return their number.

    Each has the same event, so the same webhook-id, and a new retry schedule. The caller has locked the job's row; the
    constraint ``one_delivery_per_replay`` backs this up.
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


def count_untried(job: ReplayJob) -> int:
    """Return how many of the job's deliveries have not finished their first attempt."""
    untried = Q(status=DeliveryStatus.PENDING, attempt_count=0) | Q(status=DeliveryStatus.SENDING, attempt_count=1)
    return Delivery.objects.filter(untried, replay_job=job).count()
