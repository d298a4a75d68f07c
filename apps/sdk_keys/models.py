"""SDK keys, which are used inside mobile and web apps, and the devices activated with them."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.base.models import OrgOwned, OrgQuerySet, Timestamped
from apps.base.rest.object_versions import version_of
from apps.credentials.models import SecretKey

DEFAULT_INACTIVE_DAYS = 30
# Longer texts that a device reports are truncated.
MAX_REPORTED_LENGTH = 200


class Platform(models.TextChoices):
    """The platform of the app that contains the key."""

    IOS = "ios", _("iOS")
    ANDROID = "android", _("Android")
    WEB = "web", _("Web")


class ActivationPool(OrgOwned, Timestamped):
    """The activations that a key and its successors share, so that devices stay active through a rotation.

    ``active_count``: the number of active devices. It changes in their transaction, under this row's lock, so that the
    limit is exact.
    """

    id_prefix = "pool"

    activation_limit = models.PositiveIntegerField(_("most active devices"), null=True, blank=True)
    inactive_after_days = models.PositiveIntegerField(
        _("days of silence after which a device loses its place"), null=True, blank=True, default=DEFAULT_INACTIVE_DAYS
    )
    active_count = models.PositiveIntegerField(default=0, editable=False)
    # When the limit was reached and announced; cleared when a device is deactivated.
    full_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("pool of activations")
        verbose_name_plural = _("pools of activations")
        indexes: ClassVar[list[Any]] = [models.Index(fields=["organization", "id"], name="activation_pool_by_org")]

    def __str__(self) -> str:
        return f"{self.active_count} / {self.activation_limit or '∞'}"


class SdkKey(SecretKey):
    """A key inside an app, which can only activate, keep alive and deactivate its device."""

    id_prefix = "sdk"
    key_prefix = "ips_"
    related = ("pool", *SecretKey.related)

    platform = models.CharField(_("platform"), max_length=8, choices=Platform.choices)
    app_id = models.CharField(_("app id"), max_length=255, blank=True)
    cert_sha256 = models.CharField(_("SHA-256 of the signing certificate"), max_length=95, blank=True)
    origins = models.JSONField(_("allowed origins"), default=list, blank=True)
    pool = models.ForeignKey(ActivationPool, on_delete=models.PROTECT, related_name="keys", editable=False)

    class Meta:
        verbose_name = _("SDK key")
        verbose_name_plural = _("SDK keys")
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "platform", "id"], name="sdk_key_by_org"),
            models.Index(fields=["organization", "created_by_id", "id"], name="sdk_key_by_creator"),
        ]

    @property
    def version(self) -> str:
        """The version for ETags: it changes with the key's and the pool's settings, not with devices."""
        return version_of(super().version, self.pool.activation_limit, self.pool.inactive_after_days)

    def copied_fields(self) -> tuple[str, ...]:
        """Return the fields that rotation copies to the successor."""
        return (*super().copied_fields(), "platform", "app_id", "cert_sha256", "origins", "pool")


class DeactivationReason(models.TextChoices):
    """Why a device was deactivated."""

    DEVICE = "device", _("by the device")
    MEMBER = "person", _("by hand")
    INACTIVE = "silent", _("silent for too long")


class ActivationQuerySet(OrgQuerySet["Activation"]):
    """Activations, active or deactivated."""

    def active(self) -> Self:
        """Filter active devices."""
        return self.filter(freed_at=None)

    def inactive(self, now: datetime) -> Self:
        """Filter active devices whose inactivity period has passed."""
        return self.active().filter(expires_at__lte=now)


class Activation(OrgOwned):
    """A device of a pool; a deactivated one stays listed for 90 days.

    The device's own id is stored as a keyed digest and its token as a digest: neither can be recovered.
    """

    id_prefix = "act"

    pool = models.ForeignKey(ActivationPool, on_delete=models.PROTECT, related_name="activations", db_index=False)
    key = models.ForeignKey(SdkKey, on_delete=models.PROTECT, related_name="activations", db_index=False)
    device_digest = models.CharField(max_length=64, editable=False)
    pepper_id = models.CharField(max_length=16, editable=False)
    token_digest = models.CharField(max_length=64, editable=False)
    app_version = models.CharField(_("app version"), max_length=MAX_REPORTED_LENGTH, blank=True)
    os_version = models.CharField(_("system version"), max_length=MAX_REPORTED_LENGTH, blank=True)
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    last_seen_from = models.CharField(max_length=45, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    freed_at = models.DateTimeField(null=True, blank=True)
    freed_because = models.CharField(max_length=8, choices=DeactivationReason.choices, blank=True)

    objects: ClassVar = ActivationQuerySet.as_manager()

    class Meta:
        verbose_name = _("activation")
        verbose_name_plural = _("activations")
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["pool", "device_digest"],
                name="one_active_place_per_device",
                condition=models.Q(freed_at=None),
            )
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "id"], name="activation_by_org"),
            models.Index(fields=["pool", "id"], name="activation_by_pool"),
            models.Index(fields=["pool", "device_digest", "created_at"], name="activation_by_device"),
            models.Index(fields=["expires_at"], name="activation_silent", condition=models.Q(freed_at=None)),
            models.Index(fields=["freed_at"], name="activation_freed", condition=models.Q(freed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.public_id
