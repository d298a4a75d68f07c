"""What API keys and SDK keys share: a secret that is kept as a digest, a life with states, answers kept for repeats."""

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
        """Keep the keys that hold a place under a cap: all but the expired and revoked."""
        return self.filter(key_status.has_not_ended(now or timezone.now()))

    def listed(self, now: datetime | None = None) -> Self:
        """Leave out what was revoked 90 days ago or earlier: on pages, that stands in the audit log alone."""
        return self.filter(Q(revoked_at=None) | Q(revoked_at__gt=(now or timezone.now()) - LISTED_AFTER_REVOCATION))

    def with_related(self) -> Self:
        """Read what is shown of other tables, too."""
        return self.select_related(*cast("type[SecretKey]", self.model).related)

    def created_by(self, public_id: str) -> Self:
        """Keep the keys that a user or a key created, by rotating too."""
        return self.filter(created_by_id=public_id)

    def named(self, text: str) -> Self:
        """Keep the keys whose name contains a text, whatever the case.

        Databases fold the case of ASCII alone, or as their locale says: names in other letters are compared here.
        """
        if text.isascii():
            return self.filter(name__icontains=text)
        wanted = _folded(text)
        found = self.order_by().values_list("pk", "name").iterator()
        return self.filter(pk__in=[pk for pk, name in found if wanted in _folded(name)])

    def in_any_status(self, statuses: Iterable[str], now: datetime | None = None) -> Self:
        """Keep the keys whose derived status is one of these."""
        moment = now or timezone.now()
        return self.filter(reduce(or_, (key_status.in_status(status, moment) for status in statuses)))

    def in_status(self, status: str, now: datetime | None = None) -> Self:
        """Keep the keys whose derived status is the given one."""
        return self.filter(key_status.in_status(status, now or timezone.now()))


class SecretKey(OrgOwned, Timestamped):
    """A key: what it may do, until when, who made it, and a digest of its text. Rows are never deleted."""

    key_prefix = ""
    # What pages and the API show of other tables.
    related: ClassVar[tuple[str, ...]] = ("replaces", "replaced_by")

    name = models.CharField(_("name"), max_length=100)
    key_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    pepper_id = models.CharField(max_length=16, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    scopes = models.JSONField(_("scopes"), default=list, blank=True)
    allowed_networks = models.JSONField(_("allowed networks"), default=list, blank=True)
    limit_minute = models.PositiveIntegerField(null=True, blank=True, help_text=_("Empty: the type's. 0: none."))
    limit_hour = models.PositiveIntegerField(null=True, blank=True, help_text=_("Empty: the type's. 0: none."))
    budget_id = models.UUIDField(default=uuid.uuid4, editable=False)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    # A state is a moment; who brought the key into the newest one, when and why, stands beside them.
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
        """Return the names of the fields that a key's successor takes over."""
        return ("name", "scopes", "allowed_networks", "limit_minute", "limit_hour")

    @property
    def version(self) -> str:
        """The version of what was decided about the key; using it, and time that passes, changes nothing of that."""
        # Every change in lifecycle.py and by the actions sets ``updated_at``; what follows from calls sets none.
        return version_of(self.pk, self.updated_at)

    @property
    def mask(self) -> str:
        """What may be shown of the key after its reveal."""
        return mask(self.key_prefix, self.key_id, self.last_four)

    @property
    def has_ended(self) -> bool:
        """Whether the key is revoked or expired: readable, and never again anything else."""
        return self.status.has_ended

    @property
    def status(self) -> KeyStatus:
        """The state at this moment."""
        return self.status_at(timezone.now())

    def status_at(self, now: datetime) -> KeyStatus:
        """Return the state at a moment; the worst one that applies."""
        left = None if self.expires_at is None else (self.expires_at - now).total_seconds()
        return key_status.status_of(self.since, left)

    @property
    def since(self) -> frozenset[str]:
        """The moments of states that are set, by column."""
        return frozenset(column for column in key_status.STATUS_COLUMNS if getattr(self, column) is not None)


class IdempotencyQuerySet(OrgQuerySet["IdempotencyRecord"]):
    """Requests that carried ``Idempotency-Key``."""

    def answered(self, since: datetime) -> Self:
        """Keep the requests since a moment whose answer is stored."""
        return self.filter(reserved_at__gt=since).exclude(status=None)


class IdempotencyRecord(OrgOwned):
    """A POST with ``Idempotency-Key``: reserved while ``status`` is empty, then the answer less its secrets.

    ``lookup`` digests header, method, path and credential; ``token`` is that of the request which holds the
    reservation, so that one that was overtaken finds nothing of its own any more.
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
