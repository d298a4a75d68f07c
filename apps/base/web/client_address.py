"""The client address of a request: the peer's, or the one that the operator's trusted proxies report.

An unreadable address becomes ``unknown`` (RFC 7239 section 6.2): it is in no network, is always new, and has its own
rate-limit bucket. It must never become the proxy's address, which allowlists can contain.
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
# Requests by operators and load balancers themselves, without X-Forwarded-For.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# Nodes per RFC 7239 section 6, and as Azure and AWS write X-Forwarded-For: with a port, IPv6 in brackets.
PORT = r"(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?"
NODE = re.compile(rf"\[([0-9A-Fa-f:.]+(?:%[^\]]+)?)\]{PORT}|([0-9.]+){PORT}")
MAX_NODE_LENGTH = 100
WARNING_INTERVAL_SECONDS = 60.0


def parse_node(text: str) -> str:
    """Return the address of a node in canonical form, without port, brackets, quotes or zone."""
    return _parse_node(text) if len(text) <= MAX_NODE_LENGTH else UNKNOWN


@lru_cache(maxsize=4096)
def _parse_node(text: str) -> str:
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


def is_trusted_proxy(address: str) -> bool:
    """Return whether an address is one of the operator's trusted proxies."""
    if not settings.TRUSTED_PROXIES or address == UNKNOWN:
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in settings.TRUSTED_PROXIES)


def nearest_untrusted_address(peer: str, forwarded_for: str) -> str:
    """Return the nearest address in X-Forwarded-For that is not a trusted proxy, or ``unknown``.

    The header is read from the right: everything left of the first untrusted address can be forged by the client. An
    empty element stops the search too: servers pass a header line that they cannot read as an empty one.
    """
    address = peer
    for node in reversed(forwarded_for.split(",")):
        address = parse_node(node)
        if not is_trusted_proxy(address):
            break
    return address


def format_address(address: str) -> str:
    """Return an address for pages and mails, with ``unknown`` translated."""
    return _("unknown") if address == UNKNOWN else address


def resolve_client_address(peer: str, headers: Mapping[str, Any], path: str) -> str:
    """Return the client's address of a request that came through the trusted proxy ``peer``."""
    forwarded_for = headers.get("HTTP_X_FORWARDED_FOR")
    if forwarded_for is None and path in PROBES:
        return peer
    address = nearest_untrusted_address(peer, forwarded_for or "")
    if address == UNKNOWN:
        _warning.log(peer)
    return address


class _ProxyWarning:
    """Logs a warning at most once a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent_until = 0.0

    def log(self, proxy: str) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._silent_until:
                return
            self._silent_until = now + WARNING_INTERVAL_SECONDS
        logger.warning(
            "the trusted proxy %s sent no usable X-Forwarded-For: such requests come from an unknown address", proxy
        )


_warning = _ProxyWarning()


def rate_limit_address(address: str) -> str:
    """Return what rate limits count for an address: IPv4 itself, IPv6 its /64; other texts unchanged."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return str(ip)
    mapped = ip.ipv4_mapped
    return str(mapped or ipaddress.ip_network((ip, IPV6_PREFIX), strict=False))
