"""Operators' changes to key types, scopes and packages. They apply to every key from its next request.

The name of a type or scope never changes, and one that keys use cannot be deleted.
"""

import re
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from apps.api_keys.models import ApiKey, KeyType, Package, Scope
from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict, Invalid
from apps.base.models import require_unchanged
from apps.base.permissions import NOT_SCOPES
from apps.credentials.gate import key_check
from apps.credentials.rules import MAX_DAYS

SCOPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,38}:[a-z][a-z0-9_]{0,38}", re.ASCII)
TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
Changes = dict[str, list[Any]]


@transaction.atomic
def save_key_type(*, actor: Actor, row: KeyType, changes: Changes) -> KeyType:
    """Add or change a type; ``changes`` maps each changed field to [old, new]."""
    actor.require_operator()
    check_type_name(row.name)
    check_lifetimes(row.default_days, row.longest_days)
    done = _save(row, changes, fixed=("name", "platform_only", "is_builtin"))
    audit.record_change(actor, f"key_type.{done}", row, changes)
    key_check.invalidate_catalogue()
    return row


@transaction.atomic
def delete_key_type(*, actor: Actor, row: KeyType) -> None:
    """Delete a type that no key ever had, or raise Conflict."""
    actor.require_operator()
    if row.is_builtin:
        raise Conflict(_("This type comes with the portal. Untick “may be made” to end its use."))
    if ApiKey.objects.filter(key_type=row).exists():
        raise Conflict(_("Keys were made by this type. Untick “may be made” to end its use."))
    audit.record_change(actor, "key_type.deleted", row, {"title": [row.title, None]})
    row.delete()
    key_check.invalidate_catalogue()


@transaction.atomic
def save_scope(*, actor: Actor, row: Scope, changes: Changes) -> Scope:
    """Add a scope, or change its description or position."""
    actor.require_operator()
    check_scope_name(row.name)
    done = _save(row, changes, fixed=("name", "is_builtin"))
    audit.record_change(actor, f"scope.{done}", row, changes)
    key_check.invalidate_catalogue()
    return row


@transaction.atomic
def delete_scope(*, actor: Actor, row: Scope) -> None:
    """Delete a scope that no active key or type has, or raise Conflict naming one that does."""
    actor.require_operator()
    if row.is_builtin:
        raise Conflict(_("This scope comes with the portal. Switch it off for an organization in its package."))
    holders = ApiKey.objects.live().annotate(words=Cast("scopes", models.TextField()))
    holder = holders.filter(words__contains=f'"{row.name}"').select_related("organization").first()
    if holder is not None:
        words = {"key": str(holder), "organization": str(holder.organization)}
        raise Conflict(_("Live keys hold this scope, such as %(key)s of %(organization)s. End them first.") % words)
    kinds = [key_type.title_text for key_type in KeyType.objects.all() if row.name in key_type.scopes]
    if kinds:
        raise Conflict(
            _("Key types may hold this scope: %(types)s. Untick it there first.") % {"types": ", ".join(kinds)}
        )
    audit.record_change(actor, "scope.deleted", row, {"description": [row.description, None]})
    row.delete()
    key_check.invalidate_catalogue()


@transaction.atomic
def save_package(*, actor: Actor, row: Package, changes: Changes) -> Package:
    """Disable or enable key types and scopes for one organization; recorded in that organization's audit log."""
    actor.require_operator()
    done = _save(row, changes, fixed=("organization",))
    audit.record_change(actor, f"package.{done}", row, changes)
    key_check.invalidate_organization(row.pk)
    return row


def check_type_name(name: str) -> None:
    """Raise Invalid unless the name has the form that the API accepts."""
    if not TYPE_NAME.fullmatch(name):
        raise Invalid.field("name", _("Use lower-case letters, digits and underscores, such as field_agent."))


def check_scope_name(name: str) -> None:
    """Raise Invalid unless the name is ``resource:action`` and not a permission reserved for roles."""
    if not SCOPE_NAME.fullmatch(name):
        raise Invalid.field("name", _("Write it as resource:action, such as orders:read."))
    if name in NOT_SCOPES:
        raise Invalid.field("name", _("This is a right of people's roles; no key may hold it."))


def check_lifetimes(usual: int | None, longest: int | None) -> None:
    """Raise Invalid unless both are None or from 1 to MAX_DAYS days, and the default is within the maximum."""
    for name, days in (("default_days", usual), ("longest_days", longest)):
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise Invalid.field(name, _("Give a number of days from 1 to %(most)s.") % {"most": MAX_DAYS})
    if longest is not None and (usual is None or usual > longest):
        sentence = _("It cannot be longer than the longest lifetime, nor left empty beside one.")
        raise Invalid.field("default_days", sentence)


def _save(row: Any, changes: Changes, fixed: tuple[str, ...]) -> str:
    """Insert or update the row and return ``created`` or ``updated``; raise Conflict if it was changed meanwhile."""
    if row._state.adding:
        row.save(force_insert=True)
        return "created"
    if not changes.keys().isdisjoint(fixed):
        raise Conflict(_("This cannot be changed afterwards: %(fields)s.") % {"fields": ", ".join(fixed)})
    require_unchanged(row, changes)
    row.save(update_fields=[*changes, *(["updated_at"] if hasattr(row, "updated_at") else [])])
    return "updated"
