"""Mail that is to be sent, and was."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _


class OutgoingMailQuerySet(models.QuerySet["OutgoingMail"]):
    """Mail that waits, was sent, or could not be."""

    def due(self, now: datetime) -> Self:
        """Keep what should be tried now, oldest first."""
        return self.filter(sent_at=None, next_attempt_at__lte=now).order_by("next_attempt_at")

    def unsent(self) -> Self:
        """Keep what is still tried."""
        return self.filter(sent_at=None).exclude(next_attempt_at=None)

    def waiting(self, template: str, regarding: object) -> Self:
        """Keep the mails with a link about one thing that were not sent yet."""
        return self.filter(template=template, regarding=str(regarding), sent_at=None)


class OutgoingMail(models.Model):
    """A mail to be sent by the sweep: a failing mail server delays nothing and loses nothing.

    A mail with a link that lets somebody in is written when it is sent, from its template: the row holds no link.
    """

    to = models.EmailField(max_length=254)
    subject = models.CharField(max_length=250)
    body = models.TextField()
    template = models.CharField(max_length=40, blank=True, default="", db_default="")
    regarding = models.CharField(max_length=64, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(auto_now_add=True, null=True)
    last_error = models.CharField(max_length=200, blank=True)
    # What the mail server said when it took the mail: the id there, by which its own log is searched.
    server_answer = models.CharField(max_length=200, blank=True, default="", db_default="")

    objects = OutgoingMailQuerySet.as_manager()

    class Meta:
        verbose_name = _("outgoing mail")
        verbose_name_plural = _("outgoing mail")
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["next_attempt_at"], name="mail_due", condition=models.Q(sent_at=None)),
            models.Index(fields=["to", "sent_at"], name="mail_by_address"),
        ]

    def __str__(self) -> str:
        return f"{self.to}: {self.subject or self.template}"
