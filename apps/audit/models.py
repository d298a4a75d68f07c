"""Models of the audit log: changes and their seals, API calls, and the usage rollups that pages read.

Longer than 300 lines because these tables depend on each other; only those of exports are separate.
"""

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.audit.exports.models import AuditExport, ExportChunk, ExportStatus
from apps.base.models import OrgOwned, OrgQuerySet
from apps.orgs.models import Organization

# Re-exported; the other names of this module are public as well.
__all__ = ["AuditExport", "ExportChunk", "ExportStatus"]

# "No key" in rollups: NULLs are distinct in a unique constraint, so an upsert would never find the row.
NO_CREDENTIAL = uuid.UUID(int=0)


class Outcome(models.TextChoices):
    """The result of a change or a call."""

    SUCCESS = "success", "success"
    DENIED = "denied", "denied"
    FAILURE = "failure", "failure"


class MillisecondsField(models.DateTimeField):  # type: ignore[type-arg]  # generic in the stubs alone
    """A time in whole milliseconds, as the API shows and the chain hashes it. The column is that of DateTimeField."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Truncate the set time, or else the current one, to milliseconds."""
        preset = getattr(model_instance, self.attname)
        value = preset if add and preset else super().pre_save(model_instance, add)
        if isinstance(value, datetime):
            value = value.replace(microsecond=value.microsecond // 1000 * 1000)
            setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        """Deconstruct to a DateTimeField, so that no migration is needed."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs


class AuditEntry(OrgOwned):
    """One change, written in the transaction of the change. Append-only: triggers refuse UPDATE and DELETE."""

    id_prefix = "aud"

    at = MillisecondsField(auto_now_add=True)
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
        # One for each filter, so that its newest rows are read in index order.
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="audit_entry_by_org"),
            models.Index(fields=["organization", "actor_id", "id"], name="audit_entry_by_actor"),
            models.Index(fields=["organization", "action", "id"], name="audit_entry_by_action"),
            models.Index(fields=["organization", "target_id", "id"], name="audit_entry_by_target"),
            models.Index(fields=["organization", "request_id", "id"], name="audit_entry_by_request"),
            # Operators' searches over all organizations; the first also serves the history of a row.
            models.Index(fields=["target_id", "id"], name="audit_entry_any_target"),
            models.Index(fields=["actor_id", "id"], name="audit_entry_any_actor"),
            models.Index(fields=["request_id", "id"], name="audit_entry_any_request"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.target_id}"


class Unsealed(models.Model):
    """The sealer's queue: entries without a seal. A trigger adds each entry in the transaction that creates it."""

    entry = models.OneToOneField(AuditEntry, on_delete=models.DO_NOTHING, primary_key=True, related_name="+")

    class Meta:
        verbose_name = "entry to seal"
        verbose_name_plural = "entries to seal"

    def __str__(self) -> str:
        return str(self.entry_id)


class Seal(models.Model):
    """An entry's position in its organization's chain. Append-only; ``apps.audit.seal.chain`` defines the hash."""

    entry = models.OneToOneField(AuditEntry, on_delete=models.DO_NOTHING, primary_key=True, related_name="seal")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    organization_id: uuid.UUID
    seq = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "seq"], name="one_seal_a_number")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.hash}"


class Checkpoint(models.Model):
    """The signed end of an organization's chain at a time. Append-only; only a copy stored elsewhere proves much."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    organization_id: uuid.UUID
    seq = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64)
    at = MillisecondsField()
    signature = models.CharField(max_length=88, help_text="Ed25519, base64.")
    public_key = models.CharField(max_length=44, help_text="Base64; it outlives a change of AUDIT_SIGNING_KEY.")
    key_id = models.CharField(max_length=16)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "seq", "key_id"], name="one_checkpoint_a_number")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.hash} signed {self.at:%Y-%m-%d %H:%M:%S}"


class Cut(models.Model):
    """A cut by retention: entries up to the checkpoint's number can be deleted, and the chain starts after it."""

    checkpoint = models.OneToOneField(Checkpoint, on_delete=models.PROTECT, primary_key=True, related_name="+")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    organization_id: uuid.UUID
    seq = models.PositiveBigIntegerField()
    at = MillisecondsField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "seq"], name="one_cut_a_number")
        ]

    def __str__(self) -> str:
        return f"up to {self.seq}"


class Round(models.Model):
    """The cursor of a periodic job over all organizations; ``version`` decides which of two workers moves it."""

    name = models.CharField(max_length=20, primary_key=True)
    version = models.PositiveBigIntegerField(default=0)
    again_at = models.DateTimeField(null=True)
    organization_id = models.UUIDField(null=True)
    # For digests: the hour, the id of the last row, the number of rows, and the digest so far.
    hour = models.DateTimeField(null=True)
    place = models.UUIDField(null=True)
    rows = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return self.name


class KeptSince(models.Model):
    """Since when all rows of a kind are stored; a retention period extended later restores none."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    organization_id: uuid.UUID
    kind = models.CharField(max_length=10)
    since = models.DateTimeField()

    class Meta:
        verbose_name_plural = "kept since"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "kind"], name="one_kept_since_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.since:%Y-%m-%d %H:%M}"


class ApiCall(OrgOwned):
    """One completed request of a key or session to ``/v1``."""

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
            models.Index(fields=["organization", "route", "id"], name="api_call_by_route"),
            # Starts with the request id: operators look one up without knowing the organization.
            models.Index(fields=["request_id", "organization", "id"], name="api_call_any_request"),
            models.Index(
                fields=["organization", "actor_id", "id"], name="api_call_by_person", condition=Q(credential_id=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.status}"


class Usage(models.Model):
    """A rollup of the calls of one key, by everything that usage pages distinguish."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    credential_id = models.UUIDField(default=NO_CREDENTIAL, help_text="All zeros: a session.")
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=120)
    status_class = models.CharField(max_length=3, help_text="2xx, 4xx, 429, 5xx")
    address = models.CharField(max_length=45, blank=True)
    scopes = models.CharField(max_length=200, blank=True, help_text="Those that the calls used, sorted.")
    calls = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(help_text="The newest of the calls.")

    class Meta:
        abstract = True


class UsageHour(Usage):
    """Rollup by the hour."""

    hour = models.DateTimeField()
    user_agent = models.CharField(max_length=120, blank=True)

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


class UsageDay(Usage):
    """Rollup by UTC day and without the user agent, for longer spans."""

    day = models.DateField()

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
    """The last accepted request of a key: one row per key, updated by the call log."""

    credential_id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True)

    def __str__(self) -> str:
        return f"{self.credential_id} {self.at:%Y-%m-%d %H:%M:%S}"


class RefusedCalls(models.Model):
    """Refused unauthenticated requests per address, minute and code. For operators; belongs to no organization."""

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
