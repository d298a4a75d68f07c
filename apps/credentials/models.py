"""The base model of API keys and SDK keys, and the stored responses of idempotent requests."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, ClassVar, Self, cast
from unicodedata import normalize

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.base.crypto.secrets import mask
from apps.base.models import OrgOwned, OrgQuerySet, Row, Timestamped
from apps.base.rest.object_versions import version_of
from apps.credentials import key_status
from apps.credentials.key_status import KeyStatus

LISTED_AFTER_REVOCATION = timedelta(days=90)


def _folded(text: str) -> str:
    return normalize("NFC", normalize("NFC", text).casefold())


class SecretKeyQuerySet(OrgQuerySet[Row]):
    """Keys of one kind."""

    def live(self, now: datetime | None = None) -> Self:
        """Filter keys that are neither expired nor revoked: those that count towards a quota."""
        return self.filter(key_status.not_revoked_or_expired(now or timezone.now()))

    def listed(self, now: datetime | None = None) -> Self:
        """Exclude keys revoked 90 days ago or earlier: pages show them in the audit log only."""
        return self.filter(Q(revoked_at=None) | Q(revoked_at__gt=(now or timezone.now()) - LISTED_AFTER_REVOCATION))

    def with_related(self) -> Self:
        """Join the related objects that pages and the API show."""
        return self.select_related(*cast("type[SecretKey]", self.model).related)

    def created_by(self, public_id: str) -> Self:
        """Filter keys that a user or a key created, also by rotation."""
        return self.filter(created_by_id=public_id)

    def named(self, text: str) -> Self:
        """Filter keys whose name contains a text, case-insensitively.

        Databases fold only ASCII, or as their locale defines, so other texts are compared in Python.
        """
        if text.isascii():
            return self.filter(name__icontains=text)
        wanted = _folded(text)
        found = self.order_by().values_list("pk", "name").iterator()
        return self.filter(pk__in=[pk for pk, name in found if wanted in _folded(name)])

    def in_any_status(self, statuses: Iterable[str], now: datetime | None = None) -> Self:
        """Filter keys by any of several derived statuses."""
        now = now or timezone.now()
        return self.filter(reduce(or_, (key_status.in_status(status, now) for status in statuses)))

    def in_status(self, status: str, now: datetime | None = None) -> Self:
        """Filter keys by derived status."""
        return self.filter(key_status.in_status(status, now or timezone.now()))


class SecretKey(OrgOwned, Timestamped):
    """A key: its scopes, expiry, creator and digest. Rows are never deleted."""

    key_prefix = ""
    # Relations that pages and the API show.
    related: ClassVar[tuple[str, ...]] = ("replaces", "replaced_by")
    # Plain texts that can be changed; rotation copies them.
    texts: ClassVar[tuple[str, ...]] = ("name",)

    name = models.CharField(_("name"), max_length=100)
    key_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    pepper_id = models.CharField(max_length=16, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    scopes = models.JSONField(_("scopes"), default=list, blank=True)
    allowed_networks = models.JSONField(_("allowed networks"), default=list, blank=True)
    limit_minute = models.PositiveIntegerField(null=True, blank=True, help_text=_("Empty: the type's. 0: none."))
    limit_hour = models.PositiveIntegerField(null=True, blank=True, help_text=_("Empty: the type's. 0: none."))
    # Identifies the rate limit windows, which a key shares with its successors.
    budget_id = models.UUIDField(default=uuid.uuid4, editable=False)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    # A state is the time since when it applies. ``status_…``: the latest change, by whom and why.
    overlap_since = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    quarantined_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    status_reason = models.CharField(max_length=200, blank=True)
    status_changed_by = models.CharField(max_length=200, blank=True)
    status_changed_at = models.DateTimeField(null=True, blank=True)
    replaces = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced_by")
    created_by_kind = models.CharField(max_length=10)
    created_by_id = models.CharField(max_length=40)
    created_by_label = models.CharField(max_length=200)

    objects: ClassVar = SecretKeyQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name} ({self.mask})"

    def copied_fields(self) -> tuple[str, ...]:
        """Return the fields that rotation copies to the successor."""
        return (*self.texts, "scopes", "allowed_networks", "limit_minute", "limit_hour")

    @property
    def version(self) -> str:
        """The version for ETags: it changes with the key's settings and state, not with its use or with time."""
        # Every change by an action sets ``updated_at``; requests with the key do not.
        return version_of(self.pk, self.updated_at)

    @property
    def audit_label(self) -> str:
        """The name without the mask."""
        return self.name

    @property
    def mask(self) -> str:
        """The masked form, which can be shown after creation."""
        return mask(self.key_prefix, self.key_id, self.last_four)

    @property
    def is_revoked_or_expired(self) -> bool:
        """Whether the key is revoked or expired, which is final."""
        return self.status.is_final

    @property
    def status(self) -> KeyStatus:
        """The current state."""
        return self.status_at(timezone.now())

    def status_at(self, now: datetime) -> KeyStatus:
        """Return the most severe state that applies at a time."""
        left = None if self.expires_at is None else (self.expires_at - now).total_seconds()
        return key_status.status_of(self.columns_set, left)

    @property
    def columns_set(self) -> list[str]:
        """The columns in ``STATUS_COLUMNS`` that are set."""
        return [column for column in key_status.STATUS_COLUMNS if getattr(self, column) is not None]


class IdempotencyQuerySet(OrgQuerySet["IdempotencyRecord"]):
    """Records of requests with ``Idempotency-Key``."""

    def answered(self, since: datetime) -> Self:
        """Filter requests since a time whose response is stored."""
        return self.filter(reserved_at__gt=since).exclude(status=None)


class IdempotencyRecord(OrgOwned):
    """A POST with ``Idempotency-Key``: a reservation while ``status`` is empty, then the response without secrets.

    ``lookup`` is a digest of header, method, path and credential. ``token`` identifies the request that has the
    reservation, so that a request whose reservation was taken over no longer finds it.
    """

    credential_kind = models.CharField(max_length=10)
    credential_id = models.UUIDField()
    route = models.CharField(max_length=120)
    lookup = models.CharField(max_length=64, unique=True)
    body_digest = models.CharField(max_length=64)
    pepper_id = models.CharField(max_length=16)
    token = models.UUIDField()
    reserved_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(blank=True)

    objects: ClassVar = IdempotencyQuerySet.as_manager()

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        indexes: ClassVar[list[Any]] = [models.Index(fields=["reserved_at"], name="idempotency_by_age")]

    def __str__(self) -> str:
        return f"{self.route} {self.status or '…'}"
