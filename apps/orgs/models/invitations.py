"""Invitations by mail."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.base.models import OrgOwned, OrgQuerySet
from apps.orgs.models.enums import Role

INVITATION_DAYS = 7


class InvitationStatus(models.TextChoices):
    """Status of an invitation. ``sent`` past its expiry is shown as expired (``Invitation.state``)."""

    SENT = "sent", _("Sent")
    ACCEPTED = "accepted", _("Accepted")
    REVOKED = "revoked", _("Revoked")
    EXPIRED = "expired", _("Expired")


class InvitationQuerySet(OrgQuerySet["Invitation"]):
    """Invitations of organizations."""

    def visible(self) -> Self:
        """Exclude the invitations that ask an account elsewhere to take over a membership (``membership``)."""
        return self.filter(membership=None)

    def open(self) -> Self:
        """Filter to the invitations that were not accepted, revoked or replaced; expired ones are included."""
        return self.filter(status=InvitationStatus.SENT)

    def acceptable(self, now: datetime) -> Self:
        """Filter to the invitations that can still be accepted."""
        return self.open().filter(expires_at__gt=now)


class Invitation(OrgOwned):
    """A membership offered to the owner of one e-mail address.

    The link's token is generated when the mail is sent (``token_links.invitation_link``); only its digest is stored.
    """

    id_prefix = "inv"

    # Set for a member whose address has an account elsewhere: the link asks that account's owner to take over the
    # membership. The organization does not see such an invitation, which would reveal that there is an account.
    membership = models.ForeignKey("orgs.Membership", on_delete=models.CASCADE, null=True, related_name="+")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    status = models.CharField(max_length=8, choices=InvitationStatus.choices, default=InvitationStatus.SENT)
    token_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    invited_by_kind = models.CharField(max_length=10)
    invited_by_id = models.CharField(max_length=40)
    invited_by_label = models.CharField(max_length=200)

    objects: ClassVar = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=models.Q(status=InvitationStatus.SENT, membership=None),
                name="one_open_invitation_per_address",
            ),
            models.UniqueConstraint(
                fields=["membership"],
                condition=models.Q(status=InvitationStatus.SENT),
                name="one_open_invitation_per_member",
            ),
            models.UniqueConstraint(
                fields=["token_digest"], condition=~models.Q(token_digest=""), name="one_invitation_per_token"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="invitations_of_organization"),
            models.Index(fields=["organization", "invited_by_id"], name="invitation_by_creator"),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.organization} · {self.role}"

    @property
    def audit_label(self) -> str:
        """The invited address."""
        return self.email

    @property
    def state(self) -> str:
        """The status, with expiry: sent, accepted, revoked or expired."""
        is_late = self.status == InvitationStatus.SENT and self.expires_at <= timezone.now()
        return str(InvitationStatus.EXPIRED if is_late else self.status)
