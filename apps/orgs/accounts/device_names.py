"""What a person recognizes a browser by: "Firefox on Linux" instead of a user agent."""

from django.utils.translation import gettext as _

from apps.base.web.client_address import UNKNOWN

# The first word that is found counts: browsers name those that they want to be taken for as well.
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


# The list of sessions keeps addresses only, and no request comes from this one.
NO_ADDRESS = "0.0.0.0"  # noqa: S104  nothing listens there


def stored_address(address: str) -> str:
    """Return what the list of sessions keeps of an address."""
    return NO_ADDRESS if address == UNKNOWN else address


def read_stored_address(kept: str) -> str:
    """Return the address that the list of sessions keeps."""
    return UNKNOWN if kept == NO_ADDRESS else kept


def device_name(user_agent: str) -> str:
    """Return browser and system of a user agent, or its beginning where neither is known."""
    browser = next((name for word, name in BROWSERS if word in user_agent), "")
    system = next((name for word, name in SYSTEMS if word in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or user_agent[:60] or _("unknown browser")
