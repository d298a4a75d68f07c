"""SDK keys: keys inside apps on phones and in browsers, and the devices that hold an activation of one."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.base.models import OrgOwned, OrgQuerySet, Timestamped
from apps.base.rest.object_versions import version_of
from apps.credentials.models import SecretKey

DEFAULT_INACTIVE_DAYS = 30
# Of a text that a device reports of itself: what is longer is cut.
MAX_REPORTED_LENGTH = 200


class Platform(models.TextChoices):
    """Where the app runs that holds the key."""

    IOS = "ios", _("iOS")
    ANDROID = "android", _("Android")
    WEB = "web", _("Web")


class ActivationPool(OrgOwned, Timestamped):
    """The activations that a key and its successors share: while both work, a rotation costs no device its place.

    ``active_count`` is the number of activations that are not freed: it changes in their transaction, under this row's
    lock, so that a limit is exact.
    """

    id_prefix = "pool"

    activation_limit = models.PositiveIntegerField(_("most active devices"), null=True, blank=True)
    inactive_after_days = models.PositiveIntegerField(
        _("days of silence after which a device loses its place"), null=True, blank=True, default=DEFAULT_INACTIVE_DAYS
    )
    active_count = models.PositiveIntegerField(default=0, editable=False)
    # Since when it is full and somebody was told; empty again once a place is free.
    full_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("pool of activations")
        verbose_name_plural = _("pools of activations")
        indexes: ClassVar[list[Any]] = [models.Index(fields=["organization", "id"], name="activation_pool_by_org")]

    def __str__(self) -> str:
        return f"{self.active_count} / {self.activation_limit or '∞'}"


class SdkKey(SecretKey):
    """A key inside an app: it activates a device, beats for it and frees it, and does nothing else."""

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
        """The version of what was decided about the key and its pool; devices come and go without another one."""
        return version_of(super().version, self.pool.activation_limit, self.pool.inactive_after_days)

    def copied_fields(self) -> tuple[str, ...]:
        """Return the names of the fields that a key's successor takes over."""
        return (*super().copied_fields(), "platform", "app_id", "cert_sha256", "origins", "pool")


class DeactivationReason(models.TextChoices):
    """Why a device lost its place."""

    DEVICE = "device", _("by the device")
    MEMBER = "person", _("by hand")
    INACTIVE = "silent", _("silent for too long")


class ActivationQuerySet(OrgQuerySet["Activation"]):
    """Devices that hold, or held, a place."""

    def active(self) -> Self:
        """Keep what holds a place."""
        return self.filter(freed_at=None)

    def inactive(self, now: datetime) -> Self:
        """Keep what holds a place and was not heard of for as long as its key allows."""
        return self.active().filter(expires_at__lte=now)


class Activation(OrgOwned):
    """One device that holds a place of a pool; freed, it stays in the list for a while.

    The device's own id is kept as a keyed digest, its token as a digest: neither can be read back.
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
