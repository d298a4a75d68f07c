"""Find and deactivate what a user or a key created, at any depth: keys, members, invitations, endpoints.

Each app registers its kinds in ``AppConfig.ready``, by dotted names that are resolved at their first use.
"""

import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.module_loading import import_string

from apps.base.actor import Actor
from apps.base.permissions import Permission


@dataclass(frozen=True, slots=True)
class Descendant:
    """An object with its public id, its status in the terms of its kind, and its creator.

    ``is_active``: it still works. ``can_have_descendants``: what it created is a descendant, too.
    """

    kind: str
    id: str
    name: str
    status: str
    is_active: bool
    created_at: datetime
    created_by_kind: str
    created_by_id: str
    created_by_label: str
    can_have_descendants: bool = False


@dataclass(frozen=True, slots=True)
class DescendantKind:
    """A kind of descendant, with dotted names of two functions.

    ``find(organization_id, creators)`` returns what the creators created, active or not, and descendants of the same
    kind. ``end(*, actor, id, reason)`` deactivates one, and checks permissions by itself. ``read``: the permission to
    see them.
    """

    name: str
    read: Permission
    find: str
    end: str


KINDS: dict[str, DescendantKind] = {}


def register(name: str, read: Permission, find: str, end: str) -> None:
    """Register a kind; raise ValueError where another one has the name."""
    kind = DescendantKind(name, read, find, end)
    if KINDS.setdefault(name, kind) != kind:
        raise ValueError(f"two kinds of descendants with the name {name}")


def descendants(organization_id: uuid.UUID | None, creator: str) -> list[Descendant]:
    """Return the active descendants of a creator, by public id, oldest first."""
    return [each for each in all_descendants(organization_id, creator) if each.is_active]


def all_descendants(organization_id: uuid.UUID | None, creator: str) -> list[Descendant]:
    """Return the descendants of a creator, active or not, oldest first."""
    if organization_id is None:
        return []
    found: dict[str, Descendant] = {}
    creators = {creator}
    while creators:
        new = {each.id: each for each in _created_by(organization_id, creators) if each.id not in (*found, creator)}
        found |= new
        creators = {each.id for each in new.values() if each.can_have_descendants}
    return sorted(found.values(), key=lambda each: (each.created_at, each.id))


def _created_by(organization_id: uuid.UUID, creators: Collection[str]) -> Iterator[Descendant]:
    for kind in KINDS.values():
        find: Callable[[uuid.UUID, Collection[str]], list[Descendant]] = import_string(kind.find)
        yield from find(organization_id, creators)


def visible(actor: Actor, rows: Collection[Descendant]) -> list[Descendant]:
    """Return the rows that the actor can read."""
    return [each for each in rows if actor.can(KINDS[each.kind].read)]


def end(*, actor: Actor, descendant: Descendant, reason: str) -> None:
    """Deactivate a descendant by the action of its kind, which checks permissions and raises PortalError."""
    action: Callable[..., Any] = import_string(KINDS[descendant.kind].end)
    action(actor=actor, id=descendant.id, reason=reason)


def describe(kind: str, row: Any, **fields: Any) -> Descendant:
    """Return a row with the fields of ``CreatedBy`` as a Descendant; ``fields``: the fields that differ by kind."""
    return Descendant(
        kind=kind,
        **{
            "id": row.public_id,
            "created_at": row.created_at,
            "created_by_kind": row.created_by_kind,
            "created_by_id": row.created_by_id,
            "created_by_label": row.created_by_label,
            **fields,
        },
    )
