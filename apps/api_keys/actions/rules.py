"""Validation of a key's settings: each rule raises an error that names the field and what to change."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from apps.api_keys.key_query import effective_limit
from apps.api_keys.models import ApiKey, KeyCreators, KeyType, Package, Scope
from apps.base.actor import Actor, ActorKind
from apps.base.errors import Forbidden, Invalid
from apps.base.permissions import ADMIN, Permission, expand
from apps.base.text.validation import check_plain_text
from apps.credentials.rules import MAX_DAYS, Lifetime, check_name
from apps.orgs.lookups import longest_key_days, platform_pk

WINDOWS = ("minute", "hour")
OPERATOR_KINDS = (ActorKind.SYSTEM, ActorKind.OPERATOR)
# Checks that a text of ``ApiKey.texts`` has instead of ``check_text``.
TEXT_CHECKS: dict[str, Callable[[str], str]] = {"name": check_name}


def find_type(name: str, actor: Actor) -> KeyType:
    """Return the type of that name that the actor's organization can use, or raise Invalid on ``type``."""
    key_type = types_of(actor).filter(name=name).first()
    if key_type is None:
        raise Invalid.field("type", _("There is no key type %(name)r here.") % {"name": name[:40]})
    return key_type


def types_of(actor: Actor) -> QuerySet[KeyType]:
    """Return the types of the actor's organization; the platform organization has separate ones."""
    is_platform = actor.organization_id == platform_pk()
    return KeyType.objects.filter(is_active=True, platform_only=is_platform)


def check_scopes(key_type: KeyType, scopes: Iterable[str]) -> list[str]:
    """Return the scopes in the catalogue's order, or only ``admin`` if it is among them, as it includes the rest."""
    wanted = set(scopes)
    catalogue = list(Scope.objects.values_list("name", flat=True))
    allowed_scopes = key_type.allowed_scopes(frozenset(catalogue))
    refused = sorted(wanted - allowed_scopes)
    if refused:
        message = _("A key of type %(type)s cannot hold: %(scopes)s.")
        raise Invalid.field("scopes", message % {"type": key_type.name, "scopes": ", ".join(refused)[:200]})
    return [ADMIN] if ADMIN in wanted else [name for name in catalogue if name in wanted]


def check_subject(key_type: KeyType, subject: str) -> str:
    """Return the trimmed subject, or raise Invalid if it is missing or the type does not have one."""
    subject = subject.strip()
    if key_type.needs_subject and not subject:
        raise Invalid.field("subject", _("A key of this type needs a subject: your reference of the client."))
    if subject and not key_type.needs_subject:
        raise Invalid.field("subject", _("A key of this type has no subject."))
    return check_text("subject", subject)


def check_texts(texts: Mapping[str, str | None]) -> dict[str, str]:
    """Return those of ``ApiKey.texts`` that are not None, each without surrounding space, or raise Invalid."""
    if unknown := set(texts) - set(ApiKey.texts):
        raise TypeError(f"a key has no such text that can be set: {', '.join(sorted(unknown))}")
    checks = {name: TEXT_CHECKS.get(name) or partial(check_text, name) for name in texts}
    return {name: checks[name](text) for name, text in texts.items() if text is not None}


def check_text(name: str, text: str) -> str:
    """Return the text without surrounding space, or raise Invalid if it is not plain or its column has no room."""
    field: Any = ApiKey._meta.get_field(name)
    text = text.strip()
    if len(text) > field.max_length:
        message = _("%(name)s: at most %(count)d characters.")
        raise Invalid.field(name, message % {"name": capfirst(field.verbose_name), "count": field.max_length})
    check_plain_text(name, text)
    return text


def max_lifetime_days(key_type: KeyType, organization_id: uuid.UUID | None) -> int | None:
    """Return the maximum lifetime in days by type and organization, whichever is shorter; None is no limit."""
    own = longest_key_days(organization_id)
    return min((days for days in (own, key_type.longest_days) if days is not None), default=None)


def check_lifetime(actor: Actor, key_type: KeyType, lifetime: Lifetime) -> datetime | None:
    """Return the expiry (None: never), or raise Invalid if it is beyond what type and organization allow.

    Without a requested lifetime, the type's default applies within these limits. Operators can exceed the
    organization's limit.
    """
    now, max_days = timezone.now(), max_lifetime_days(key_type, actor.organization_id)
    allowed_days = key_type.longest_days if actor.kind in OPERATOR_KINDS else max_days
    if lifetime.never:
        if allowed_days is not None:
            message = _("A key of this type must expire within %(days)d days.") % {"days": allowed_days}
            raise Invalid.field("never_expires", message)
        return None
    if lifetime.expires_at is None:
        default = min((days for days in (key_type.default_days, max_days) if days is not None), default=None)
        return None if default is None else now + timedelta(days=default)
    if lifetime.expires_at <= now:
        raise Invalid.field(lifetime.field, _("The expiry must be in the future."))
    allowed_days = allowed_days or MAX_DAYS
    if lifetime.expires_at > now + timedelta(days=allowed_days, seconds=5):
        message = _("A key of this type lives at most %(days)d days.") % {"days": allowed_days}
        raise Invalid.field(lifetime.field, message)
    return lifetime.expires_at


def check_limits(key_type: KeyType, limits: dict[str, int | None], actor: Actor) -> dict[str, int | None]:
    """Return the custom limits by window (None: the type's); only operators can exceed the type's."""
    rate_limits: dict[str, int | None] = {}
    is_operator = actor.kind in OPERATOR_KINDS
    for name in WINDOWS:
        wanted = limits.get(name)
        maximum = effective_limit(name, None, getattr(key_type, f"limit_{name}"))
        if wanted is not None and not is_operator and (wanted < 1 or (maximum is not None and wanted > maximum)):
            message = _("%(name)s must be from 1 to %(most)s.") % {"name": name, "most": maximum or 2**31 - 1}
            raise Invalid.field("limits", message)
        rate_limits[name] = wanted
    return rate_limits


def check_may_create_type(actor: Actor, key_type: KeyType) -> None:
    """Raise Forbidden if only owners or operators can create keys of this type."""
    if key_type.made_by == KeyCreators.OPERATORS and actor.kind not in OPERATOR_KINDS:
        raise Forbidden(_("Keys of type %(type)s are made by the vendor's team.") % {"type": key_type.name})
    if key_type.made_by == KeyCreators.OWNERS and actor.kind not in OPERATOR_KINDS and not _is_owner(actor):
        raise Forbidden(_("Only an owner, signed in, makes keys of type %(type)s.") % {"type": key_type.name})


def _is_owner(actor: Actor) -> bool:
    return actor.kind == ActorKind.USER and actor.with_current_permissions().can(Permission.ORGANIZATION_OWN)


def check_not_disabled(actor: Actor, key_type: KeyType, scopes: Iterable[str] = ()) -> None:
    """Raise Forbidden for a type or scope that is disabled for the organization."""
    package = Package.objects.filter(pk=actor.organization_id).first()
    if package is None:
        return
    if key_type.name in package.types_off:
        message = _("Keys of type %(type)s are not part of your package. %(contact)s")
        raise Forbidden(message % {"type": key_type.name, "contact": package.contact_text})
    off = sorted(set(scopes) & set(package.scopes_off))
    if off:
        message = _("Not part of your package: %(scopes)s. %(contact)s")
        raise Forbidden(message % {"scopes": ", ".join(off), "contact": package.contact_text})


def check_no_added_scopes(key: ApiKey, scopes: Iterable[str]) -> None:
    """Raise Invalid for a scope that the key does not have, directly or through a wider one."""
    more = [scope for scope in scopes if ADMIN not in key.scopes and scope not in expand(key.scopes)]
    if more:
        message = _("A key's scopes can only become fewer, and it does not hold: %(scopes)s. Create another key.")
        raise Invalid.field("scopes", message % {"scopes": ", ".join(more)})
