"""Which IP addresses outbound requests are allowed to reach: deny lists, and the operator's exceptions.

``ipaddress.is_global`` is not used: its results differ between Python patch releases, and it treats forms that embed
an IPv4 address (mapped, NAT64, 6to4, Teredo) inconsistently.
"""

import errno
import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Self
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

DENIED_REASONS: dict[str, Promise] = {
    "loopback": _("a loopback address"),
    "private": _("a private network"),
    "link_local": _("a link-local address"),
    "shared": _("a carrier's shared address space"),
    "platform": _("an address of the hosting platform"),
    "documentation": _("reserved for documentation"),
    "multicast": _("a multicast address"),
    "embedded": _("an IPv6 form that stands for another address"),
    "reserved": _("a reserved address"),
}

# IANA special-purpose registries (RFC 6890 and updates), plus 168.63.129.16, the wire server of one cloud.
IPV4_DENIED: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "reserved"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "platform"),
        ("169.254.0.0/16", "link_local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)

# Everything outside 2000::/3 is refused as a whole, and with it each mapped, compatible, SIIT, NAT64,
# site-local, unique-local, link-local and multicast form (RFC 4291, RFC 6052).
IPV6_GLOBAL_UNICAST = IPv6Network("2000::/3")
IPV6_DENIED: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("2001::/23", "embedded"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "embedded"),
        ("2620:4f:8000::/48", "reserved"),
        ("3fff::/20", "documentation"),
    )
)

# Outside 2000::/3: these only choose the wording of the message.
IPV6_REASONS: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fec0::/10", "private"),
        ("fe80::/10", "link_local"),
        ("ff00::/8", "multicast"),
        ("::ffff:0:0/96", "embedded"),
        ("::ffff:0:0:0/96", "embedded"),
        ("64:ff9b::/32", "embedded"),
        ("::/96", "embedded"),
    )
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def denied_reason(ip: Address) -> str | None:
    """Return the key in ``DENIED_REASONS`` for why ``ip`` is not public, or None when it is."""
    if isinstance(ip, IPv4Address):
        return _reason_in(ip, IPV4_DENIED)
    if ip not in IPV6_GLOBAL_UNICAST:
        return _reason_in(ip, IPV6_REASONS) or "reserved"
    return _reason_in(ip, IPV6_DENIED)


def _reason_in(ip: Address, table: tuple[tuple[Network, str], ...]) -> str | None:
    return next((reason for network, reason in table if ip in network), None)


def is_public(ip: Address) -> bool:
    """Return whether ``ip`` is an ordinary address of the public internet."""
    return denied_reason(ip) is None


def is_own_interface(ip: Address) -> bool:
    """Return whether ``ip`` is assigned to an interface of this machine.

    Binding a datagram socket sends nothing and works on every system, also for addresses assigned after startup. Where
    the system can bind foreign addresses (``ip_nonlocal_bind``) this returns False.
    """
    return _can_bind(ip) and not _binds_anything(ip.version)


def _can_bind(ip: Address) -> bool:
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError as error:
        # Running out of file descriptors says nothing about the address: assume the worst.
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return True


@lru_cache(maxsize=2)
def _binds_anything(version: int) -> bool:
    """Return whether binding succeeds for an address that no machine can have (RFC 5737, RFC 3849)."""
    return _can_bind(IPv4Address("192.0.2.1") if version == 4 else IPv6Address("2001:db8::1"))


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Allow public addresses and the operator's exceptions, never the portal itself.

    ``allowed``: (network, port) pairs; port None means every port. ``own_host`` and ``own_port``: the portal's public
    URL. An exception overrides the deny lists but not the portal's own port.
    """

    allowed: tuple[tuple[Network, int | None], ...] = ()
    own_host: str | None = None
    own_port: int | None = None

    @classmethod
    def from_settings(cls) -> Self:
        """Build the policy from ``WEBHOOK_ALLOW_CIDRS`` (already parsed) and ``PUBLIC_URL``."""
        own = urlsplit(getattr(settings, "PUBLIC_URL", None) or "")
        port = own.port or {"http": 80, "https": 443}.get(own.scheme)
        return cls(tuple(getattr(settings, "WEBHOOK_ALLOW_CIDRS", ())), own.hostname, port)

    def is_exception(self, ip: Address, port: int) -> bool:
        """Return whether the operator allowed this address on this port."""
        return any(
            network.version == ip.version and ip in network and allowed_port in (None, port)
            for network, allowed_port in self.allowed
        )

    def refusal(self, ip: Address, port: int) -> str | None:
        """Return why ``ip`` is not allowed on ``port``: a key of ``DENIED_REASONS``, "own", or None where it is."""
        if self.is_exception(ip, port):
            return "own" if port == self.own_port and is_own_interface(ip) else None
        return denied_reason(ip) or ("own" if is_own_interface(ip) else None)

    def is_own_name(self, host: str) -> bool:
        """Return whether ``host`` is the host of the portal's public URL.

        Only the name is compared: its addresses can belong to a proxy that serves other sites too.
        """
        return self.own_host is not None and host == self.own_host.rstrip(".")
