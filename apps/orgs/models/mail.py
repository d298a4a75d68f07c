"""The queue of outgoing mail."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

# Value of ``OutgoingMail.template`` for the mail that offers a reserved membership to the owner of its address.
MEMBERSHIP_OFFER = "place"


class OutgoingMailQuerySet(models.QuerySet["OutgoingMail"]):
    """Queued, sent and failed mails."""

    def due(self, now: datetime) -> Self:
        """Filter to the mail that is due now, oldest attempt time first."""
        return self.filter(sent_at=None, next_attempt_at__lte=now).order_by("next_attempt_at")

    def unsent(self) -> Self:
        """Filter to the mails that will be tried again."""
        return self.filter(sent_at=None).exclude(next_attempt_at=None)

    def unsent_for(self, template: str, regarding: object) -> Self:
        """Filter to the unsent mails of a template about one object."""
        return self.filter(template=template, regarding=str(regarding), sent_at=None)


class OutgoingMail(models.Model):
    """A mail that a periodic job sends: a failing mail server delays no request and loses no mail.

    A mail with a token link is rendered from its template when it is sent, so the row never contains the link.
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
    # The mail server's response when it accepted the mail: usually the queue id, to search the server's log for.
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
