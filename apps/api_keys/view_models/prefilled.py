"""What the form for a new key is filled with beforehand: a copy of another key, or what a link asked for."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from apps.api_keys.actions import WINDOWS
from apps.api_keys.key_query import effective
from apps.api_keys.models import ApiKey, KeyType
from apps.api_keys.view_models.scope_grid import LEVELS, Rights
from apps.base.permissions import ADMIN
from apps.credentials.lifecycle.transitions import lifetime_of

LONGEST_NAME = 100


def copy_of(own: Rights, key: ApiKey, kind: KeyType, longest: int | None) -> dict[str, Any]:
    """Return the settings of a key, as far as they may still be given; ``longest``: days, None for ever."""
    return {
        "name": (_("Copy of %(name)s") % {"name": key.name})[:LONGEST_NAME],
        "subject": key.subject,
        "networks": "\n".join(key.allowed_networks),
        **{f"limit_{window}": _limit(kind, key, window) for window in WINDOWS},
        **rights(own, key.scopes),
        **_lifetime(key, longest),
    }


def rights(own: Rights, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the part of the scopes that the type may hold and the actor may give."""
    wanted, givable = set(scopes), own.givable
    if ADMIN in wanted and ADMIN in givable:
        return {"access": ADMIN, "scopes": []}
    kept = wanted & givable
    quick = next((level for level in LEVELS if kept and kept == set(own.every(level))), "")
    return {"access": quick, "scopes": sorted(kept)}


def cannot_be_given(own: Rights, scopes: Iterable[str]) -> list[str]:
    """Return the scopes of a copied key that its copy cannot have."""
    return sorted(set(scopes) - own.givable)


def _limit(kind: KeyType, key: ApiKey, window: str) -> int | None:
    """The key's own figure, unless only an operator could give it."""
    own: int | None = getattr(key, f"limit_{window}")
    most = effective(window, None, getattr(kind, f"limit_{window}"))
    return own if own and (most is None or own <= most) else None


def _lifetime(key: ApiKey, longest: int | None) -> dict[str, Any]:
    """The lifetime that the key was made with; one in overlap was cut short, so its type's usual one stands."""
    lifetime = lifetime_of(key)
    if key.overlap_since is not None or (lifetime is None and longest is not None):
        return {}
    if lifetime is None:
        return {"expires": "never"}
    days = max(1, round(lifetime / timedelta(days=1)))
    days = days if longest is None else min(days, longest)
    return {"expires": str(days) if days in (30, 60, 90) else "custom", "custom_days": days}
