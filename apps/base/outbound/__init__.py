"""SSRF protection: all requests to URLs that customers choose go through this package.

``check_url`` and ``check_header`` validate input. ``CaresResolver`` resolves names, ``AddressPolicy`` checks each
resolved address, and ``GuardedHandle`` connects only to checked addresses.
"""

from .addresses import Address, AddressPolicy, is_own_interface, is_public
from .dns_query import DnsResult
from .guard import SWITCHING_PROTOCOLS, GuardedHandle, SocketHook, WireRequest, resolve_entry
from .headers import HeaderRefused, check_header, header_lines
from .idle_connections import IdleConnections
from .resolver import CaresResolver, Lookup, Resolver
from .urls import Target, UrlRefused, check_url

__all__ = [
    "SWITCHING_PROTOCOLS",
    "Address",
    "AddressPolicy",
    "CaresResolver",
    "DnsResult",
    "GuardedHandle",
    "HeaderRefused",
    "IdleConnections",
    "Lookup",
    "Resolver",
    "SocketHook",
    "Target",
    "UrlRefused",
    "WireRequest",
    "check_header",
    "check_url",
    "header_lines",
    "is_own_interface",
    "is_public",
    "resolve_entry",
]
