"""The model of notifications: one row per organization and dedupe key."""

from typing import Any, ClassVar, Self

from django.db import models

from apps.base.actor import Actor
from apps.base.models import OrgOwned, OrgQuerySet
from apps.base.permissions import Permission


class Severity(models.TextChoices):
    """How serious a notification is."""

    INFO = "info", "info"
    OK = "ok", "ok"
    WARN = "warn", "warn"
    BAD = "bad", "bad"


OPEN = models.Q(dismissed_at=None, resolved_at=None)


class NoticeQuerySet(OrgQuerySet["Notice"]):
    """Queries on notifications."""

    def visible_to(self, actor: Actor) -> Self:
        """Filter notifications that the actor has the permission for, and those for every member."""
        return self.for_actor(actor).filter(permission__in=["", *sorted(map(str, actor.usable(tuple(Permission))))])

    def open(self) -> Self:
        """Filter notifications that are neither dismissed nor resolved."""
        return self.filter(OPEN)

    def closed(self) -> Self:
        """Filter notifications that are dismissed or resolved."""
        return self.exclude(OPEN)

    def needing_attention(self) -> Self:
        """Filter problems, without informational notifications."""
        return self.filter(severity__in=(Severity.WARN, Severity.BAD))

    def most_severe_first(self) -> Self:
        """Order the most severe first, then the newest first."""
        return self.order_by(models.Case(models.When(severity=Severity.BAD, then=0), default=1), "-id")

    def awaiting_mail(self) -> Self:
        """Filter notifications whose mail is due: neither mailed nor dismissed."""
        return self.filter(mailed_at=None, mail_wanted=True, dismissed_at=None)


class Notice(OrgOwned):
    """A notification for an organization; its text depends on the kind and is in the reader's language."""

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
    dismissed_by = models.CharField(max_length=200, blank=True, db_default="", help_text="Their name at that time.")
    resolved_at = models.DateTimeField(null=True)

    objects: ClassVar = NoticeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "dedupe_key"], name="one_notice_per_dedupe_key")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["next_mail_at"], name="notice_to_mail", condition=models.Q(mailed_at=None)),
            # For the open notifications on every page: the query must not slow down with the number of closed ones.
            models.Index(fields=["organization", "id"], name="notice_open", condition=OPEN),
            models.Index(fields=["organization", "id"], name="notice_by_org"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.dedupe_key}"

    @property
    def is_open(self) -> bool:
        """Whether it is neither dismissed nor resolved."""
        return self.dismissed_at is None and self.resolved_at is None
