"""Initial values of the form for a new key: a copy of another key, or the parameters of a link."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from apps.api_keys.actions import WINDOWS
from apps.api_keys.key_query import effective_limit
from apps.api_keys.key_texts import texts_of
from apps.api_keys.models import ApiKey, KeyType
from apps.api_keys.view_models.scope_grid import LEVELS, ScopeChoices
from apps.base.permissions import ADMIN
from apps.credentials.lifecycle.transitions import lifetime_of

MAX_NAME_LENGTH = 100


def copy_of(scope_choices: ScopeChoices, key: ApiKey, key_type: KeyType, longest: int | None) -> dict[str, Any]:
    """Return the settings of a key that its copy can have; ``longest``: maximum lifetime in days, None: no limit."""
    return {
        **texts_of(key),
        "name": (_("Copy of %(name)s") % {"name": key.name})[:MAX_NAME_LENGTH],
        "networks": "\n".join(key.allowed_networks),
        **{f"limit_{window}": _limit(key_type, key, window) for window in WINDOWS},
        **initial_scopes(scope_choices, key.scopes),
        **_lifetime(key, longest),
    }


def initial_scopes(scope_choices: ScopeChoices, scopes: Iterable[str]) -> dict[str, Any]:
    """Return the form's initial access, with the scopes that the actor can grant."""
    wanted, grantable = set(scopes), scope_choices.grantable
    if ADMIN in wanted and ADMIN in grantable:
        return {"access": ADMIN, "scopes": []}
    granted = wanted & grantable
    quick = next((level for level in LEVELS if granted and granted == set(scope_choices.scopes_of_level(level))), "")
    return {"access": quick, "scopes": sorted(granted)}


def ungrantable_scopes(scope_choices: ScopeChoices, scopes: Iterable[str]) -> list[str]:
    """Return the scopes of a copied key that its copy cannot have."""
    return sorted(set(scopes) - scope_choices.grantable)


def _limit(key_type: KeyType, key: ApiKey, window: str) -> int | None:
    """Return the key's custom limit, unless it exceeds the type's, which only operators can do."""
    own: int | None = getattr(key, f"limit_{window}")
    maximum = effective_limit(window, None, getattr(key_type, f"limit_{window}"))
    return own if own and (maximum is None or own <= maximum) else None


def _lifetime(key: ApiKey, longest: int | None) -> dict[str, Any]:
    """Return the lifetime that the key was created with; for a key in overlap, leave the form's default."""
    lifetime = lifetime_of(key)
    if key.overlap_since is not None or (lifetime is None and longest is not None):
        return {}
    if lifetime is None:
        return {"expires": "never"}
    days = max(1, round(lifetime / timedelta(days=1)))
    days = days if longest is None else min(days, longest)
    return {"expires": str(days) if days in (30, 60, 90) else "custom", "custom_days": days}
