"""Abstract models for prefixed ids, timestamps, and rows that belong to an organization."""

import uuid
from typing import Any, ClassVar, Self, TypeVar

from django.db import models
from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, NotFound
from apps.base.identifiers import decode, encode, new_uuid

Row = TypeVar("Row", bound=models.Model)


def creator(actor: Actor) -> dict[str, str]:
    """Return the values of the fields of ``CreatedBy``."""
    return {"created_by_kind": actor.kind, "created_by_id": actor.id, "created_by_label": actor.label[:200]}


def set_values(row: models.Model, values: dict[str, Any]) -> dict[str, list[Any]]:
    """Set the values that differ, without saving them, and return them as field → [old, new]."""
    changes = {name: [getattr(row, name), new] for name, new in values.items() if getattr(row, name) != new}
    for name, (_old, new) in changes.items():
        setattr(row, name, new)
    return changes


def require_unchanged(row: models.Model, changes: dict[str, list[Any]]) -> None:
    """Lock the row, or raise Conflict if it has other values now than those that the changes began with."""
    stored = type(row)._default_manager.select_for_update().filter(pk=row.pk).values(*changes).first()
    if stored is None or any(str(stored[name]) != str(old) for name, (old, _new) in changes.items()):
        raise Conflict(_("Somebody changed this meanwhile. Look at it again, then make your change."))


class PrefixedQuerySet(models.QuerySet[Row]):
    """Rows that can be found by their public id."""

    def with_public_id(self, text: str) -> Row:
        """Return the row of this queryset with the public id, or raise NotFound."""
        key = decode(self.model.id_prefix, text)  # type: ignore[attr-defined]  # the model is a PrefixedModel
        row = self.filter(pk=key).first() if key is not None else None
        if row is None:
            raise NotFound()
        return row


class PrefixedModel(models.Model):
    """A row whose UUID v7 primary key has a prefixed text form."""

    id_prefix: ClassVar[str] = ""
    id = models.UUIDField(primary_key=True, default=new_uuid, editable=False)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        """The id in pages and the API, such as ``ep_…``."""
        return encode(self.id_prefix, self.pk)


class Timestamped(models.Model):
    """A row with the times of its creation and last change."""

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class OrgQuerySet(PrefixedQuerySet[Row]):
    """Rows of organizations; every read starts with ``for_actor``."""

    def for_actor(self, actor: Actor) -> Self:
        """Return the rows of the actor's organization; all to operators, none to other actors without one.

        Operators with support access see one organization, as its members do.
        """
        if actor.kind == ActorKind.OPERATOR and not actor.is_support_access:
            return self.all()
        if actor.organization_id is None:
            return self.none()
        return self.filter(organization_id=actor.organization_id)


class CreatedBy(models.Model):
    """A row with its creator by public id, which stays when the creator is deleted. Empty: unknown."""

    created_by_kind = models.CharField(max_length=10, blank=True, default="", db_default="", editable=False)
    created_by_id = models.CharField(max_length=40, blank=True, default="", db_default="", editable=False)
    created_by_label = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)

    class Meta:
        abstract = True


class OrgOwned(PrefixedModel):
    """A row that belongs to an organization. The model is named by a string: ``base`` imports no other app.

    The foreign key has no separate index: each table has one that starts with it and serves its lists.
    """

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, related_name="+", db_index=False)
    organization_id: uuid.UUID

    objects = OrgQuerySet.as_manager()

    class Meta:
        abstract = True


class SpentForm(models.Model):
    """The digest of the token of a one-time form that was sent, by which a second submission is detected."""

    token = models.CharField(primary_key=True, max_length=64)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.token
