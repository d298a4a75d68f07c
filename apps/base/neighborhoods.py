"""What an address counts as: itself; of IPv6 its /64, which one household or server has whole."""

import ipaddress

IPV6_PREFIX = 64


def address_network(address: str) -> str:
    """Return the network that is counted for an address; a text that is no address is itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return str(ip)
    mapped = ip.ipv4_mapped
    return str(mapped or ipaddress.ip_network((ip, IPV6_PREFIX), strict=False))
