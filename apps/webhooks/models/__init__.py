"""Event types, endpoints, events, deliveries, attempts and replays.

The database is the queue: what must be sent later is a Delivery with ``next_attempt_at``. ``claims.py`` holds the SQL
that moves deliveries; nothing else changes their state. Replays and figures have modules of their own in this package.
"""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.base.crypto import EncryptedTextField
from apps.base.models import OrgOwned, OrgQuerySet, Timestamped
from apps.webhooks.models.figures import AttemptHour, DeliveryBalance, EngineTotal, SweepPlace, WorkerBeat
from apps.webhooks.models.replays import ReplayJob, ReplayStatus

__all__ = [
    "Attempt",
    "AttemptHour",
    "Delivery",
    "DeliveryBalance",
    "DeliveryStatus",
    "Endpoint",
    "EndpointHealth",
    "EndpointQuerySet",
    "EndpointSecret",
    "EndpointStatus",
    "EngineTotal",
    "Event",
    "EventOrigin",
    "EventType",
    "FanOutBatch",
    "ReplayJob",
    "ReplayStatus",
    "Subscription",
    "SweepPlace",
    "WorkerBeat",
]


class EventOrigin(models.TextChoices):
    """Who publishes a type."""

    PORTAL = "portal", _("Portal")
    HOST = "host", _("Host product")


class EventType(models.Model):
    """What may be published: name, description, JSON schema of ``data`` and a sample of it."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    description = models.CharField(_("description"), max_length=300)
    schema = models.JSONField(_("JSON schema of data"), default=dict, blank=True)
    sample = models.JSONField(_("sample of data"), default=dict, blank=True)
    origin = models.CharField(max_length=6, choices=EventOrigin.choices, default=EventOrigin.HOST)
    is_deprecated = models.BooleanField(_("deprecated"), default=False)
    deprecated_at = models.DateField(_("deprecated since"), null=True, blank=True)
    replaced_by = models.CharField(_("replaced by"), max_length=100, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        verbose_name = _("event type")
        verbose_name_plural = _("event types")

    def __str__(self) -> str:
        return self.name


class EndpointStatus(models.TextChoices):
    """Whether an endpoint gets its deliveries."""

    ENABLED = "enabled", _("Enabled")
    PAUSED = "paused", _("Paused")
    DISABLED = "disabled", _("Disabled")


class EndpointHealth(models.TextChoices):
    """How an enabled endpoint does."""

    HEALTHY = "healthy", _("Healthy")
    FAILING = "failing", _("Failing")


class EndpointQuerySet(OrgQuerySet):
    """Endpoints; a deleted one stays as a row for its log and is hidden from everything else."""

    def existing(self) -> Self:
        """This will leave deleted endpoints out."""
        return self.filter(deleted_at=None)


class Endpoint(OrgOwned, Timestamped):
    """A URL of an organization that gets signed events."""

    id_prefix = "ep"

    url = models.CharField(_("URL"), max_length=2048)
    description = models.CharField(_("description"), max_length=200, blank=True)
    event_types = models.JSONField(_("event types"), default=list)
    headers = EncryptedTextField(default="{}", help_text="JSON object of the organization's own headers.")
    status = models.CharField(max_length=8, choices=EndpointStatus.choices, default=EndpointStatus.ENABLED)
    health = models.CharField(max_length=7, choices=EndpointHealth.choices, default=EndpointHealth.HEALTHY)
    disabled_reason = models.CharField(max_length=40, blank=True)
    disabled_at = models.DateTimeField(null=True)
    rate_limit_per_second = models.PositiveIntegerField(null=True, blank=True)
    max_in_flight = models.PositiveSmallIntegerField(default=16)
    deleted_at = models.DateTimeField(null=True)
    # Health, judged in health.py. A success clears all of it.
    failures_in_a_row = models.PositiveIntegerField(default=0)
    exhausted_in_a_row = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    is_trouble_told = models.BooleanField(default=False, help_text="Failing or disabled was told, recovered not yet.")
    last_success_at = models.DateTimeField(null=True)
    # Pace (GCRA): the moment at which the next send is due if every one kept the rate. Moved by claims.py.
    paced_until = models.DateTimeField(null=True)

    objects: ClassVar = EndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        indexes: ClassVar[list[Any]] = [models.Index(fields=["organization", "id"], name="endpoint_by_org")]

    def __str__(self) -> str:
        return self.url


class Subscription(models.Model):
    """One entry of an endpoint's event types, as a row: what one statement matches events against."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="subscriptions")
    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="+")
    pattern = models.CharField(max_length=100, help_text="A name, ``prefix.*`` or ``*``.")

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "pattern", "endpoint"], name="one_subscription")
        ]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.endpoint_id}"


class EndpointSecret(OrgOwned):
    """A signing secret; during a rotation an endpoint has several."""

    id_prefix = "whs"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets")
    secret = EncryptedTextField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"secret of {self.endpoint_id}"


class Event(OrgOwned):
    """Something that happened. ``body`` is what receivers get, to the byte."""

    id_prefix = "evt"

    type = models.CharField(max_length=100)
    body = models.TextField(null=True, help_text="Empty after the payload was pruned.")
    test = models.BooleanField(default=False)
    publisher = models.CharField(max_length=8, help_text="portal, own or platform: whose ids client_id is one of.")
    client_id = models.CharField(max_length=64, null=True)
    match_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[Any]] = [models.Index(fields=["organization", "id"], name="event_by_org")]
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "publisher", "client_id"], name="one_event_per_client_id")
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"


class DeliveryStatus(models.TextChoices):
    """Where a delivery stands."""

    PENDING = "pending", _("Waiting")
    SENDING = "sending", _("Sending")
    SUCCEEDED = "succeeded", _("Delivered")
    EXHAUSTED = "exhausted", _("Failed")
    HELD = "held", _("Held")
    DROPPED = "dropped", _("Dropped")


class Delivery(OrgOwned):
    """One event on its way to one endpoint."""

    id_prefix = "dlv"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="+", db_index=False)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    event_type = models.CharField(max_length=100)
    status = models.CharField(max_length=9, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    test = models.BooleanField(default=False)
    # Without a constraint: the id stays when the first delivery's retention ends.
    replay_of = models.ForeignKey(
        "self", null=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    replay_job = models.ForeignKey("ReplayJob", null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    attempt_count = models.PositiveSmallIntegerField(default=0)
    # Attempts that do not use up the schedule: a lost lease, a shutdown, no network of ours.
    uncounted_attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    next_attempt_reason = models.CharField(max_length=20, blank=True)
    last_status_code = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=20, blank=True)
    finished_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="delivery_by_org"),
            models.Index(fields=["endpoint", "id"], name="delivery_by_endpoint"),
            models.Index(fields=["event", "endpoint", "id"], name="delivery_by_event"),
            # First tries and retries apart: the claim takes the first of each without reading the backlog.
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
            models.Index(fields=["endpoint", "id"], name="delivery_held", condition=Q(status="held")),
            models.Index(
                fields=["endpoint", "id"], name="delivery_undelivered", condition=Q(status__in=["exhausted", "dropped"])
            ),
        ]
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["replay_job", "event"], name="one_delivery_per_replay", condition=Q(replay_job__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.event_type} → {self.endpoint_id} ({self.status})"


class FanOutBatch(OrgOwned):
    """Endpoints that an event still needs its deliveries for; gone once those are made."""

    id_prefix = "fan"

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+")
    endpoint_ids = models.JSONField(help_text="Endpoints that matched when the event was accepted.")
    size = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "fan-out batches"

    def __str__(self) -> str:
        return f"{self.size} deliveries of {self.event_id}"


class Attempt(OrgOwned):
    """One POST to an endpoint, as it was sent and answered."""

    id_prefix = "att"

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    endpoint_id = models.UUIDField()
    number = models.PositiveSmallIntegerField()
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
        return f"attempt {self.number} of {self.delivery_id}"
