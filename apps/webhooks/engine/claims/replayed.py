"""Deliveries that a replay job makes: new rows of old events, a batch at a time, in the job's transaction."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.webhooks.models import Delivery, DeliveryStatus, ReplayJob


def newest_per_event(endpoint_id: uuid.UUID) -> QuerySet[Delivery]:
    """Return an endpoint's deliveries that no later one of the same event follows; tests never."""
    later = Delivery.objects.filter(event=OuterRef("event"), endpoint=OuterRef("endpoint"), pk__gt=OuterRef("pk"))
    return Delivery.objects.filter(~Exists(later), endpoint_id=endpoint_id, test=False)


def create_replays(job: ReplayJob, due: Iterable[tuple[Delivery, datetime]]) -> int:
    """Make one new delivery of each, due at its moment, and count those that were made.

    Same event and so the same webhook-id, the whole schedule anew. The caller holds the lock of the job's row; the
    constraint ``one_delivery_per_replay`` stands behind it.
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
            next_attempt_at=moment,
            next_attempt_reason="replay",
        )
        for each, moment in due
    ]
    Delivery.objects.bulk_create(rows)
    return len(rows)


def count_untried(job: ReplayJob) -> int:
    """Count the job's deliveries whose first attempt has not ended yet."""
    untried = Q(status=DeliveryStatus.PENDING, attempt_count=0) | Q(status=DeliveryStatus.SENDING, attempt_count=1)
    return Delivery.objects.filter(untried, replay_job=job).count()
