"""Support access: operators' read-only sessions on a customer's pages."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.base.models import OrgOwned, OrgQuerySet


class OperatorLookQuerySet(OrgQuerySet["OperatorLook"]):
    """Support access sessions of operators."""

    def open(self, now: datetime) -> Self:
        """Filter to the sessions that neither ended nor expired."""
        return self.filter(ended_at=None, until__gt=now)

    def expired(self, now: datetime) -> Self:
        """Filter to the expired sessions whose end is not recorded yet."""
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
