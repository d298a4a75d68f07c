"""Replays: jobs that send past events to an endpoint again."""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.base.models import OrgOwned, OrgQuerySet
from apps.base.rest.object_versions import version_of


class ReplayStatus(models.TextChoices):
    """The status of a replay; a paused one continues when its endpoint is enabled again."""

    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class ReplayQuerySet(OrgQuerySet["ReplayJob"]):
    def unfinished(self) -> Self:
        """Return the running and paused replays."""
        return self.filter(status__in=[ReplayStatus.RUNNING, ReplayStatus.PAUSED])


class ReplayJob(OrgOwned):
    """A replay of events to one endpoint: its selection, rate limit and progress."""

    id_prefix = "rpl"

    endpoint = models.ForeignKey("webhooks.Endpoint", on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=9, choices=ReplayStatus.choices, default=ReplayStatus.RUNNING)
    # Selection: events of the period whose newest delivery to the endpoint had one of the statuses when the job began.
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    statuses = models.JSONField(default=list)
    event_types = models.JSONField(default=list, help_text="Names and patterns; empty for all.")
    rate_per_second = models.PositiveIntegerField(null=True)
    count = models.PositiveIntegerField(help_text="Events that were found when the job began.")
    sent = models.PositiveIntegerField(default=0, help_text="Deliveries that were made of them.")
    # Outcomes of the job's deliveries, updated by jobs.replays until all are finished.
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # The endpoint's deliveries are processed in the order of their ids: ``cursor`` is the last processed one, and the
    # first one that is excluded is ``ends_before``.
    cursor = models.UUIDField(null=True)
    ends_before = models.UUIDField()
    paced_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by_kind = models.CharField(max_length=10)
    created_by_id = models.CharField(max_length=40)
    created_by_label = models.CharField(max_length=254)
    finished_at = models.DateTimeField(null=True)
    # The time of the next count of ``succeeded`` and ``failed``, or None if they are final.
    count_again_at = models.DateTimeField(null=True)

    objects: ClassVar = ReplayQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="replay_by_org"),
            models.Index(fields=["id"], name="replay_unfinished", condition=Q(status__in=["running", "paused"])),
            models.Index(fields=["count_again_at"], name="replay_to_count"),
        ]

    def __str__(self) -> str:
        return f"replay of {self.count} to {self.endpoint_id} ({self.status})"

    @property
    def audit_label(self) -> str:
        """The URL of the endpoint."""
        return self.endpoint.shown_url

    @property
    def version(self) -> str:
        """The version of the replay's status, for ETags; it does not depend on progress."""
        return version_of(self.pk, self.status)
