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
    def for_key(cls, key: ApiKey) -> "ScopeChoices":
        """Return the scopes of an existing key: only these can be chosen."""
        scopes = list(Scope.objects.all())
        catalogue = frozenset(scope.name for scope in scopes)
        held = key.key_type.allowed_scopes(catalogue) if ADMIN in key.scopes else expand(key.scopes) & catalogue
        return cls(scopes, held, held)

    @property
    def can_choose_admin(self) -> bool:
        """Return whether ``admin`` is among the choices."""
        return ADMIN in self.allowed_scopes

    def by_resource(self) -> dict[str, dict[str, Scope]]:
        """Return the read and write scopes by resource and level."""
        found: dict[str, dict[str, Scope]] = {}
        for scope in self.scopes:
            resource, _colon, action = scope.name.partition(":")
            if action in LEVELS:
                found.setdefault(resource, {})[action] = scope
        return found

    def fields(self) -> list[str]:
        """Return the names of the form fields of the resources."""
        return [field_name(resource) for resource in self.by_resource()]

    def scopes_of_level(self, level: str) -> list[str]:
        """Return all grantable read scopes, or for ``write`` all write scopes and the read scopes without one."""
        reads = {name for name in self.grantable if name.endswith(":read")}
        if level == "read":
            return sorted(reads)
        writes = {name for name in self.grantable if name.endswith(":write")}
        return sorted(writes | (reads - expand(writes)))


def field_name(resource: str) -> str:
    """Return the name of the form field for a resource."""
    return f"access_{resource}"


def resource_rows(scope_choices: ScopeChoices, chosen: Iterable[str]) -> list[dict[str, Any]]:
    """Return a row for each resource with the levels none, read and write."""
    held, allowed = set(chosen), scope_choices.allowed_scopes
    lines = []
    for resource, scopes in scope_choices.by_resource().items():
        shown = {level: scopes[level] for level in LEVELS if level in scopes and scopes[level].name in allowed}
        if shown:
            lines.append(_resource_row(resource, shown, scope_choices.grantable, held))
    return lines


def _resource_row(resource: str, scopes: dict[str, Scope], grantable: frozenset[str], held: set[str]) -> dict[str, Any]:
    words = {"read": pgettext("right", "Read"), "write": pgettext("right", "Write")}
    picked = next((scope.name for scope in reversed(scopes.values()) if scope.name in held), "")
    levels = [
        {
            "value": scope.name,
            "word": words[level],
            "text": scope.label,
            "checked": scope.name == picked,
            "off": scope.name not in grantable,
        }
        for level, scope in scopes.items()
    ]
    nothing = {"value": "", "word": pgettext("right", "None"), "text": "", "checked": not picked, "off": False}
    return {
        "resource": resource,
        "field": field_name(resource),
        "text": " · ".join(scope.label for scope in scopes.values()),
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
        if scope.name.partition(":")[2] not in LEVELS and scope.name in scope_choices.allowed_scopes
    ]
