"""Readable names of browsers: "Firefox on Linux" instead of a user agent."""

from django.utils.translation import gettext as _

from apps.base.web.client_address import UNKNOWN

# The first match counts: user agents also name the browsers that they are compatible with.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


# Stored for an unknown address: the session list can store addresses only, and no request comes from this one.
UNKNOWN_IP = "0.0.0.0"  # noqa: S104  nothing listens there


def stored_ip(address: str) -> str:
    """Return an address as the session list stores it."""
    return UNKNOWN_IP if address == UNKNOWN else address


def read_stored_ip(stored: str) -> str:
    """Return the address that ``stored_ip`` stored."""
    return UNKNOWN if stored == UNKNOWN_IP else stored


def device_name(user_agent: str) -> str:
    """Return browser and system of a user agent, or its first 60 characters if neither is known."""
    browser = next((name for word, name in BROWSERS if word in user_agent), "")
    system = next((name for word, name in SYSTEMS if word in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or user_agent[:60] or _("unknown browser")
