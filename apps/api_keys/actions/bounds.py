"""A maker never gives more than it has: what a key may hand on when it makes, changes or rotates one."""

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.api_keys.actions.rules import WINDOWS
from apps.api_keys.key_query import effective
from apps.api_keys.models import ApiKey, KeyType, Scope
from apps.base.actor import Actor
from apps.base.errors import Forbidden
from apps.base.timestamps import format_timestamp
from apps.credentials.rules import Lifetime

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_maker(actor: Actor, scopes: Iterable[str]) -> None:
    """Raise Forbidden where the maker lacks a scope that the key is to hold."""
    missing = [scope for scope in scopes if not actor.can_grant(scope)]
    if missing:
        raise Forbidden(_("You cannot give what you do not have: %(scopes)s.") % {"scopes": ", ".join(missing)})


def check_maker_type(actor: Actor, kind: KeyType) -> None:
    """Raise Forbidden where the type may hold a scope that the making key's type may not."""
    catalogue = frozenset(Scope.objects.values_list("name", flat=True))
    own = KeyType.objects.get(name=actor.bounds.key_type) if actor.bounds else kind
    if kind.holdable(catalogue) - own.holdable(catalogue):
        raise Forbidden(_("A key of type %(own)s cannot make keys of type %(type)s.") % {"own": own, "type": kind})


def within_expiry(actor: Actor, expires_at: datetime | None, asked: Lifetime | None) -> datetime | None:
    """Cut the lifetime to the making key's; asking for a longer one is Forbidden."""
    ends = actor.bounds.expires_at if actor.bounds else None
    if ends is None:
        return expires_at
    limit = datetime.fromtimestamp(ends, tz=timezone.get_default_timezone())
    if expires_at is not None and expires_at <= limit:
        return expires_at
    if asked is not None and (asked.never or asked.expires_at is not None):
        raise Forbidden(_("A key cannot make one that outlives it (%(end)s).") % {"end": format_timestamp(limit)})
    return limit


def within_networks(actor: Actor, networks: list[str] | None) -> list[str] | None:
    """Hand the making key's networks on; asking for others is Forbidden."""
    own = _networks_of(actor)
    if not own:
        return networks
    if networks is None:
        return [str(each) for each in own]
    if not networks or not all(_is_inside(ipaddress.ip_network(each), own) for each in networks):
        raise Forbidden(_("A key cannot make one that may be used from more networks than itself."))
    return networks


def _networks_of(actor: Actor) -> list[Network]:
    return [ipaddress.ip_network(each) for each in actor.bounds.networks] if actor.bounds else []


def _is_inside(network: Network, own: list[Network]) -> bool:
    return any(network.version == each.version and network.subnet_of(each) for each in own)  # type: ignore[arg-type]  # of one version, as compared before


def _common(own: list[Network], others: list[Network]) -> list[str]:
    """The parts of the other networks that lie inside one's own."""
    found = []
    for other in others:
        parts = [min(each, other, key=_size) for each in own if each.version == other.version and each.overlaps(other)]
        found += [str(part) for part in parts]
    return list(dict.fromkeys(found))


def _size(network: Network) -> int:
    return network.num_addresses


def cut_settings(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """Return the settings of a rotated key that differ from the old one's, as the making key has less.

    Raises Forbidden where no network is left.
    """
    own = _networks_of(actor)
    networks = key.allowed_networks
    if own:
        theirs = [ipaddress.ip_network(each) for each in networks]
        networks = _common(own, theirs) if theirs else [str(each) for each in own]
        if not networks:
            raise Forbidden(_("The key may be used from no network that the making key may be used from."))
    figures = {"minute": key.limit_minute, "hour": key.limit_hour}
    cut = within_limits(actor, key.key_type, figures, {})
    return {"allowed_networks": networks, "limit_minute": cut["minute"], "limit_hour": cut["hour"]}


def within_limits(
    actor: Actor, kind: KeyType, figures: dict[str, int | None], asked: dict[str, int | None]
) -> dict[str, int | None]:
    """Cut the limits to the making key's; asking for more is Forbidden."""
    own = actor.bounds.limits if actor.bounds else {}
    for name in WINDOWS:
        most = own.get(name)
        figure = effective(name, figures[name], getattr(kind, f"limit_{name}"))
        if most is None or (figure is not None and figure <= most):
            continue
        if asked.get(name) is not None:
            raise Forbidden(_("A key cannot make one with a higher limit than its own (%(most)d).") % {"most": most})
        figures[name] = most
    return figures
