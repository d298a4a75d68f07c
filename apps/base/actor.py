"""The actor: an immutable object, created by the entry point, that says who acts and with which permissions.

It carries tenancy (``organization_id``), permission and audit in one argument. Actions take it keyword-only.
"""

import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

from django.utils.translation import gettext as _

from apps.base.errors import Forbidden, Message
from apps.base.permissions import ADMIN, granted, is_allowed_while_suspended, is_read


class ActorKind(StrEnum):
    """The kinds of actors."""

    USER = "user"
    API_KEY = "api_key"
    SDK_KEY = "sdk_key"
    OPERATOR = "operator"
    SYSTEM = "system"


UNRESTRICTED = (ActorKind.OPERATOR, ActorKind.SYSTEM)


@dataclass(frozen=True, slots=True)
class GrantLimits:
    """The most that a key can grant to keys it creates.

    ``expires_at``: seconds since 1970; None: no expiry. ``limits``: requests by rate-limit window. ``networks``: its
    IP allowlist.
    """

    key_type: str
    expires_at: float | None
    limits: dict[str, int]
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, for which organization, with which permissions, from where.

    ``disabled_scopes``: scopes that an operator disabled for the organization; ``admin`` keys lose them, too.
    ``read_only_reason``: for a quarantined key, which can only read: the message and the code of the error.
    ``suspended``: for members of a suspended organization, which is read-only: the message; else empty.
    ``recheck``: reads a member's role again within the transaction of a change; keys are checked at entry only.
    ``is_support_access``: an operator with read-only access to the pages of one organization.
    """

    kind: ActorKind
    id: str
    label: str
    organization_id: uuid.UUID | None = None
    permissions: frozenset[str] = frozenset()
    role: str = ""
    grantable: frozenset[str] = frozenset()
    grant_limits: GrantLimits | None = None
    disabled_scopes: frozenset[str] = frozenset()
    read_only_reason: tuple[Message, str] | None = None
    suspended: str = ""
    is_support_access: bool = False
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    pk: uuid.UUID | None = field(default=None, repr=False)
    recheck: "Callable[[Actor], Actor] | None" = field(default=None, repr=False, compare=False)

    def with_current_permissions(self) -> "Actor":
        """Return the actor with the role that it has now: a member's can have changed since the request came in.

        Within a transaction the role stays locked until its end. Raises NotFound for a removed member.
        """
        return self if self.recheck is None else self.recheck(self)

    def can(self, permission: str) -> bool:
        """Return whether the actor has the permission and can use it now."""
        return bool(self.usable((permission,)))

    def usable(self, permissions: Iterable[str]) -> frozenset[str]:
        """Return those of the permissions that the actor has and can use now."""
        if self.kind in UNRESTRICTED and not self.is_support_access:
            return frozenset(permissions)
        held = self._held(permissions)
        if self.is_support_access or self.read_only_reason is not None:
            return frozenset(filter(is_read, held))
        if self.suspended:
            return frozenset(filter(is_allowed_while_suspended, held))
        return held

    def _held(self, permissions: Iterable[str]) -> frozenset[str]:
        """Return those of the permissions that the actor has, regardless of quarantine and suspension."""
        return granted(self.permissions, permissions) - self.disabled_scopes

    def grantable_of(self, scopes: Collection[str]) -> frozenset[str]:
        """Return those of the scopes that the actor can grant to a key that it creates or changes."""
        if self.is_support_access:
            return frozenset()
        if self.kind in UNRESTRICTED:
            return frozenset(scopes)
        if self.read_only_reason or self.suspended:
            return frozenset()
        return frozenset(scopes) if ADMIN in self.grantable else self.grantable.intersection(scopes)

    def require(self, *permissions: str) -> None:
        """Raise Forbidden, naming what is missing, unless the actor has one of the permissions now."""
        now = self.with_current_permissions()
        if not now.usable(permissions):
            now._refuse(permissions)

    def require_operator(self) -> None:
        """Raise Forbidden unless the actor is an operator without support access, or the system."""
        if self.is_support_access or self.kind not in (ActorKind.OPERATOR, ActorKind.SYSTEM):
            raise Forbidden(_("Only an operator may do this."))

    def _refuse(self, permissions: tuple[str, ...]) -> NoReturn:
        if self.is_support_access:
            raise Forbidden(_("You look at this organization as an operator: you see its pages and change nothing."))
        accepted = ", ".join(permissions)
        if self.suspended and self._held(permissions):
            raise Forbidden(self.suspended, "organization_suspended")
        if self.read_only_reason is not None and self._held(permissions):
            raise Forbidden(*self.read_only_reason)
        if self.kind in (ActorKind.API_KEY, ActorKind.SDK_KEY):
            message = _("This key lacks the scope %(scope)s. Accepted: %(accepted)s.")
            raise Forbidden(
                message % {"scope": permissions[0], "accepted": ", ".join((*permissions, ADMIN))}, "insufficient_scope"
            )
        message = _("Your role %(role)s may not do this (%(accepted)s). Ask an owner or admin of the organization.")
        raise Forbidden(message % {"role": self.role or "-", "accepted": accepted}, needed=permissions)


def system(organization_id: uuid.UUID | None = None, label: str = "Portal") -> Actor:
    """Return the portal itself as the actor, of one organization where ``organization_id`` is given."""
    return Actor(kind=ActorKind.SYSTEM, id="system", label=label, organization_id=organization_id)
