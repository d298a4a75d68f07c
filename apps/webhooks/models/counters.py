"""Counters and cursors of periodic jobs, so that pages and metrics need not count rows of large tables."""

from typing import Any, ClassVar

from django.db import models

from apps.base.models import OrgOwned, OrgQuerySet
from apps.orgs.models import Organization


class SweepPlace(models.Model):
    """The cursor of a periodic job that reads a table in the order of its keys.

    A worker locks the row while it runs the job. ``place`` is the last key that was processed, and ``again_at`` is when
    a finished job starts again.
    """

    name = models.CharField(max_length=30, primary_key=True)
    place = models.UUIDField(null=True)
    again_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class AttemptHour(models.Model):
    """The attempts of an endpoint that started in one hour, excluding tests and attempts that a shutdown aborted."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    endpoint = models.ForeignKey("webhooks.Endpoint", on_delete=models.CASCADE, related_name="+", db_index=False)
    hour = models.DateTimeField()
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    objects: ClassVar = OrgQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["endpoint", "hour"], name="one_attempt_hour")
        ]
        indexes: ClassVar[list[Any]] = [models.Index(fields=["organization", "hour"], name="attempt_hour_by_org")]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.hour:%Y-%m-%d %H}"


class DeliveryBalance(OrgOwned):
    """The numbers of an organization's accepted deliveries by state, as last counted.

    ``accepted`` is the sum of the endpoints that each event matched; the other numbers come from the deliveries. The
    numbers with ``pruned_`` count rows that retention has deleted. Tests and replays are not included.
    """

    id_prefix = "bal"

    accepted = models.PositiveBigIntegerField(default=0)
    # Those that succeeded.
    delivered = models.PositiveBigIntegerField(default=0)
    # Pending deliveries, and those that the fan-out has yet to create.
    waiting = models.PositiveBigIntegerField(default=0)
    sending = models.PositiveBigIntegerField(default=0)
    held = models.PositiveBigIntegerField(default=0)
    exhausted = models.PositiveBigIntegerField(default=0)
    dropped = models.PositiveBigIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)
    count_again_at = models.DateTimeField(null=True)
    pruned_accepted = models.PositiveBigIntegerField(default=0)
    pruned_delivered = models.PositiveBigIntegerField(default=0)
    pruned_exhausted = models.PositiveBigIntegerField(default=0)
    pruned_dropped = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization"], name="one_balance_per_organization")
        ]

    def __str__(self) -> str:
        return f"balance of {self.organization_id}"

    @property
    def missing(self) -> int:
        """The number of accepted deliveries that are in no state: 0 unless deliveries were lost."""
        found = self.delivered + self.waiting + self.sending + self.held + self.exhausted + self.dropped
        return self.accepted - found


class EngineTotal(models.Model):
    """A counter, summed over all workers since the installation; its name includes the labels."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.FloatField(default=0)

    def __str__(self) -> str:
        return self.name


class WorkerBeat(models.Model):
    """The last heartbeat of a worker process."""

    name = models.CharField(max_length=120, primary_key=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    clock_offset = models.FloatField(default=0, help_text="Seconds that its clock was ahead of the database's.")

    def __str__(self) -> str:
        return self.name
