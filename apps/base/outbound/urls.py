"""Parse an endpoint URL once, strictly, so that no later parser can read another host from it."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .addresses import DENIED_REASONS, Address, AddressPolicy
from .refusals import Refused

MAX_URL_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

# scheme://authority rest. The authority ends at the first "/", "?" or "#" (RFC 3986 section 3.2).
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", re.DOTALL)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# RFC 3986 path and query, plus "[", "]" and "|", which some servers use in queries and curl sends unchanged.
_PATH_AND_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]|-]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# The one name that is an address: RFC 6761 section 6.3. Only where an operator allowed that address.
LOCALHOST, LOCALHOST_ADDRESS = "localhost", IPv4Address("127.0.0.1")
# A last label with which a browser or C library reads the host as a number (WHATWG URL: "ends in a number").
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class UrlRefused(Refused):
    """This URL is not allowed. ``message`` is a sentence that says what to change."""


@dataclass(frozen=True, slots=True)
class Target:
    """A valid URL. ``url`` is assembled from the validated parts."""

    url: str
    scheme: str
    host: str
    port: int
    literal: Address | None


def check_url(text: str, policy: AddressPolicy | None = None) -> Target:
    """Return the target that ``text`` names, without a DNS lookup.

    A literal address is checked here; a name only on each connection, since its addresses can change. Raises
    UrlRefused.
    """
    return _check_url(text, policy or AddressPolicy.from_settings())


@lru_cache(maxsize=1024)
def _check_url(text: str, policy: AddressPolicy) -> Target:
    scheme, host_text, port, rest = _split(text)
    is_localhost = host_text.lower() == LOCALHOST and policy.is_exception(LOCALHOST_ADDRESS, port)
    literal = LOCALHOST_ADDRESS if is_localhost else _parse_literal(host_text)
    host = LOCALHOST if is_localhost else str(literal) if literal else _check_name(host_text)
    is_exception = literal is not None and policy.is_exception(literal, port)
    if policy.is_own_name(host) and (not is_exception or port == policy.own_port):
        raise UrlRefused("own_address", _("This is the portal's own address. Enter the receiver's."))
    if literal:
        _check_literal(literal, port, policy)
    if scheme == "http" and not is_exception:
        raise UrlRefused("https_required", _("Use https:// so that events travel encrypted."))
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    return Target(f"{scheme}://{shown_host}{shown_port}{rest}", scheme, host, port, literal)


def _split(text: str) -> tuple[str, str, int, str]:
    """Return scheme, host as written, port and the rest ("/path?query"), or raise UrlRefused."""
    if len(text) > MAX_URL_LENGTH:
        raise UrlRefused("too_long", _("The URL is too long: use 2,048 characters at most."))
    if any(character <= " " or character == "\x7f" or character.isspace() for character in text):
        raise UrlRefused("bad_character", _("Remove spaces and control characters from the URL."))
    if "\\" in text:
        raise UrlRefused("bad_character", _("Remove the backslash from the URL."))
    match = _URL.fullmatch(text)
    if not match or match[1].lower() not in DEFAULT_PORTS:
        raise UrlRefused("bad_scheme", _("Enter a full URL that starts with https://."))
    if match[4] is not None:
        raise UrlRefused("fragment", _("Remove the part from “#” on: it is never sent to a server."))
    scheme = match[1].lower()
    host, port = _split_authority(match[2], scheme)
    return scheme, host, port, _check_path_and_query(match[3])


def _split_authority(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise UrlRefused("user_info", _("Remove the user name and password (the part before “@”)."))
    if "%" in authority:
        raise UrlRefused("bad_host", _("Write the host without percent signs."))
    match = _AUTHORITY.fullmatch(authority)
    if not match:
        raise UrlRefused("bad_host", _("The host is not valid. Write it like hooks.example.com."))
    return match[1], _check_port(match[2], scheme)


def _check_port(text: str | None, scheme: str) -> int:
    """Return the port. Low ports are refused: an HTTP request could be crafted to speak their protocols."""
    if text is None:
        return DEFAULT_PORTS[scheme]
    port = int(text) if _PORT.fullmatch(text) else 0
    if port in (80, 443) or 1023 < port < 65536:
        return port
    raise UrlRefused("bad_port", _("Use port 80, 443, or one from 1024 to 65535."))


def _check_path_and_query(rest: str) -> str:
    if not _PATH_AND_QUERY.fullmatch(rest):
        message = _("The path or query holds a character that must be percent-encoded (a space is %20).")
        raise UrlRefused("bad_character", message)
    return rest if rest.startswith("/") else f"/{rest}"


def _parse_literal(host: str) -> Address | None:
    """Return the address that ``host`` spells in its canonical form, or None when it is a name.

    Any other numeric spelling (octal, hex, short, decimal, leading zeros, zone) raises UrlRefused, since
    parsers disagree on which address it means.
    """
    if host.startswith("["):
        return _parse_ipv6(host[1:-1])
    if host.isascii() and not _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return None
    try:
        literal = IPv4Address(host)
    except AddressValueError:
        literal = None
    if literal is not None and str(literal) == host:
        return literal
    if not host.isascii() and not _ends_in_numeric_character(host):
        return None
    message = _("Write an IPv4 address as four decimal numbers without leading zeros, like 198.51.100.7.")
    raise UrlRefused("not_canonical", message)


def _ends_in_numeric_character(host: str) -> bool:
    """Return whether a non-ASCII host ends in digits of another script or width."""
    last = re.split("[.\u3002\uff0e\uff61]", host)[-1]
    return bool(last) and all(character.isnumeric() for character in last)


def _parse_ipv6(text: str) -> IPv6Address:
    try:
        literal = IPv6Address(text)
    except AddressValueError:
        literal = None
    if literal is None or literal.scope_id is not None:
        raise UrlRefused("not_canonical", _("The IPv6 address in brackets is not valid."))
    if str(literal) != text:
        message = format_lazy(_("Write this IPv6 address as [{address}]."), address=str(literal))
        raise UrlRefused("not_canonical", message)
    return literal


def _check_name(host: str) -> str:
    """Return the name in ASCII (RFC 5891), or raise UrlRefused."""
    if host.endswith("."):
        raise UrlRefused("bad_host", _("Remove the dot at the end of the host."))
    labels = [_check_label(label) for label in host.split(".")]
    name = ".".join(labels)
    if len(labels) < 2 or labels[-1] == "localhost":
        message = _("Use the full name of a host on the internet, like hooks.example.com.")
        raise UrlRefused("not_full_name", message)
    # Every top-level domain starts with a letter; a digit there is an attempt to look like an address.
    if len(name) > 253 or not labels[-1][0].isalpha():
        raise UrlRefused("bad_host", _("The host is not valid. Write it like hooks.example.com."))
    return name


def _check_label(label: str) -> str:
    text = label.lower()
    # Lower-casing can turn a look-alike into plain ASCII, such as the Kelvin sign into k: refused below.
    is_plain = text.isascii() and label.isascii()
    try:
        if not is_plain or text.startswith("xn--"):
            text = idna.alabel(text).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        text = ""
    if not _LABEL.fullmatch(text) or (not is_plain and not text.startswith("xn--")):
        raise UrlRefused("bad_host", _("The host is not valid. Write it like hooks.example.com."))
    return text


def _check_literal(literal: Address, port: int, policy: AddressPolicy) -> None:
    reason = policy.refusal(literal, port)
    if reason == "own":
        raise UrlRefused("own_address", _("This is the portal's own address. Enter the receiver's."))
    if reason:
        sentence = _("{address} is not a public address ({kind}). Use one that the internet can reach.")
        message = format_lazy(sentence, address=str(literal), kind=DENIED_REASONS[reason])
        raise UrlRefused("not_public", message)
