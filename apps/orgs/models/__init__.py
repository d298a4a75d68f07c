"""People, organizations and who belongs where. Invitations and mail have modules of their own in this package."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from apps.base.mail_addresses import canonical_address, spellings
from apps.base.models import CreatedBy, OrgOwned, OrgQuerySet, PrefixedModel, PrefixedQuerySet, Timestamped
from apps.base.versions import version_of
from apps.orgs.models.invitations import INVITATION_DAYS, Invitation, InvitationStatus
from apps.orgs.models.looks import OperatorLook
from apps.orgs.models.mail import OutgoingMail
from apps.orgs.models.words import Role

__all__ = [
    "INVITATION_DAYS",
    "PLATFORM_SLUG",
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
SLUG = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?\Z", _("Use lower-case letters, digits and hyphens."))


class UserManager(BaseUserManager["User"]):
    """Makes and finds accounts; addresses are kept in one spelling, so that one address is one account."""

    def create_user(self, email: str, password: str | None = None, **values: Any) -> "User":
        """This will save a new account; without a password it cannot sign in until one is set."""
        user = self.model(email=canonical_address(email), **values)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **values: Any) -> "User":
        """This will save an operator of the vendor (Django asks for this name)."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **values)

    def get_by_natural_key(self, username: str | None) -> "User":
        """This will find an account by its address, in any case."""
        found = self.with_address(username or "")
        if found is None:
            raise self.model.DoesNotExist
        return found

    def with_address(self, email: str) -> "User | None":
        """Return the account whose own address this is, however it is spelled."""
        return next(iter(self.all_with_address(email)), None)

    def all_with_address(self, email: str) -> "list[User]":
        """Return the same and, after it, an account of before whose address differs in the spelling alone."""
        canonical = canonical_address(email)
        return sorted(self.filter(email__in=spellings(email)), key=lambda user: (user.email != canonical, user.pk))


class User(PrefixedModel, AbstractBaseUser, PermissionsMixin):
    """A person. Signs in by e-mail address; may belong to several organizations."""

    id_prefix = "user"

    email = models.EmailField(_("e-mail address"), unique=True, max_length=254)
    name = models.CharField(_("name"), max_length=150)
    language = models.CharField(_("language"), max_length=8, blank=True, choices=settings.LANGUAGES)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("operator"), default=False)
    password_is_provisional = models.BooleanField(
        default=False, help_text=_("Set through the API; it ends when the owner of the address confirms it.")
    )
    session_epoch = models.PositiveIntegerField(default=0, help_text=_("Counting up ends every session."))
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserManager()
    rows = PrefixedQuerySet.as_manager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        default_manager_name = "objects"

    def __str__(self) -> str:
        return self.email

    @property
    def version(self) -> str:
        """The version of what an organization decides about the person; signing in and passwords are no part."""
        return version_of(self.pk, self.name, self.email)

    def get_session_auth_hash(self) -> str:
        """This will return what a session must match: it changes with the password and with the epoch."""
        value = f"{self.password}:{self.session_epoch}"
        return salted_hmac("apps.orgs.models.User", value, algorithm="sha256").hexdigest()

    def get_session_auth_fallback_hash(self) -> Any:
        """This will accept sessions signed under an earlier SECRET_KEY, as Django does."""
        for secret in settings.SECRET_KEY_FALLBACKS:
            value = f"{self.password}:{self.session_epoch}"
            yield salted_hmac("apps.orgs.models.User", value, secret=secret, algorithm="sha256").hexdigest()


class ExternalIdentity(models.Model):
    """Who an account is at the identity provider: an issuer's subject belongs to one account (OIDC Core section 2)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("external identity")
        verbose_name_plural = _("external identities")
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_account_per_identity"),
            models.UniqueConstraint(fields=["user", "issuer"], name="one_identity_per_issuer"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.issuer}"


class OrganizationStatus(models.TextChoices):
    """Whether an organization may be used."""

    ACTIVE = "active", _("Active")
    SUSPENDED = "suspended", _("Suspended")
    CLOSED = "closed", _("Closed")


class LeakPolicy(models.TextChoices):
    """What happens to a key that was reported as leaked."""

    TELL = "tell", _("Tell us, and change nothing")
    QUARANTINE = "quarantine", _("Put the key in quarantine")
    REVOKE = "revoke", _("Revoke the key")


class OrganizationQuerySet(PrefixedQuerySet):
    """Organizations; ``platform`` is the vendor's own and has no pages."""

    def customers(self) -> Self:
        """This will leave the vendor's own organization out."""
        return self.exclude(slug=PLATFORM_SLUG)

    def for_member(self, user: User) -> Self:
        """This will keep the organizations that the person belongs to and that are not closed."""
        return self.customers().filter(memberships__user=user).exclude(status=OrganizationStatus.CLOSED)


class Organization(PrefixedModel, Timestamped):
    """A customer of the vendor, or the vendor itself (slug ``platform``)."""

    id_prefix = "org"

    name = models.CharField(_("name"), max_length=120)
    slug = models.CharField(_("slug"), max_length=50, unique=True, validators=[SLUG])
    status = models.CharField(max_length=12, choices=OrganizationStatus.choices, default=OrganizationStatus.ACTIVE)
    status_reason = models.CharField(max_length=200, blank=True)
    ceiling_per_minute = models.PositiveIntegerField(
        _("calls a minute of all keys together"), null=True, blank=True, help_text=_("Empty: no ceiling.")
    )
    endpoint_limit = models.PositiveIntegerField(
        _("most webhook endpoints"), null=True, blank=True, help_text=_("Empty: no limit.")
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
    # Closed: nobody gets in, and the rows stay until a moment that an operator may move.
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
    def is_platform(self) -> bool:
        """Whether this is the vendor's own organization."""
        return self.slug == PLATFORM_SLUG


class MembershipQuerySet(OrgQuerySet):
    """Who belongs where."""

    def owners(self) -> Self:
        """This will keep the owners."""
        return self.filter(role=Role.OWNER)


class Membership(OrgOwned, CreatedBy):
    """One person in one organization, with a role. Its creator made the account, or sent the invitation."""

    id_prefix = "mem"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    mail_off = models.JSONField(null=True, blank=True, help_text="Groups of mail that the person does not want.")

    objects: ClassVar = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_person")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "created_by_id"], name="membership_by_creator"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.organization} · {self.role}"
