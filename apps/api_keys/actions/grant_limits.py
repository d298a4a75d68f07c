"""Prevent privilege escalation: a creator cannot grant a key more than it has itself.

A member is bounded by the scopes of its role; a key also by its own type, expiry, networks and rate limits.
"""

import ipaddress
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.api_keys.actions.rules import WINDOWS
from apps.api_keys.key_query import effective_limit
from apps.api_keys.models import ApiKey, KeyType, Scope
from apps.base.actor import Actor
from apps.base.errors import Forbidden
from apps.base.timestamps import format_timestamp
from apps.credentials.rules import Lifetime

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_can_grant(actor: Actor, scopes: Collection[str]) -> None:
    """Raise Forbidden if the actor lacks one of the scopes."""
    grantable = actor.grantable_of(scopes)
    missing = [scope for scope in scopes if scope not in grantable]
    if missing:
        raise Forbidden(_("You cannot give what you do not have: %(scopes)s.") % {"scopes": ", ".join(missing)})


def check_can_grant_type(actor: Actor, key_type: KeyType) -> None:
    """Raise Forbidden if the type allows a scope that the creating key's type does not."""
    catalogue = frozenset(Scope.objects.values_list("name", flat=True))
    own = KeyType.objects.get(name=actor.grant_limits.key_type) if actor.grant_limits else key_type
    if key_type.allowed_scopes(catalogue) - own.allowed_scopes(catalogue):
        raise Forbidden(_("A key of type %(own)s cannot make keys of type %(type)s.") % {"own": own, "type": key_type})


def cap_expiry(actor: Actor, expires_at: datetime | None, requested: Lifetime | None) -> datetime | None:
    """Limit the expiry to the creating key's; raise Forbidden if a later one was requested."""
    expires_at_seconds = actor.grant_limits.expires_at if actor.grant_limits else None
    if expires_at_seconds is None:
        return expires_at
    limit = datetime.fromtimestamp(expires_at_seconds, tz=timezone.get_default_timezone())
    if expires_at is not None and expires_at <= limit:
        return expires_at
    if requested is not None and (requested.never or requested.expires_at is not None):
        raise Forbidden(_("A key cannot make one that outlives it (%(end)s).") % {"end": format_timestamp(limit)})
    return limit


def cap_networks(actor: Actor, networks: list[str] | None) -> list[str] | None:
    """Return the networks, by default the creating key's; raise Forbidden for any outside of those."""
    own = _networks_of(actor)
    if not own:
        return networks
    if networks is None:
        return [str(each) for each in own]
    if not networks or not all(_is_inside(ipaddress.ip_network(each), own) for each in networks):
        raise Forbidden(_("A key cannot make one that may be used from more networks than itself."))
    return networks


def _networks_of(actor: Actor) -> list[Network]:
    return [ipaddress.ip_network(each) for each in actor.grant_limits.networks] if actor.grant_limits else []


def _is_inside(network: Network, own: list[Network]) -> bool:
    return any(network.version == each.version and network.subnet_of(each) for each in own)  # type: ignore[arg-type]  # of one version, as compared before


def _intersection(own: list[Network], others: list[Network]) -> list[str]:
    """Return the networks that both lists have in common."""
    found = []
    for other in others:
        parts = [min(each, other, key=_size) for each in own if each.version == other.version and each.overlaps(other)]
        found += [str(part) for part in parts]
    return list(dict.fromkeys(found))


def _size(network: Network) -> int:
    return network.num_addresses


def cap_rotated_settings(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """Return the networks and rate limits of a rotated key, limited to those of the key that rotates it.

    Raises Forbidden if no network remains.
    """
    own = _networks_of(actor)
    networks = key.allowed_networks
    if own:
        theirs = [ipaddress.ip_network(each) for each in networks]
        networks = _intersection(own, theirs) if theirs else [str(each) for each in own]
        if not networks:
            raise Forbidden(_("The key may be used from no network that the making key may be used from."))
    rate_limits = {"minute": key.limit_minute, "hour": key.limit_hour}
    capped = cap_rate_limits(actor, key.key_type, rate_limits, {})
    return {"allowed_networks": networks, "limit_minute": capped["minute"], "limit_hour": capped["hour"]}


def cap_rate_limits(
    actor: Actor, key_type: KeyType, rate_limits: dict[str, int | None], requested: dict[str, int | None]
) -> dict[str, int | None]:
    """Limit the rate limits to the creating key's; raise Forbidden if a higher one was requested."""
    own = actor.grant_limits.limits if actor.grant_limits else {}
    for name in WINDOWS:
        maximum = own.get(name)
        limit = effective_limit(name, rate_limits[name], getattr(key_type, f"limit_{name}"))
        if maximum is None or (limit is not None and limit <= maximum):
            continue
        if requested.get(name) is not None:
            raise Forbidden(_("A key cannot make one with a higher limit than its own (%(most)d).") % {"most": maximum})
        rate_limits[name] = maximum
    return rate_limits
