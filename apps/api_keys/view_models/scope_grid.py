"""The rights that a form for a key offers: a level for each resource, and what is neither reading nor writing."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import pgettext

from apps.api_keys.models import ApiKey, Scope
from apps.base.permissions import ADMIN, expand

LEVELS = ("read", "write")


@dataclass(frozen=True, slots=True)
class Rights:
    """The catalogue in its order, what is shown of it, and what of that can be chosen."""

    scopes: list[Scope]
    holdable: frozenset[str]
    givable: frozenset[str]
    contact: str = ""  # whom to ask about what is switched off; empty where nothing is

    @classmethod
    def held_by(cls, key: ApiKey) -> "Rights":
        """Return what a key holds: all that can be left of it."""
        scopes = list(Scope.objects.all())
        catalogue = frozenset(scope.name for scope in scopes)
        held = key.key_type.holdable(catalogue) if ADMIN in key.scopes else expand(key.scopes) & catalogue
        return cls(scopes, held, held)

    @property
    def may_be_admin(self) -> bool:
        """Whether everything at once can be chosen."""
        return ADMIN in self.holdable

    def every(self, level: str) -> list[str]:
        """Return all scopes that give reading, or writing with it, as far as they can be given today."""
        reads = {name for name in self.givable if name.endswith(":read")}
        if level == "read":
            return sorted(reads)
        writes = {name for name in self.givable if name.endswith(":write")}
        return sorted(writes | (reads - expand(writes)))


def field_of(resource: str) -> str:
    """Return the name of the form's field for a resource."""
    return f"access_{resource}"


def grid(rights: Rights, chosen: Iterable[str]) -> list[dict[str, Any]]:
    """Return a line for each resource: none, read or write."""
    held = set(chosen)
    groups: dict[str, list[Scope]] = {}
    for scope in rights.scopes:
        if scope.action in LEVELS and scope.name in rights.holdable:
            groups.setdefault(scope.resource, []).append(scope)
    return [_line(resource, scopes, rights.givable, held) for resource, scopes in groups.items()]


def _line(resource: str, scopes: list[Scope], givable: frozenset[str], held: set[str]) -> dict[str, Any]:
    words = {"read": pgettext("right", "Read"), "write": pgettext("right", "Write")}
    ordered = sorted(scopes, key=lambda scope: LEVELS.index(scope.action))
    picked = next((scope.name for scope in reversed(ordered) if scope.name in held), "")
    levels = [
        {
            "value": scope.name,
            "word": words[scope.action],
            "text": scope.label,
            "checked": scope.name == picked,
            "off": scope.name not in givable,
        }
        for scope in ordered
    ]
    nothing = {"value": "", "word": pgettext("right", "None"), "text": "", "checked": not picked, "off": False}
    return {
        "resource": resource,
        "field": field_of(resource),
        "text": " · ".join(scope.label for scope in ordered),
        "levels": [nothing, *levels],
        "is_off": all(level["off"] for level in levels),
    }


def single_rights(rights: Rights, chosen: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rights that are neither reading nor writing, one tick each."""
    held = set(chosen)
    return [
        {
            "value": scope.name,
            "text": scope.label,
            "checked": scope.name in held,
            "off": scope.name not in rights.givable,
        }
        for scope in rights.scopes
        if scope.action not in LEVELS and scope.name in rights.holdable
    ]
