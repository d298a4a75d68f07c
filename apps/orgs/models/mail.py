"""Mail that is to be sent, and was."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.orgs.models.invitations import Invitation


class OutgoingMailQuerySet(models.QuerySet):
    """Mail that waits, was sent, or could not be."""

    def due(self, now: datetime) -> Self:
        """This will keep what should be tried now, oldest first."""
        return self.filter(sent_at=None, next_attempt_at__lte=now).order_by("next_attempt_at")


class OutgoingMail(models.Model):
    """A mail to be sent by the sweep: a failing mail server delays nothing and loses nothing."""

    to = models.EmailField(max_length=254)
    subject = models.CharField(max_length=250)
    body = models.TextField()
    # Whose link stands where the body says so, made when the mail leaves.
    invitation = models.ForeignKey(Invitation, null=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(auto_now_add=True, null=True)
    last_error = models.CharField(max_length=200, blank=True)

    objects = OutgoingMailQuerySet.as_manager()

    class Meta:
        verbose_name = _("outgoing mail")
        verbose_name_plural = _("outgoing mail")
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["next_attempt_at"], name="mail_due", condition=models.Q(sent_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.to}: {self.subject}"
