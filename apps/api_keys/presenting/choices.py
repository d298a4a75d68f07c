"""What the form for a new key offers."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from apps.api_keys.models import ApiKey, KeyType, Scope
from apps.api_keys.presenting.facts import limit_texts
from apps.base.actor import Actor
from apps.base.permissions import ADMIN

WORDS = {"read": lambda: pgettext("right", "Read"), "write": lambda: pgettext("right", "Write")}


def type_cards(actor: Actor, types: Sequence[KeyType]) -> list[dict[str, Any]]:
    """This will return the types as the form shows them, with what is left of a cap."""
    live = ApiKey.objects.for_actor(actor).live()
    cards = []
    for kind in types:
        left = None if kind.cap is None else max(0, kind.cap - live.filter(key_type=kind).count())
        full = _("All %(cap)s keys of this type are in use. Revoke one to make another.") % {"cap": kind.cap}
        cards.append(
            {
                "value": kind.name,
                "title": kind.title_text,
                "text": kind.description_text,
                "limits": ", ".join(limit_texts(kind)) or _("No rate limit"),
                "left": left,
                "disabled": left == 0,
                "reason": full if left == 0 else "",
            }
        )
    return cards


def scope_groups(types: Sequence[KeyType], scopes: Sequence[Scope], chosen: set[str]) -> list[dict[str, Any]]:
    """This will return the grid: a line a resource, with the types that may hold each scope."""
    catalogue = frozenset(scope.name for scope in scopes)
    holdable = {kind.name: kind.holdable(catalogue) for kind in types}
    groups: dict[str, list[dict[str, Any]]] = {}
    for scope in scopes:
        holders = [name for name, held in holdable.items() if scope.name in held]
        if holders:
            groups.setdefault(scope.resource, []).append(_chip(scope.name, scope.action, holders, chosen))
    lines = [{"label": resource, "scopes": chips} for resource, chips in groups.items()]
    admins = [name for name, held in holdable.items() if ADMIN in held]
    if admins:
        lines.append({"label": ADMIN, "scopes": [_chip(ADMIN, _("Everything"), admins, chosen)]})
    return lines


def _chip(value: str, action: str, holders: list[str], chosen: set[str]) -> dict[str, Any]:
    word = WORDS[action]() if action in WORDS else action
    return {"value": value, "word": word, "checked": value in chosen, "types": " ".join(holders)}
