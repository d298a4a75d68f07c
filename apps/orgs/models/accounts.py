"""User accounts and their identities at an identity provider."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from apps.base.models import PrefixedModel, PrefixedQuerySet
from apps.base.text.email_validation import email_spellings, normalize_email


class UserManager(BaseUserManager["User"]):
    """Creates and finds accounts; addresses are stored in canonical spelling, and one address has one account.

    A provisional account is one that the API created or moved to another address. It does not own the address: any
    number of provisional accounts can have the same one, until the owner of the mailbox confirms it.
    """

    def create_user(self, email: str, password: str | None = None, **values: Any) -> "User":
        """Save a new account; without a password it cannot sign in until one is set."""
        user = self.model(email=normalize_email(email), **values)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **values: Any) -> "User":
        """Save an operator (Django requires this name)."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **values)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the account of an address in any spelling, or raise DoesNotExist."""
        found = self.find_by_address(username or "")
        if found is None:
            raise self.model.DoesNotExist
        return found

    def find_by_address(self, email: str) -> "User | None":
        """Return the account that owns an address in any spelling, else the first provisional account with it."""
        return self.address_owner(email) or self.provisional_accounts(email).first()

    def address_owner(self, email: str) -> "User | None":
        """Return the account that owns the address, or None; provisional accounts own none."""
        return next(iter(self.address_owners(email)), None)

    def address_owners(self, email: str) -> "list[User]":
        """Return the account that owns the address, then older accounts with another spelling of it."""
        canonical = normalize_email(email)
        rows = self.filter(email__in=email_spellings(email), password_is_provisional=False)
        return sorted(rows, key=lambda user: (user.email != canonical, user.pk))

    def with_duplicate_addresses(self) -> "list[list[User]]":
        """Return older accounts whose addresses differ only in the spelling of the domain, grouped by address."""
        international = Q(email__regex="[^ -~]") | Q(email__contains="@xn--") | Q(email__contains=".xn--")
        found: dict[str, list[User]] = {}
        for user in self.filter(international, password_is_provisional=False).order_by("pk"):
            found.setdefault(normalize_email(user.email), []).append(user)
        return [users for users in found.values() if len(users) > 1]

    def provisional_accounts(self, email: str) -> models.QuerySet["User"]:
        """Return the provisional accounts with an address: those in use first, then the newest."""
        rows = self.filter(email__in=email_spellings(email), password_is_provisional=True)
        return rows.order_by("-signs_in_unverified", "-pk")


class User(PrefixedModel, AbstractBaseUser, PermissionsMixin):
    """A user, who signs in by e-mail address and can belong to several organizations."""

    id_prefix = "user"
    audit_kind = "user"

    email = models.EmailField(_("e-mail address"), max_length=254, db_index=True)
    name = models.CharField(_("name"), max_length=150)
    language = models.CharField(_("language"), max_length=8, blank=True, choices=settings.LANGUAGES)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("operator"), default=False)
    password_is_provisional = models.BooleanField(
        default=False, help_text=_("Set through the API; it ends when the owner of the address confirms it.")
    )
    signs_in_unverified = models.BooleanField(
        default=False, db_default=False, help_text="Signed in with a provisional password when that was allowed."
    )
    address_epoch = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Counts changes of the address: each ends the links in mails."
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
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["email"], name="one_account_per_address", condition=Q(password_is_provisional=False)
            )
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def must_verify_address(self) -> bool:
        """Whether sign-in is refused until the owner of the address verifies it."""
        return self.password_is_provisional and not self.signs_in_unverified

    def get_session_auth_hash(self) -> str:
        """Return the hash that a session must match: it changes with the password and with the session epoch."""
        value = f"{self.password}:{self.session_epoch}"
        return salted_hmac("apps.orgs.models.User", value, algorithm="sha256").hexdigest()

    def get_session_auth_fallback_hash(self) -> Any:
        """Yield the hashes under earlier SECRET_KEYs, which Django accepts too."""
        for secret in settings.SECRET_KEY_FALLBACKS:
            value = f"{self.password}:{self.session_epoch}"
            yield salted_hmac("apps.orgs.models.User", value, secret=secret, algorithm="sha256").hexdigest()


class ExternalIdentity(models.Model):
    """An account's identity at a provider: a subject of an issuer belongs to one account (OIDC Core section 2)."""

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
