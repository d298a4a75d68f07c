"""Models of exports that are too long for one response: the job, and its file in pieces. Part of ``audit.models``.

The file is stored in the database, where every machine can read it; each piece is a separate gzip member.
"""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.base.models import OrgOwned, OrgQuerySet


class ExportStatus(models.TextChoices):
    """The state of an export. When one expires, its file is deleted; its row is stored for a while longer."""

    ESTIMATING = "estimating", _("Estimating")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")
    FAILED = "failed", _("Failed")
    EXPIRED = "expired", _("Expired")


UNFINISHED = (ExportStatus.ESTIMATING, ExportStatus.RUNNING)


class ExportQuerySet(OrgQuerySet["AuditExport"]):
    """Exports of organizations."""

    def unfinished(self) -> Self:
        """Filter exports that workers have not finished."""
        return self.filter(status__in=UNFINISHED)


class AuditExport(OrgOwned):
    """One export of the audit log: its filters, progress and expiry."""

    id_prefix = "exp"

    status = models.CharField(max_length=10, choices=ExportStatus.choices, default=ExportStatus.ESTIMATING)
    file_format = models.CharField(max_length=5)
    filters = models.JSONField(default=dict, help_text="As in the query of GET /v1/audit-log.")
    # The remaining spans, as a list of [category, after, up_to]; null until they are set.
    legs = models.JSONField(null=True)
    count = models.PositiveBigIntegerField(null=True, help_text="Rows that were found when it began.")
    written = models.PositiveBigIntegerField(default=0, help_text="Rows in the file so far.")
    chunks = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes of the file so far, as it is downloaded.")
    version = models.PositiveIntegerField(default=0, help_text="How often its place was written.")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Rounds in a row that ended in an error.")
    # The end of a worker's claim. It only avoids duplicate work: an expired claim loses and repeats nothing.
    claimed_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by_id = models.CharField(max_length=40)
    created_by_label = models.CharField(max_length=254)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    objects: ClassVar = ExportQuerySet.as_manager()

    class Meta:
        app_label = "audit"
        verbose_name = "export of the audit log"
        verbose_name_plural = "exports of the audit log"
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="audit_export_by_org"),
            models.Index(
                fields=["id"], name="audit_export_unfinished", condition=Q(status__in=["estimating", "running"])
            ),
            models.Index(fields=["expires_at"], name="audit_export_to_expire"),
        ]

    def __str__(self) -> str:
        return f"export of {self.written} rows ({self.status})"


class ExportChunk(models.Model):
    """A piece of an export's file, in gzip (RFC 1952)."""

    export = models.ForeignKey(AuditExport, on_delete=models.CASCADE, related_name="pieces", db_index=False)
    number = models.PositiveIntegerField()
    body = models.BinaryField()

    class Meta:
        app_label = "audit"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["export", "number"], name="one_piece_a_number")
        ]

    def __str__(self) -> str:
        return f"piece {self.number} of {self.export_id}"
