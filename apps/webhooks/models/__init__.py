"""Event types, endpoints, events, deliveries, attempts and replays.

The database is the queue: a delivery that is sent later is a row with ``next_attempt_at``. Only the package
``engine.claims`` changes the state of deliveries.
"""

import json
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.base.crypto.encrypted_fields import CannotDecrypt, EncryptedTextField
from apps.base.models import CreatedBy, OrgOwned, OrgQuerySet, Timestamped
from apps.base.rest.object_versions import version_of
from apps.base.text.redaction import hide_query_values
from apps.orgs.models import Organization
from apps.webhooks.models.counters import AttemptHour, DeliveryBalance, EngineTotal, SweepPlace, WorkerBeat
from apps.webhooks.models.deliveries import (
    FINISHED_DELIVERIES,
    UNFINISHED_DELIVERIES,
    Attempt,
    Delivery,
    DeliveryStatus,
    FanOutBatch,
)
from apps.webhooks.models.replays import ReplayJob, ReplayStatus

__all__ = [
    "FINISHED_DELIVERIES",
    "UNFINISHED_DELIVERIES",
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
    """Who publishes an event type."""

    PORTAL = "portal", _("Portal")
    HOST_PRODUCT = "host", _("Host product")


class EventType(models.Model):
    """A type of events: name, description, JSON schema of ``data`` and a sample of it."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    description = models.CharField(_("description"), max_length=300)
    schema = models.JSONField(_("JSON schema of data"), default=dict, blank=True)
    sample = models.JSONField(_("sample of data"), default=dict, blank=True)
    origin = models.CharField(max_length=6, choices=EventOrigin.choices, default=EventOrigin.HOST_PRODUCT)
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
    """Whether an endpoint is sent its deliveries."""

    ENABLED = "enabled", _("Enabled")
    PAUSED = "paused", _("Paused")
    DISABLED = "disabled", _("Disabled")


class EndpointHealth(models.TextChoices):
    """Whether an enabled endpoint keeps failing."""

    HEALTHY = "healthy", _("Healthy")
    FAILING = "failing", _("Failing")


class EndpointQuerySet(OrgQuerySet["Endpoint"]):
    """Endpoints; the row of a deleted endpoint remains for its deliveries."""

    def existing(self) -> Self:
        """Leave deleted endpoints out."""
        return self.filter(deleted_at=None)

    def with_same_url(self, endpoint: "Endpoint") -> Self:
        """Return the organization's other endpoints with the same URL."""
        same = self.existing().filter(organization_id=endpoint.organization_id, url=endpoint.url)
        return same.exclude(pk=endpoint.pk).order_by("pk")


class Endpoint(OrgOwned, Timestamped, CreatedBy):
    """A URL of an organization to which signed events are sent."""

    id_prefix = "ep"

    url = models.CharField(_("URL"), max_length=2048)
    description = models.CharField(_("description"), max_length=200, blank=True)
    event_types = models.JSONField(_("event types"), default=list)
    headers = EncryptedTextField(default="{}", help_text="JSON object of the organization's own headers.")
    status = models.CharField(max_length=8, choices=EndpointStatus.choices, default=EndpointStatus.ENABLED)
    health = models.CharField(max_length=7, choices=EndpointHealth.choices, default=EndpointHealth.HEALTHY)
    disabled_reason = models.CharField(max_length=40, blank=True)
    disabled_at = models.DateTimeField(null=True)
    # Label of the actor who paused the endpoint, or empty if it is not paused.
    paused_by = models.CharField(max_length=200, blank=True)
    paused_at = models.DateTimeField(null=True)
    rate_limit_per_second = models.PositiveIntegerField(null=True, blank=True)
    max_in_flight = models.PositiveSmallIntegerField(default=16)
    deleted_at = models.DateTimeField(null=True)
    # Health, which engine.endpoint_health updates and each success resets. ``is_trouble_told``: a notice said that the
    # endpoint is failing or disabled, and no notice has said that it recovered.
    failures_in_a_row = models.PositiveIntegerField(default=0)
    exhausted_in_a_row = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    is_trouble_told = models.BooleanField(default=False, help_text="Failing or disabled was told, recovered not yet.")
    last_success_at = models.DateTimeField(null=True)
    # Rate limit (GCRA): the time of the next request at exactly the limit. Updated by engine.claims.
    paced_until = models.DateTimeField(null=True)

    objects: ClassVar = EndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="endpoint_by_org"),
            models.Index(fields=["organization", "created_by_id"], name="endpoint_by_creator"),
        ]

    def __str__(self) -> str:
        return self.shown_url

    @property
    def shown_url(self) -> str:
        """The URL without query values, for pages, logs and audit entries; only the endpoint's form shows them."""
        return hide_query_values(self.url)

    @property
    def custom_headers(self) -> dict[str, str] | None:
        """The organization's custom headers, or None if their encryption key is missing."""
        try:
            found: dict[str, str] = json.loads(self.headers)
        except CannotDecrypt:
            return None
        return found

    @property
    def version(self) -> str:
        """The version of the endpoint's settings and status, for ETags; health does not change it."""
        return version_of(self.pk, self.updated_at, self.status, self.disabled_reason)


class Subscription(models.Model):
    """One entry of an endpoint's event types, as a row that SQL can match events with."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="subscriptions")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    pattern = models.CharField(max_length=100, help_text="A name, ``prefix.*`` or ``*``.")

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "pattern", "endpoint"], name="one_subscription")
        ]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.endpoint_id}"


class EndpointSecret(OrgOwned):
    """A signing secret; an endpoint has several during the overlap of a rotation."""

    id_prefix = "whs"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets")
    secret = EncryptedTextField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"secret of {self.endpoint_id}"


class Event(OrgOwned):
    """A published event. ``body`` is exactly what endpoints receive."""

    id_prefix = "evt"

    type = models.CharField(max_length=100)
    body = models.TextField(null=True, help_text="Empty after the payload was pruned.")
    test = models.BooleanField(default=False)
    publisher = models.CharField(max_length=8, help_text="portal, own or platform: whose ids client_id is one of.")
    client_id = models.CharField(max_length=64, null=True)
    content_digest = models.CharField(
        max_length=64, null=True, help_text="Of type and data where client_id is given; see repeats.py."
    )
    match_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[Any]] = [models.Index(fields=["organization", "id"], name="event_by_org")]
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "publisher", "client_id"], name="one_event_per_client_id")
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"
