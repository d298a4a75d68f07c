"""What people should be told: one row per notice and dedupe key."""

from typing import Any, ClassVar, Self

from django.db import models

from apps.base.models import OrgOwned, OrgQuerySet


class Severity(models.TextChoices):
    """How a notice looks."""

    INFO = "info", "info"
    OK = "ok", "ok"
    WARN = "warn", "warn"
    BAD = "bad", "bad"


class NoticeQuerySet(OrgQuerySet):
    """Notices of organizations."""

    def open(self) -> Self:
        """This will keep what nobody dismissed and nothing resolved."""
        return self.filter(dismissed_at=None, resolved_at=None)

    def to_mail(self) -> Self:
        """This will keep what is still to be mailed."""
        return self.filter(mailed_at=None, mail_wanted=True)


class Notice(OrgOwned):
    """Something that the organization should know; its text is made from the kind, in the reader's language."""

    id_prefix = "ntc"

    kind = models.CharField(max_length=60)
    dedupe_key = models.CharField(max_length=120)
    severity = models.CharField(max_length=4, choices=Severity.choices, default=Severity.INFO)
    params = models.JSONField(default=dict)
    path = models.CharField(max_length=200, blank=True, help_text="Path below the organization's own.")
    permission = models.CharField(max_length=40, blank=True, help_text="Who may act on it, and so gets the mail.")
    mail_wanted = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    mailed_at = models.DateTimeField(null=True)
    mail_attempts = models.PositiveSmallIntegerField(default=0)
    next_mail_at = models.DateTimeField(auto_now_add=True)
    dismissed_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)

    objects: ClassVar = NoticeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "dedupe_key"], name="one_notice_per_dedupe_key")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["next_mail_at"], name="notice_to_mail", condition=models.Q(mailed_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.dedupe_key}"
