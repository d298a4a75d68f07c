"""Models of the operator's catalogue (key types, scopes, packages) and of organizations' API keys."""

from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.base.models import Timestamped
from apps.base.permissions import ADMIN, expand
from apps.credentials.models import SecretKey
from apps.orgs.models import Organization

EVERY_SCOPE = "*"
NOT_ANNOUNCED = 999


class Scope(models.Model):
    """A permission that can be granted to a key, named ``resource:action``."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    description = models.CharField(_("description"), max_length=200)
    position = models.PositiveIntegerField(default=1000)
    is_builtin = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "name"]
        verbose_name = _("scope")
        verbose_name_plural = _("scopes")

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """Return the description, translated if it is a built-in one."""
        return gettext(self.description)


class KeyCreators(models.TextChoices):
    """Who can create keys of a type. Only members create keys of ``OWNERS``: no key has an owner's permissions."""

    ADMINS = "admins", _("Owners and admins, and keys that may")
    OWNERS = "owners", _("Owners only")
    OPERATORS = "operators", _("Operators only")


class KeyTypeQuerySet(models.QuerySet["KeyType"]):
    def for_customers(self) -> Self:
        """Keep the active types, without those reserved for the platform organization."""
        return self.filter(is_active=True, platform_only=False)


class KeyType(Timestamped):
    """The scopes, rate limits, quota and lifetime of a kind of API key."""

    name = models.SlugField(_("name"), max_length=40, unique=True)
    title = models.CharField(_("title"), max_length=80)
    description = models.TextField(_("description"), blank=True)
    scopes = models.JSONField(_("scopes it may hold"), default=list, help_text=_('["*"]: every scope but admin.'))
    may_hold_admin = models.BooleanField(_("may hold admin"), default=False)
    limit_minute = models.PositiveIntegerField(
        _("calls a minute"), null=True, blank=True, help_text=_("Empty: the portal's default. 0: no limit.")
    )
    limit_hour = models.PositiveIntegerField(
        _("calls an hour"), null=True, blank=True, help_text=_("Empty: the portal's default. 0: no limit.")
    )
    cap = models.PositiveIntegerField(_("most live keys"), null=True, blank=True, help_text=_("Empty: no cap."))
    default_days = models.PositiveIntegerField(
        _("lifetime unless chosen, in days"), null=True, blank=True, help_text=_("Empty: no expiry.")
    )
    longest_days = models.PositiveIntegerField(
        _("longest lifetime, in days"), null=True, blank=True, help_text=_("Empty: may have no expiry.")
    )
    needs_subject = models.BooleanField(_("needs a subject"), default=False)
    platform_only = models.BooleanField(_("only in the organization platform"), default=False)
    made_by = models.CharField(
        _("made by"),
        max_length=10,
        choices=KeyCreators.choices,
        default=KeyCreators.ADMINS,
        db_default=KeyCreators.ADMINS,
    )
    is_active = models.BooleanField(_("may be made"), default=True)
    is_builtin = models.BooleanField(default=False, editable=False)
    position = models.PositiveIntegerField(default=100)

    objects = KeyTypeQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "name"]
        verbose_name = _("key type")
        verbose_name_plural = _("key types")

    def __str__(self) -> str:
        return self.name

    @property
    def title_text(self) -> str:
        """Return the title, translated if it is a built-in one."""
        return gettext(self.title)

    @property
    def description_text(self) -> str:
        """Return the description, translated if it is a built-in one."""
        return gettext(self.description) if self.description else ""

    def allowed_scopes(self, catalogue: frozenset[str]) -> frozenset[str]:
        """Return the scopes of the catalogue that keys of this type can have."""
        named = catalogue if EVERY_SCOPE in self.scopes else expand(self.scopes) & catalogue
        return named | {ADMIN} if self.may_hold_admin else named


class Package(models.Model):
    """The key types and scopes that are disabled for one organization, according to what it bought.

    Changes apply from the next request: a disabled scope grants nothing, a key of a disabled type gets 403.
    """

    organization = models.OneToOneField(
        Organization,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
        verbose_name=_("organization"),
    )
    types_off = models.JSONField(_("key types switched off"), default=list, blank=True)
    scopes_off = models.JSONField(_("scopes switched off"), default=list, blank=True)
    contact = models.CharField(
        _("whom to ask"),
        max_length=200,
        blank=True,
        help_text=_("Shown where something is switched off, such as “Write to sales@vendor.example”."),
    )

    class Meta:
        verbose_name = _("package of an organization")
        verbose_name_plural = _("packages of organizations")

    def __str__(self) -> str:
        return str(self.organization)

    @property
    def contact_text(self) -> str:
        """Return whom to contact: the operator's text, or the default."""
        return self.contact or gettext("Contact the vendor's team.")


class ApiKey(SecretKey):
    """A key for servers: authenticates requests to ``/v1`` as its organization, within its scopes."""

    id_prefix = "key"
    key_prefix = "ipk_"
    related = ("key_type", *SecretKey.related)

    key_type = models.ForeignKey(KeyType, on_delete=models.PROTECT, related_name="+")
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    announced_days = models.PositiveSmallIntegerField(
        default=NOT_ANNOUNCED,
        db_default=NOT_ANNOUNCED,
        editable=False,
        help_text=_("The last notice of its expiry: so many days before. 0: that it has expired."),
    )
    rotation_reminded_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="api_key_by_org"),
            models.Index(fields=["organization", "created_by_id", "id"], name="api_key_by_creator"),
            models.Index(fields=["organization", "subject", "id"], name="api_key_by_subject"),
            # For the periodic jobs api_keys.announce_expiry and api_keys.remind_of_rotation.
            models.Index(
                fields=["expires_at"],
                name="api_key_expiry_due",
                condition=models.Q(revoked_at=None, overlap_since=None, announced_days__gt=0),
            ),
            models.Index(
                fields=["created_at"],
                name="api_key_unreminded",
                condition=models.Q(revoked_at=None, overlap_since=None, rotation_reminded_at=None),
            ),
        ]

    def copied_fields(self) -> tuple[str, ...]:
        """Return the names of the fields that rotation copies to the new key."""
        return (*super().copied_fields(), "key_type", "subject")


class KeyHabit(models.Model):
    """The usual use of a key over the last four weeks, against which unusual use is detected."""

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="habit")
    learned_at = models.DateTimeField()
    first_hour = models.DateTimeField(null=True)
    hours = models.PositiveIntegerField(default=0, help_text="In which it was used at all.")
    # The most calls in an hour.
    busiest_hour = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    networks = models.JSONField(default=list)

    class Meta:
        verbose_name = _("habits of a key")
        verbose_name_plural = _("habits of keys")

    def __str__(self) -> str:
        return f"{self.key_id} {self.learned_at:%Y-%m-%d %H:%M}"
