"""Availability of passkeys: browsers create them for host names, not IP addresses (Web Authentication 5.1.3)."""

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings


def passkeys_possible() -> bool:
    """Return whether the host of PUBLIC_URL is a name, not an IP address."""
    try:
        ipaddress.ip_address(urlsplit(settings.PUBLIC_URL).hostname or "")
    except ValueError:
        return True
    return False
