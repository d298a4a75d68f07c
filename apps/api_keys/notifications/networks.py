"""Networks as alerts tell them apart.

/24 for IPv4 and /48 for IPv6 are the smallest networks that the Internet routes by themselves, and what a provider
hands to one site (RFC 6177): another host of the same rack, office or pool is the same place; anywhere else is not.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

PREFIXES = {4: 24, 6: 48}


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str | None:
    """Return the network that an address belongs to, or None where it is no address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ipaddress.ip_network((ip, PREFIXES[ip.version]), strict=False))


def networks_of(addresses: Iterable[str]) -> list[str]:
    """Return the networks of some addresses, without repeats, in their order."""
    return list(dict.fromkeys(network for address in addresses if (network := network_of(address))))


def is_listed(address: str, networks: Iterable[str]) -> bool:
    """Tell whether an address lies in one of the networks that were allowed on purpose."""
    ip = ipaddress.ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in ipaddress.ip_network(each) for each in networks)
