"""Whether passkeys can work: browsers give them to host names, never to addresses (Web Authentication, 5.1.3)."""

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings


def passkeys_possible() -> bool:
    """Tell whether PUBLIC_URL names a host."""
    try:
        ipaddress.ip_address(urlsplit(settings.PUBLIC_URL).hostname or "")
    except ValueError:
        return True
    return False
