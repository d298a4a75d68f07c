"""The scopes to choose from in a key's form: a level for each resource, and the other scopes one by one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import pgettext

from apps.api_keys.models import ApiKey, Scope
from apps.base.permissions import ADMIN, expand

LEVELS = ("read", "write")


@dataclass(frozen=True, slots=True)
class ScopeChoices:
    """All scopes in the catalogue's order, those that are shown, and those of them that can be chosen."""

    scopes: list[Scope]
    allowed_scopes: frozenset[str]
    grantable: frozenset[str]
    contact: str = ""  # whom to contact about disabled scopes; empty if there are none

    @classmethod
    def held_by(cls, key: ApiKey) -> "ScopeChoices":
        """Return the scopes of an existing key: only these can be chosen."""
        scopes = list(Scope.objects.all())
        catalogue = frozenset(scope.name for scope in scopes)
        held = key.key_type.allowed_scopes(catalogue) if ADMIN in key.scopes else expand(key.scopes) & catalogue
        return cls(scopes, held, held)

    @property
    def may_be_admin(self) -> bool:
        """Return whether ``admin`` is among the choices."""
        return ADMIN in self.allowed_scopes

    def every(self, level: str) -> list[str]:
        """Return all grantable read scopes, or for ``write`` all write scopes and the read scopes without one."""
        reads = {name for name in self.grantable if name.endswith(":read")}
        if level == "read":
            return sorted(reads)
        writes = {name for name in self.grantable if name.endswith(":write")}
        return sorted(writes | (reads - expand(writes)))


def field_of(resource: str) -> str:
    """Return the name of the form field for a resource."""
    return f"access_{resource}"


def grid(scope_choices: ScopeChoices, chosen: Iterable[str]) -> list[dict[str, Any]]:
    """Return a row for each resource with the levels none, read and write."""
    held = set(chosen)
    groups: dict[str, list[Scope]] = {}
    for scope in scope_choices.scopes:
        if scope.action in LEVELS and scope.name in scope_choices.allowed_scopes:
            groups.setdefault(scope.resource, []).append(scope)
    return [_line(resource, scopes, scope_choices.grantable, held) for resource, scopes in groups.items()]


def _line(resource: str, scopes: list[Scope], grantable: frozenset[str], held: set[str]) -> dict[str, Any]:
    words = {"read": pgettext("right", "Read"), "write": pgettext("right", "Write")}
    ordered = sorted(scopes, key=lambda scope: LEVELS.index(scope.action))
    picked = next((scope.name for scope in reversed(ordered) if scope.name in held), "")
    levels = [
        {
            "value": scope.name,
            "word": words[scope.action],
            "text": scope.label,
            "checked": scope.name == picked,
            "off": scope.name not in grantable,
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


def other_scopes(scope_choices: ScopeChoices, chosen: Iterable[str]) -> list[dict[str, Any]]:
    """Return the scopes that are neither read nor write scopes, for one checkbox each."""
    held = set(chosen)
    return [
        {
            "value": scope.name,
            "text": scope.label,
            "checked": scope.name in held,
            "off": scope.name not in scope_choices.grantable,
        }
        for scope in scope_choices.scopes
        if scope.action not in LEVELS and scope.name in scope_choices.allowed_scopes
    ]
