"""The scope that an event type requires to subscribe to it and to read its deliveries.

Without this check, an endpoint could receive data that the scopes of its creator do not allow to read. Types of the
host product require no scope.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db.models import Q
from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Forbidden
from apps.base.permissions import ADMIN, Permission
from apps.webhooks.types.catalogue import ALL_EVENTS

SCOPES = {
    "user": Permission.USERS_READ,
    "api_key": Permission.API_KEYS_READ,
    "sdk_key": Permission.SDK_KEYS_READ,
    "endpoint": Permission.WEBHOOKS_READ,
}


def require_scopes(actor: Actor, patterns: Iterable[str]) -> None:
    """Raise Forbidden, naming the scope, unless the actor can read every type that the patterns match."""
    for pattern in patterns:
        for scope in _scopes_of(pattern):
            if not actor.can(scope):
                _raise_forbidden(actor, scope, pattern)


def types_hidden_from(actor: Actor, field: str) -> Q | None:
    """Return the condition that ``field``, an event type, is one the actor cannot read; None if it can read all."""
    prefixes = [prefix for prefix, scope in SCOPES.items() if not actor.can(scope)]
    return reduce(or_, (Q(**{f"{field}__startswith": f"{prefix}."}) for prefix in prefixes)) if prefixes else None


def _scopes_of(pattern: str) -> list[Permission]:
    if pattern == ALL_EVENTS:
        return list(SCOPES.values())
    scope = SCOPES.get(pattern.partition(".")[0])
    return [] if scope is None else [scope]


def _raise_forbidden(actor: Actor, scope: Permission, pattern: str) -> None:
    """Raise Forbidden, for a key with a message that names the event type and its scope."""
    if actor.kind not in (ActorKind.API_KEY, ActorKind.SDK_KEY):
        actor.require(scope)
    params = {"scope": scope, "pattern": pattern, "accepted": f"{scope}, {ADMIN}"}
    message = _("This key lacks the scope %(scope)s, which events of type %(pattern)s require. Accepted: %(accepted)s.")
    raise Forbidden(message % params, "insufficient_scope")
