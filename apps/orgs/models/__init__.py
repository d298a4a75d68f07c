"""Organizations, memberships and support access; accounts, invitations and mail are in the submodules."""

import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.base.identifiers import decode, encode
from apps.base.models import CreatedBy, OrgOwned, OrgQuerySet, PrefixedModel, PrefixedQuerySet, Timestamped
from apps.base.rest.object_versions import version_of
from apps.base.text.email_validation import email_spellings
from apps.orgs.models.accounts import ExternalIdentity, User
from apps.orgs.models.enums import Role
from apps.orgs.models.invitations import INVITATION_DAYS, Invitation, InvitationStatus
from apps.orgs.models.mail import OutgoingMail

__all__ = [
    "INVITATION_DAYS",
    "PLATFORM_SLUG",
    "ExternalIdentity",
    "Invitation",
    "InvitationStatus",
    "LeakPolicy",
    "Membership",
    "OperatorLook",
    "Organization",
    "OrganizationStatus",
    "OutgoingMail",
    "Role",
    "User",
]

PLATFORM_SLUG = "platform"
SLUG_VALIDATOR = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?\Z", _("Use lower-case letters, digits and hyphens.")
)


class OrganizationStatus(models.TextChoices):
    """State of an organization."""

    ACTIVE = "active", _("Active")
    SUSPENDED = "suspended", _("Suspended")
    CLOSED = "closed", _("Closed")


class LeakPolicy(models.TextChoices):
    """What happens to a key that is reported as leaked."""

    TELL = "tell", _("Tell us, and change nothing")
    QUARANTINE = "quarantine", _("Put the key in quarantine")
    REVOKE = "revoke", _("Revoke the key")


class OrganizationQuerySet(PrefixedQuerySet["Organization"]):
    """Organizations; the vendor's own (slug ``platform``) has no pages."""

    def customers(self) -> Self:
        """Exclude the vendor's own organization."""
        return self.exclude(slug=PLATFORM_SLUG)

    def for_member(self, user: User) -> Self:
        """Filter by membership of the user; closed organizations are excluded."""
        return self.customers().filter(memberships__user=user).exclude(status=OrganizationStatus.CLOSED)


class Organization(PrefixedModel, Timestamped):
    """A customer of the vendor, or the vendor itself (slug ``platform``)."""

    id_prefix = "org"
    audit_kind = "organization"

    name = models.CharField(_("name"), max_length=120)
    slug = models.CharField(_("slug"), max_length=50, unique=True, validators=[SLUG_VALIDATOR])
    status = models.CharField(max_length=12, choices=OrganizationStatus.choices, default=OrganizationStatus.ACTIVE)
    status_reason = models.CharField(max_length=200, blank=True)
    ceiling_per_minute = models.PositiveIntegerField(
        _("calls a minute of all keys together"), null=True, blank=True, help_text=_("Empty: no ceiling.")
    )
    endpoint_limit = models.PositiveIntegerField(
        _("most webhook endpoints"), null=True, blank=True, help_text=_("Empty: the limit of WEBHOOK_ENDPOINTS.")
    )
    leak_policy = models.CharField(
        _("when a key is reported as leaked"),
        max_length=10,
        choices=LeakPolicy.choices,
        default=LeakPolicy.QUARANTINE,
        db_default=LeakPolicy.QUARANTINE,
    )
    longest_key_days = models.PositiveIntegerField(
        _("longest lifetime of keys, in days"), null=True, blank=True, help_text=_("Empty: as the key's type says.")
    )
    two_step_required = models.BooleanField(_("members need two-step sign-in"), default=False, db_default=False)
    retention_days_audit = models.PositiveIntegerField(
        _("days that the audit log is kept"), null=True, blank=True, help_text=_("Empty: as long as the portal does.")
    )
    retention_days_calls = models.PositiveIntegerField(
        _("days that API calls are kept"), null=True, blank=True, help_text=_("Empty: as long as the portal does.")
    )
    retention_days_deliveries = models.PositiveIntegerField(
        _("days that events and deliveries are kept"),
        null=True,
        blank=True,
        help_text=_("Empty: as long as the portal does."),
    )
    mail_recipients = models.JSONField(
        _("who gets which mail"),
        null=True,
        blank=True,
        help_text="Group of notices → roles and members; see mailing.py.",
    )
    settings_version = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Counts changes: a form made from older ones is refused."
    )
    # A closed organization can't be entered; its rows stay until ``kept_until``, which an operator can change.
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    kept_until = models.DateTimeField(
        _("kept until"), null=True, blank=True, help_text=_("Of a closed organization: then its data are removed.")
    )
    purged_at = models.DateTimeField(_("data removed at"), null=True, blank=True, editable=False)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["kept_until"], name="closed_organizations", condition=models.Q(status="closed")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def organization_id(self) -> uuid.UUID:
        """The key, under the name that it has on the rows of an organization."""
        return self.pk

    @property
    def is_platform(self) -> bool:
        """Whether this is the vendor's own organization."""
        return self.slug == PLATFORM_SLUG


class MembershipQuerySet(OrgQuerySet["Membership"]):
    """Memberships of organizations."""

    def owners(self) -> Self:
        """Filter by the role owner."""
        return self.filter(role=Role.OWNER)

    def with_user_id(self, text: str) -> Self:
        """Filter by the ``user_…`` id that the API shows: at most one row in an organization."""
        key = decode(User.id_prefix, text)
        return self.filter(Q(earlier_id=key) | Q(earlier_id=None, user_id=key)) if key is not None else self.none()

    def with_address(self, email: str) -> Self:
        """Filter by the user's primary address or a secondary address that the user confirmed."""
        secondary = Q(user__emailaddress__email__in=email_spellings(email), user__emailaddress__verified=True)
        return self.filter(Q(user__email__in=email_spellings(email)) | secondary)


class Membership(OrgOwned, CreatedBy):
    """A user's role in an organization; ``created_by_…`` tells who created the account or sent the invitation."""

    id_prefix = "mem"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    earlier_id = models.UUIDField(
        null=True, editable=False, help_text="The account's key before the owner of the address took the place over."
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    mail_off = models.JSONField(null=True, blank=True, help_text="Groups of mail that the person does not want.")

    objects: ClassVar = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_person"),
            models.UniqueConstraint(fields=["earlier_id"], name="one_membership_per_former_account"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "created_by_id"], name="membership_by_creator"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.organization} · {self.role}"

    @property
    def public_user_pk(self) -> uuid.UUID:
        """The primary key in ``user_public_id``: the account's own, or that of the account it replaced."""
        return self.earlier_id or self.user_id

    @property
    def user_public_id(self) -> str:
        """The ``user_…`` id of the member; it does not change when the membership moves to another account."""
        return encode(User.id_prefix, self.public_user_pk)

    @property
    def version(self) -> str:
        """The version of the fields that an organization can change; sign-ins and passwords are not part of it."""
        return version_of(self.public_user_pk, self.user.name, self.user.email)


class OperatorLookQuerySet(OrgQuerySet["OperatorLook"]):
    """Support access sessions of operators."""

    def open(self, now: datetime) -> Self:
        """Filter to the sessions that neither ended nor expired."""
        return self.filter(ended_at=None, until__gt=now)

    def expired(self, now: datetime) -> Self:
        """Filter to the expired sessions that a periodic job has not ended yet."""
        return self.filter(ended_at=None, until__lte=now)


class OperatorLook(OrgOwned):
    """An operator's read-only access to the pages of one organization, from one session, for a limited time."""

    id_prefix = "look"

    operator = models.ForeignKey("orgs.User", on_delete=models.CASCADE, related_name="+", verbose_name=_("operator"))
    reason = models.CharField(_("reason"), max_length=200)
    session_digest = models.CharField(max_length=64, editable=False)
    started_at = models.DateTimeField(_("began"), auto_now_add=True)
    until = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    pages = models.PositiveIntegerField(_("pages seen"), default=0)

    objects: ClassVar = OperatorLookQuerySet.as_manager()

    class Meta:
        verbose_name = _("look at an organization")
        verbose_name_plural = _("looks at organizations")
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="look_by_org"),
            models.Index(fields=["until"], name="look_to_end", condition=models.Q(ended_at=None)),
        ]
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["operator", "organization"], name="one_open_look", condition=models.Q(ended_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.operator} · {self.organization}"
