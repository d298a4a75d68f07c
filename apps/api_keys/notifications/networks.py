"""Group client addresses into networks, so that another address of the same site is not reported as new.

/24 for IPv4 and /48 for IPv6 are the smallest networks that are routed on the Internet, and what a provider assigns to
one site (RFC 6177).
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

PREFIXES = {4: 24, 6: 48}


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str | None:
    """Return the network of an address, or None if it is not a valid address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ipaddress.ip_network((ip, PREFIXES[ip.version]), strict=False))


def networks_of(addresses: Iterable[str]) -> list[str]:
    """Return the distinct networks of the addresses, in their order."""
    return list(dict.fromkeys(network for address in addresses if (network := network_of(address))))


def is_allowed(address: str, networks: Iterable[str]) -> bool:
    """Return whether an address is in one of the key's allowed networks."""
    ip = ipaddress.ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in ipaddress.ip_network(each) for each in networks)
