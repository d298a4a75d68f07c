"""People, organizations and who belongs where."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from apps.base.models import OrgOwned, OrgQuerySet, PrefixedModel, PrefixedQuerySet, Timestamped

PLATFORM_SLUG = "platform"
SLUG = RegexValidator(r"^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?\Z", _("Use lower-case letters, digits and hyphens."))


class Role(models.TextChoices):
    """What a member is; what each role may do stands in ``orgs/roles.py``."""

    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Admin")
    DEVELOPER = "developer", _("Developer")
    VIEWER = "viewer", _("Viewer")


class UserManager(BaseUserManager["User"]):
    """Makes accounts; addresses are kept in lower case, so that one address is one account."""

    def create_user(self, email: str, password: str | None = None, **values: Any) -> "User":
        """This will save a new account; without a password it cannot sign in until one is set."""
        user = self.model(email=email.lower(), **values)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **values: Any) -> "User":
        """This will save an operator of the vendor (Django asks for this name)."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **values)

    def get_by_natural_key(self, username: str | None) -> "User":
        """This will find an account by its address, in any case."""
        return self.get(email=(username or "").lower())


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

    def get_session_auth_hash(self) -> str:
        """This will return what a session must match: it changes with the password and with the epoch."""
        value = f"{self.password}:{self.session_epoch}"
        return salted_hmac("apps.orgs.models.User", value, algorithm="sha256").hexdigest()

    def get_session_auth_fallback_hash(self) -> Any:
        """This will accept sessions signed under an earlier SECRET_KEY, as Django does."""
        for secret in settings.SECRET_KEY_FALLBACKS:
            value = f"{self.password}:{self.session_epoch}"
            yield salted_hmac("apps.orgs.models.User", value, secret=secret, algorithm="sha256").hexdigest()


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

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")

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


class Membership(OrgOwned):
    """One person in one organization, with a role."""

    id_prefix = "mem"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_person")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.organization} · {self.role}"


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


class OperatorLookQuerySet(OrgQuerySet):
    """Operators who look at what a customer sees."""

    def open(self, now: datetime) -> Self:
        """This will keep those that neither ended nor ran out."""
        return self.filter(ended_at=None, until__gt=now)

    def run_out(self, now: datetime) -> Self:
        """This will keep those whose time is over and whose end is not recorded yet."""
        return self.filter(ended_at=None, until__lte=now)


class OperatorLook(OrgOwned):
    """An operator looks at the pages of one organization, read-only, from one session, for a while."""

    id_prefix = "look"

    operator = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", verbose_name=_("operator"))
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
