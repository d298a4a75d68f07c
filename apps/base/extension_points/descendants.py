"""What a user or a key created and what still works: keys, members, invitations, endpoints, however many steps away.

A registry: each app names its own kinds in ``AppConfig.ready``, by dotted names that are resolved at their first use.
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
    """One thing that was created: its public id, its state in the words of its kind, and by whom.

    ``is_active``: it still works. ``can_have_descendants``: what it created counts, too.
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
class Kind:
    """A kind of thing: ``find(organization_id, creators)`` returns what these created, ``end(*, actor, id, reason)``.

    ``find`` follows what leads on within its own kind, and returns what has ended as well. ``read``: what it takes to
    see these; ``end`` requires what it takes by itself.
    """

    name: str
    read: Permission
    find: str
    end: str


KINDS: dict[str, Kind] = {}


def register(name: str, read: Permission, find: str, end: str) -> None:
    """Make a kind known; the same name for another one is a mistake."""
    kind = Kind(name, read, find, end)
    if KINDS.setdefault(name, kind) != kind:
        raise ValueError(f"two kinds of descendants with the name {name}")


def descendants(organization_id: uuid.UUID | None, creator: str) -> list[Descendant]:
    """Return what a creator, by public id, created that still works, and what those created, oldest first."""
    return [each for each in all_descendants(organization_id, creator) if each.is_active]


def all_descendants(organization_id: uuid.UUID | None, creator: str) -> list[Descendant]:
    """Return the same with what has ended and is still there to read."""
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
    """Keep what the actor may read."""
    return [each for each in rows if actor.can(KINDS[each.kind].read)]


def end(*, actor: Actor, descendant: Descendant, reason: str) -> None:
    """End one of them by its own action, which checks, records and announces it; PortalError where it is refused."""
    ending: Callable[..., Any] = import_string(KINDS[descendant.kind].end)
    ending(actor=actor, id=descendant.id, reason=reason)


def describe(kind: str, row: Any, **facts: Any) -> Descendant:
    """Return a row that has the fields of ``CreatedBy`` as a descendant; ``facts``: the fields that differ by kind."""
    return Descendant(
        kind=kind,
        **{
            "id": row.public_id,
            "created_at": row.created_at,
            "created_by_kind": row.created_by_kind,
            "created_by_id": row.created_by_id,
            "created_by_label": row.created_by_label,
            **facts,
        },
    )
