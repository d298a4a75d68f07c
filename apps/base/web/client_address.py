"""Whose address a request has: the peer's, or what the operator's own proxies report; never a header by itself.

What cannot be read is an address of its own, ``unknown`` (RFC 7239 section 6.2): it lies in no network, was never seen
before, and has its own bucket on every limit. It must never become the proxy's address, which people allow.
"""

import ipaddress
import logging
import re
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

IPV6_PREFIX = 64

logger = logging.getLogger(__name__)

UNKNOWN = "unknown"
# What operators and load balancers ask of the process itself: a balancer has nobody to report there.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# Nodes as RFC 7239 section 6 writes them, and as Azure and AWS do in X-Forwarded-For: with a port, IPv6 in brackets.
PORT = r"(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?"
NODE = re.compile(rf"\[([0-9A-Fa-f:.]+(?:%[^\]]+)?)\]{PORT}|([0-9.]+){PORT}")
MAX_NODE_LENGTH = 100
SILENT_SECONDS = 60.0


def parse_node(text: str) -> str:
    """Return the address that a node names, in its one form: no port, brackets, quotes or zone."""
    return _read(text) if len(text) <= MAX_NODE_LENGTH else UNKNOWN


@lru_cache(maxsize=4096)
def _read(text: str) -> str:
    node = text.strip(" \t")
    if len(node) > 1 and node[0] == node[-1] == '"':
        node = node[1:-1].strip(" \t")
    match = NODE.fullmatch(node)
    try:
        ip = ipaddress.ip_address((match[1] or match[2]) if match else node)
    except ValueError:
        return UNKNOWN
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ipaddress.IPv6Address(int(ip))
    return UNKNOWN if ip.is_unspecified else str(ip)


def is_trusted(address: str) -> bool:
    """Tell whether an address is one of the operator's own proxies."""
    if not settings.TRUSTED_PROXIES or address == UNKNOWN:
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in settings.TRUSTED_PROXIES)


def behind_proxy(peer: str, forwarded_for: str) -> str:
    """Return the nearest address in X-Forwarded-For that is not a trusted proxy, or ``unknown``.

    The header is read from the right: everything left of the first address that no trusted proxy vouches for may be
    invented by the caller. An empty element ends it too: so servers hand over a line that they cannot read.
    """
    address = peer
    for node in reversed(forwarded_for.split(",")):
        address = parse_node(node)
        if not is_trusted(address):
            break
    return address


def format_address(address: str) -> str:
    """Return an address as pages and mails write it: the word for an unknown one in the reader's language."""
    return _("unknown") if address == UNKNOWN else address


def resolve_client_address(peer: str, headers: Mapping[str, Any], path: str) -> str:
    """Return the caller's address, where ``peer`` is a trusted proxy that speaks for somebody."""
    forwarded_for = headers.get("HTTP_X_FORWARDED_FOR")
    if forwarded_for is None and path in PROBES:
        return peer
    address = behind_proxy(peer, forwarded_for or "")
    if address == UNKNOWN:
        _complaint.make(peer)
    return address


class _Complaint:
    """One line a minute, however many requests there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until = 0.0

    def make(self, proxy: str) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._silent_until:
                return
            self._silent_until = now + SILENT_SECONDS
        logger.warning(
            "the trusted proxy %s sent no usable X-Forwarded-For: such requests come from an unknown address", proxy
        )


_complaint = _Complaint()


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
