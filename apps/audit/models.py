"""What happened, for ever: changes, API calls, and the figures that pages read."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.base.models import OrgOwned, OrgQuerySet

# Stands for "no key" in rollups: NULLs are distinct in a unique constraint of SQLite, so nothing could be counted up.
NO_CREDENTIAL = uuid.UUID(int=0)


class Outcome(models.TextChoices):
    """How it ended."""

    SUCCESS = "success", "success"
    DENIED = "denied", "denied"
    FAILURE = "failure", "failure"


class AuditEntry(OrgOwned):
    """One change, written in the transaction of the change. Append-only: triggers refuse UPDATE and DELETE."""

    id_prefix = "aud"

    at = models.DateTimeField(auto_now_add=True)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=40)
    actor_label = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=30)
    target_id = models.CharField(max_length=40)
    target_label = models.CharField(max_length=200, blank=True)
    changes = models.JSONField(default=dict)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.SUCCESS)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects: ClassVar = OrgQuerySet.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="audit_entry_by_org"),
            # What operators search by, over all organizations; the first is the history of a row, too.
            models.Index(fields=["target_id", "id"], name="audit_entry_any_target"),
            models.Index(fields=["actor_id", "id"], name="audit_entry_any_actor"),
            models.Index(fields=["request_id", "id"], name="audit_entry_any_request"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.target_id}"


class ApiCall(OrgOwned):
    """One answered request of a known key or session on ``/v1``."""

    id_prefix = "aud"

    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=40)
    actor_label = models.CharField(max_length=200)
    credential_id = models.UUIDField(null=True)
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=120)
    status = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40, blank=True)
    duration_ms = models.FloatField()
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    scopes = models.CharField(max_length=200, blank=True, help_text="Those that the call used, sorted.")
    flagged = models.BooleanField(default=False, help_text="Made by a key in quarantine.")

    objects: ClassVar = OrgQuerySet.as_manager()

    class Meta:
        verbose_name = "API call"
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="api_call_by_org"),
            models.Index(fields=["credential_id", "id"], name="api_call_by_key"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.status}"


class UsageHour(models.Model):
    """Calls of one key in one hour, by all that usage pages tell apart: what these pages read."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="+", db_index=False)
    credential_id = models.UUIDField(default=NO_CREDENTIAL, help_text="All zeros: a session.")
    hour = models.DateTimeField()
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=120)
    status_class = models.CharField(max_length=3, help_text="2xx, 4xx, 429, 5xx")
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=120, blank=True)
    scopes = models.CharField(max_length=200, blank=True, help_text="Those that the calls used, sorted.")
    calls = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(help_text="The newest of the calls.")

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=[
                    *("organization", "credential_id", "hour", "method", "route", "status_class", "address"),
                    *("user_agent", "scopes"),
                ],
                name="one_usage_row",
            )
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["credential_id", "hour"], name="usage_by_key"),
            models.Index(fields=["organization", "hour"], name="usage_by_org"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.method} {self.route} {self.calls}"


class UsageDay(models.Model):
    """The same by UTC day and without the agent: what the longer spans are read from."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="+", db_index=False)
    credential_id = models.UUIDField(default=NO_CREDENTIAL, help_text="All zeros: a session.")
    day = models.DateField()
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=120)
    status_class = models.CharField(max_length=3, help_text="2xx, 4xx, 429, 5xx")
    address = models.CharField(max_length=45, blank=True)
    scopes = models.CharField(max_length=200, blank=True, help_text="Those that the calls used, sorted.")
    calls = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(help_text="The newest of the calls.")

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=[
                    *("organization", "credential_id", "day", "method", "route", "status_class", "address", "scopes")
                ],
                name="one_usage_day_row",
            )
        ]
        indexes: ClassVar[list[Any]] = [models.Index(fields=["organization", "day"], name="usage_day_by_org")]

    def __str__(self) -> str:
        return f"{self.day} {self.method} {self.route} {self.calls}"


class LastUse(models.Model):
    """When and from where a key was last let in: one row per key, kept by the call log."""

    credential_id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True)

    def __str__(self) -> str:
        return f"{self.credential_id} {self.at:%Y-%m-%d %H:%M:%S}"


class RefusedCalls(models.Model):
    """Refused strangers, counted per address, minute and code. For operators; belongs to no organization."""

    address = models.CharField(max_length=45)
    minute = models.DateTimeField()
    code = models.CharField(max_length=40)
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("refused calls of a stranger")
        verbose_name_plural = _("refused calls of strangers")
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["address", "minute", "code"], name="one_refused_row")
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.code} {self.calls}"
