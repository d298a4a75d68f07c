"""The scope that an event type requires, to subscribe to it and to read its deliveries.

Without it an endpoint would bypass the scopes of the data in its events. Types of the host product have no scope.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db.models import Q
from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Forbidden
from apps.base.permissions import ADMIN, Permission
from apps.webhooks.types.catalogue import EVERYTHING

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
                _refuse(actor, scope, pattern)


def types_hidden_from(actor: Actor, field: str) -> Q | None:
    """Return the condition on ``field``, an event type, for what the actor cannot read; None if it can read all."""
    words = [word for word, scope in SCOPES.items() if not actor.can(scope)]
    return reduce(or_, (Q(**{f"{field}__startswith": f"{word}."}) for word in words)) if words else None


def _scopes_of(pattern: str) -> list[Permission]:
    if pattern == EVERYTHING:
        return list(SCOPES.values())
    scope = SCOPES.get(pattern.partition(".")[0])
    return [] if scope is None else [scope]


def _refuse(actor: Actor, scope: Permission, pattern: str) -> None:
    """Raise Forbidden: for a key with the type that requires the scope, for a user as everywhere."""
    if actor.kind not in (ActorKind.API_KEY, ActorKind.SDK_KEY):
        actor.require(scope)
    words = {"scope": scope, "pattern": pattern, "accepted": f"{scope}, {ADMIN}"}
    message = _("This key lacks the scope %(scope)s, which events of type %(pattern)s require. Accepted: %(accepted)s.")
    raise Forbidden(message % words, "insufficient_scope")
