"""Deliveries, their attempts, and the conditions that delivery lists filter by."""

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.base.identifiers import encode
from apps.base.models import OrgOwned

# Conditions of partial indexes. SQLite uses such an index only where a query has the same condition with literals:
# filter by ``with_literal_constants(CONDITION)`` (stats/list_conditions.py).
SUCCEEDED = Q(status="succeeded")
FAILED = Q(status="exhausted") | Q(status="pending", last_error__gt="")
IN_PROGRESS = Q(status="pending") | Q(status="sending")
HELD = Q(status="held")
HAD_ERRORS = Q(last_error__gt="") | Q(attempt_count__gt=F("uncounted_attempts") + 1)


# ``created_at`` and ``updated_at`` of a new row differ slightly, as each reads the clock.
MAX_CREATION_TIME = timedelta(seconds=1)


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", _("Waiting")
    SENDING = "sending", _("Sending")
    SUCCEEDED = "succeeded", _("Delivered")
    EXHAUSTED = "exhausted", _("Failed")
    HELD = "held", _("Held")
    DROPPED = "dropped", _("Dropped")


UNFINISHED_DELIVERIES = (DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.HELD)
FINISHED_DELIVERIES = (DeliveryStatus.SUCCEEDED, DeliveryStatus.EXHAUSTED, DeliveryStatus.DROPPED)


class Delivery(OrgOwned):
    """One event for one endpoint."""

    id_prefix = "dlv"

    endpoint = models.ForeignKey("Endpoint", on_delete=models.PROTECT, related_name="+", db_index=False)
    event = models.ForeignKey("Event", on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    event_type = models.CharField(max_length=100)
    status = models.CharField(max_length=9, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    test = models.BooleanField(default=False)
    # Without a constraint, so that the id remains when retention deletes the original delivery.
    replay_of = models.ForeignKey(
        "self", null=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    replay_job = models.ForeignKey("ReplayJob", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    attempt_count = models.PositiveSmallIntegerField(default=0)
    # Attempts that do not use up the schedule: a lost lease, a shutdown, no network on this side.
    uncounted_attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    next_attempt_reason = models.CharField(max_length=20, blank=True)
    last_status_code = models.PositiveSmallIntegerField(null=True)
    # As the error of an attempt. "shutdown" is any cause on this side, which does not use up the schedule.
    last_error = models.CharField(max_length=20, blank=True)
    finished_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    # Host and port that the delivery is being sent to, even if the endpoint's URL changes meanwhile.
    sending_to = models.CharField(max_length=270, null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="delivery_by_org"),
            models.Index(fields=["endpoint", "id"], name="delivery_by_endpoint"),
            models.Index(fields=["event", "endpoint", "id"], name="delivery_by_event"),
            # Separate for first attempts and retries, so that a claim reads the first of each without the backlog.
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                name="delivery_due_first",
                condition=Q(status="pending", attempt_count=0),
            ),
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                name="delivery_due_again",
                condition=Q(status="pending", attempt_count__gt=0),
            ),
            models.Index(fields=["next_attempt_at"], name="delivery_oldest_due", condition=Q(status="pending")),
            models.Index(fields=["endpoint"], name="delivery_in_flight", condition=Q(status="sending")),
            models.Index(fields=["lease_until"], name="delivery_leases", condition=Q(status="sending")),
            models.Index(fields=["endpoint", "id"], name="delivery_held", condition=HELD),
            models.Index(
                fields=["endpoint", "id"], name="delivery_undelivered", condition=Q(status__in=["exhausted", "dropped"])
            ),
            # For the filters of lists, so that rare rows are found without reading the others.
            models.Index(fields=["endpoint", "id"], name="delivery_succeeded", condition=SUCCEEDED),
            models.Index(fields=["endpoint", "id"], name="delivery_failed", condition=FAILED),
            models.Index(fields=["endpoint", "id"], name="delivery_waiting", condition=IN_PROGRESS),
            models.Index(fields=["endpoint", "id"], name="delivery_had_errors", condition=HAD_ERRORS),
            models.Index(fields=["endpoint", "event_type", "id"], name="delivery_by_type"),
        ]
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["replay_job", "event"], name="one_delivery_per_replay", condition=Q(replay_job__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.public_id}"

    @property
    def audit_label(self) -> str:
        """The type of the event."""
        return self.event_type


class FanOutBatch(OrgOwned):
    """Endpoints that do not have their delivery of an event yet; the row is deleted when the deliveries are created."""

    id_prefix = "fan"

    event = models.ForeignKey("Event", on_delete=models.PROTECT, related_name="+")
    endpoint_ids = models.JSONField(help_text="Endpoints that matched when the event was accepted.")
    size = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "fan-out batches"

    def __str__(self) -> str:
        return f"{self.size} deliveries of {self.event_id}"


def is_unchanged_since(time: datetime, created_at: datetime, updated_at: datetime) -> bool:
    """Return whether an endpoint was not changed after a time, or not since its creation."""
    return updated_at <= max(time, created_at + MAX_CREATION_TIME)


class Attempt(OrgOwned):
    """One POST to an endpoint: the request as sent, and its response."""

    id_prefix = "att"

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    delivery_id: uuid.UUID
    endpoint_id = models.UUIDField()
    number = models.PositiveSmallIntegerField()
    # The URL at the time of the attempt, without query values, as the endpoint's can have changed since. None for
    # attempts older than this column, and for those of a worker that died.
    url = models.TextField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    duration_ms = models.FloatField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=20, blank=True)
    hint = models.CharField(max_length=40, blank=True)
    address = models.CharField(max_length=45, blank=True)
    timings_ms = models.JSONField(default=dict)
    request_headers = models.JSONField(default=dict)
    response_headers = models.JSONField(default=list)
    response_body = models.TextField(blank=True)
    truncated = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="attempt_by_org"),
            models.Index(fields=["delivery", "number"], name="attempt_by_delivery"),
            models.Index(fields=["endpoint_id", "id"], name="attempt_by_endpoint"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {encode(Delivery.id_prefix, self.delivery_id)}"
