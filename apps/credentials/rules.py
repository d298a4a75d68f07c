"""Validation shared by keys of all kinds: name, reason, networks, lifetime and overlap."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.base.errors import Invalid
from apps.base.text.validation import check_plain_text

MAX_DAYS = 3650
DAY_SECONDS = 24 * 3600
MAX_NETWORKS = 50
MAPPED_BITS = 96
MAX_REASON_LENGTH = 200
MAX_OVERLAP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a key expires: at a time, never, or (neither set) by the default of its kind."""

    expires_at: datetime | None = None
    never: bool = False
    # The field that set it, for error messages.
    field: str = "expires_in_days"

    @classmethod
    def days(cls, days: int) -> "Lifetime":
        """Return a lifetime of a number of days from now."""
        return cls(expires_at=timezone.now() + timedelta(days=days))


def check_name(name: str) -> str:
    """Return the name without surrounding space, or raise Invalid."""
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise Invalid.field("name", _("Give the key a name of 1 to 100 characters."))
    check_plain_text("name", name)
    return name


def check_reason(reason: str) -> str:
    """Return the reason without surrounding space, or raise Invalid."""
    reason = reason.strip()
    if len(reason) > MAX_REASON_LENGTH:
        message = _("A reason has at most %(count)d characters.") % {"count": MAX_REASON_LENGTH}
        raise Invalid.field("reason", message)
    check_plain_text("reason", reason)
    return reason


def check_overlap(seconds: int) -> timedelta:
    """Return the overlap of a rotation, or raise Invalid."""
    if not 0 <= seconds <= MAX_OVERLAP.total_seconds():
        message = _("The overlap must be from 0 to %(most)d seconds (%(days)d days).")
        values = {"most": MAX_OVERLAP.total_seconds(), "days": MAX_OVERLAP.days}
        raise Invalid.field("overlap_seconds", message % values)
    return timedelta(seconds=seconds)


def parse_networks(networks: Iterable[str]) -> list[str]:
    """Return networks in canonical CIDR form without duplicates; a single address becomes a /32 or /128."""
    found: list[str] = []
    for text in networks:
        try:
            network = str(_network(text.strip()))
        except ValueError:
            message = _("%(text)r is not an address or a network such as 203.0.113.0/24.") % {"text": text[:60]}
            raise Invalid.field("allowed_networks", message) from None
        if network not in found:
            found.append(network)
    if len(found) > MAX_NETWORKS:
        raise Invalid.field("allowed_networks", _("At most %(count)d networks.") % {"count": MAX_NETWORKS})
    return found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Parse a network; IPv4-mapped IPv6 (``::ffff:203.0.113.0/120``) becomes IPv4, as client addresses do."""
    network = ipaddress.ip_network(text)
    if network.version == 4:
        return network
    if "%" in text:
        raise ValueError("a zone means something on one machine only")
    mapped = network.network_address.ipv4_mapped
    if mapped is None or network.prefixlen < MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - MAPPED_BITS))
