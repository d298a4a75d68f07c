"""Whoever acts, as one small frozen object made at the door.

It carries tenancy (``organization_id``), permission and audit in one argument. Actions take it keyword-only.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from django.utils.translation import gettext as _

from apps.base.errors import Forbidden
from apps.base.permissions import ADMIN, grants, is_read


class ActorKind(StrEnum):
    """Who may act."""

    USER = "user"
    API_KEY = "api_key"
    SDK_KEY = "sdk_key"
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a key may hand on at most: expiry, limits per window (None = unlimited), networks, its type's name."""

    key_type: str
    expires_at: float | None
    limits: dict[str, int]
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, for which organization, with which permissions, from where.

    ``withheld``: scopes that an operator switched off for the organization; they count for no key, ``admin`` included.
    ``quarantined``: a key that was set aside; only its read scopes count.
    ``only_looks``: an operator who looks at what a customer sees: of one organization, and changes nothing.
    """

    kind: ActorKind
    id: str
    label: str
    organization_id: uuid.UUID | None = None
    permissions: frozenset[str] = frozenset()
    role: str = ""
    gives: frozenset[str] = frozenset()
    bounds: Bounds | None = None
    withheld: frozenset[str] = frozenset()
    quarantined: bool = False
    only_looks: bool = False
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    pk: uuid.UUID | None = field(default=None, repr=False)

    def can(self, permission: str) -> bool:
        """This will tell whether the actor holds the permission."""
        if self.only_looks:
            return is_read(permission) and self._holds(permission)
        if self.kind in (ActorKind.OPERATOR, ActorKind.SYSTEM):
            return True
        return self._holds(permission) and (is_read(permission) or not self.quarantined)

    def _holds(self, permission: str) -> bool:
        """This will tell whether the actor holds the permission, quarantine aside."""
        return permission not in self.withheld and grants(self.permissions, permission)

    def can_any(self, permissions: Iterable[str]) -> bool:
        """This will tell whether the actor holds at least one of the permissions."""
        return any(self.can(permission) for permission in permissions)

    def may_give(self, scope: str) -> bool:
        """This will tell whether the actor may hand a scope to a key that it makes or changes."""
        if self.only_looks:
            return False
        if self.kind in (ActorKind.OPERATOR, ActorKind.SYSTEM):
            return True
        return not self.quarantined and (scope in self.gives or ADMIN in self.gives)

    def require(self, *permissions: str) -> None:
        """This will raise Forbidden, naming what is missing, unless the actor holds one of the permissions."""
        if self.can_any(permissions):
            return
        if self.only_looks:
            raise Forbidden(_("You look at this organization as an operator: you see its pages and change nothing."))
        accepted = ", ".join(permissions)
        if self.quarantined and any(self._holds(permission) for permission in permissions):
            raise Forbidden(_("This key is quarantined: until it is released it may only read."), "key_quarantined")
        if self.kind in (ActorKind.API_KEY, ActorKind.SDK_KEY):
            message = _("This key lacks the scope %(scope)s. Accepted: %(accepted)s.")
            raise Forbidden(
                message % {"scope": permissions[0], "accepted": ", ".join((*permissions, ADMIN))}, "insufficient_scope"
            )
        message = _("Your role %(role)s may not do this (%(accepted)s). Ask an owner or admin of the organization.")
        raise Forbidden(message % {"role": self.role or "-", "accepted": accepted})


def system(organization_id: uuid.UUID | None = None, label: str = "Portal") -> Actor:
    """This will return the portal itself as the actor, for one organization where it names one."""
    return Actor(kind=ActorKind.SYSTEM, id="system", label=label, organization_id=organization_id)
