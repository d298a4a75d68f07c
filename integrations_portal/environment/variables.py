"""Strict reading of environment variables.

Every setting can also be given as ``NAME_FILE``, the path of a file with the value, as Docker and systemd pass secrets.
An invalid value raises ImproperlyConfigured naming the variable: django-environ alone reads ``DEBUG=maybe`` as false.
"""

import base64
import binascii
import ipaddress
import os
import re

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from integrations_portal.environment import misspelled_names
from integrations_portal.environment.secret_checks import check_key

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


class Environment(environ.FileAwareEnv):
    """Reads variables; each method raises ImproperlyConfigured for an invalid value."""

    # Without the cache, which would return a value after its file or variable was changed.
    ENVIRON = FileAwareMapping(cache=False)

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # django-environ has no annotations
        self.known: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        """Return the value without surrounding white space."""
        self.known.add(name)
        if os.environ.get(name) and os.environ.get(f"{name}_FILE"):
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: remove one of them.")
        try:
            value = str(self.ENVIRON[name]).lstrip("\ufeff").strip()
        except KeyError:
            return default
        except OSError as problem:
            raise ImproperlyConfigured(f"{name}_FILE names a file that cannot be read: {problem.strerror}.") from None
        except UnicodeDecodeError:
            raise ImproperlyConfigured(f"{name}_FILE names a file that is not text in UTF-8.") from None
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            raise ImproperlyConfigured(
                f"{name} has quotation marks around it, which are taken for a part of it: remove them."
            )
        if not re.sub(r",\s+", ",", value).isprintable():  # a list in a file may have a line for each
            raise ImproperlyConfigured(f"{name} must be one line, without control characters or invisible ones.")
        return value

    def required(self, name: str, why: str) -> str:
        """Return the value; the error for a missing one says why it is needed."""
        value = self.text(name)
        if not value:
            closest_set_variable = misspelled_names.closest_set_variable(name, os.environ)
            advice = (
                f"{closest_set_variable} is set: is it misspelled?"
                if closest_set_variable
                else "See .env.example, or run: python3 manage.py demo."
            )
            raise ImproperlyConfigured(f"{name} is not set: {why} {advice}")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        """Return a boolean from ``TRUE_WORDS`` or ``FALSE_WORDS``."""
        value = self.text(name, "1" if default else "0").lower()
        if value in TRUE_WORDS:
            return True
        if value in FALSE_WORDS:
            return False
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both included."""
        value = self.text(name, str(default))
        if not re.fullmatch(r"-?[0-9]{1,12}", value) or not low <= int(value) <= high:
            raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
        return int(value)

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """Return one of the allowed words, which are compared case-insensitively."""
        value = self.text(name, default)
        for word in allowed:
            if value.lower() == word.lower():
                return word
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")

    def words(self, name: str, default: str = "") -> list[str]:
        """Return the comma-separated words without empty ones."""
        return [part.strip() for part in self.text(name, default).split(",") if part.strip()]

    def contact(self, name: str) -> str:
        """Return an https URL, or an email address as a ``mailto:`` link; an empty string where neither is set."""
        value = self.text(name)
        if not value or re.fullmatch(r"https://[^\s\"'<>]+", value):
            return value
        if re.fullmatch(r"[^\s@\"'<>:/?]+@[^\s@\"'<>:/?]+", value):
            return f"mailto:{value}"
        raise ImproperlyConfigured(f"{name} must be an e-mail address, or start with https://, not {value!r}.")

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return networks in CIDR notation; IPv4-mapped IPv6 networks become IPv4, like the addresses they match."""
        return tuple(_unmapped(_network(name, word)) for word in self.words(name))

    def networks_with_ports(self, name: str) -> tuple[tuple[Network, int | None], ...]:
        """Return pairs (network, port or None) from ``cidr`` or ``cidr:port`` (IPv6: ``[cidr]:port``)."""
        pairs = []
        for word in self.words(name):
            match = re.fullmatch(
                r"\[([^\]]+)\](?::([0-9]{1,5}))?|([^\[\]]+?/[0-9]{1,3})(?::([0-9]{1,5}))?|([^\[\]/]+)", word
            )
            if match is None:
                raise ImproperlyConfigured(f"{name}: {word!r} is not cidr or cidr:port.")
            cidr = match[1] or match[3] or match[5]
            port = match[2] or match[4]
            if port is not None and not 1 <= int(port) <= 65535:
                raise ImproperlyConfigured(f"{name}: {port} is not a port.")
            pairs.append((_network(name, cidr), int(port) if port else None))
        return tuple(pairs)

    def key_ring(self, name: str) -> dict[str, bytes]:
        """Return ``{id: 32 bytes}`` from ``id:base64,…``; the first one is current."""
        ring: dict[str, bytes] = {}
        for word in self.words(name):
            key_id, separator, encoded = word.partition(":")
            if not separator or not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", key_id) or key_id in ring:
                raise ImproperlyConfigured(f"{name} must be a list of id:base64 with different ids of 1-16 letters.")
            # A weak key can still decrypt old values, so that it can be rotated.
            ring[key_id] = decode_key(name, encoded, is_current=not ring)
        return ring

    def seconds(self, name: str, default: str) -> tuple[int, ...]:
        """Return numbers of seconds, separated by commas."""
        values = self.words(name, default)
        if not values or not all(re.fullmatch(r"[0-9]{1,7}", value) and int(value) for value in values):
            raise ImproperlyConfigured(
                f"{name} must be whole seconds of at least 1, separated by commas, such as 5,300,1800."
            )
        return tuple(int(value) for value in values)

    def limits(self, name: str, default: str) -> dict[str, int]:
        """Return ``{"minute": n, "hour": n}`` from ``n/minute,n/hour``; a window left out is not limited."""
        found: dict[str, int] = {}
        for word in self.words(name, default):
            match = re.fullmatch(r"([0-9]{1,9})/(minute|hour)", word)
            if match is None or match[2] in found or int(match[1]) < 1:
                raise ImproperlyConfigured(f"{name} must look like 100/minute,5000/hour, not {word!r}.")
            found[match[2]] = int(match[1])
        if not found:
            raise ImproperlyConfigured(f"{name} must not be empty: it would leave keys without any limit.")
        return found


def decode_key(name: str, encoded: str, is_current: bool = True) -> bytes:
    """Return the 32 bytes of a base64 text; raise ImproperlyConfigured for other texts, or a weak current key."""
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ImproperlyConfigured(f"{name} must hold 32 bytes in base64 (openssl rand -base64 32).")
    return check_key(name, key) if is_current else key


# The shortest prefixes that registries give to one owner. IPv4 addresses are also embedded in IPv6 (IPV4_IN_IPV6).
MIN_PREFIX_LENGTHS = {4: 8, 6: 24}
UNIQUE_LOCAL_IPV6 = ipaddress.IPv6Network("fc00::/7")
IPV4_IN_IPV6 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
MAPPED_BITS = 96


def _network(name: str, text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {text!r} is not a network in CIDR form ({error}).") from None
    if _is_too_wide(network):
        raise ImproperlyConfigured(f"{name}: {text} takes in other people's networks: name your own ones only.")
    return network


def _unmapped(network: Network) -> Network:
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - MAPPED_BITS))


def _is_too_wide(network: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return network.prefixlen < MIN_PREFIX_LENGTHS[4]
    if any(network.subnet_of(each) for each in IPV4_IN_IPV6):
        return network.prefixlen - MAPPED_BITS < MIN_PREFIX_LENGTHS[4]
    return network.prefixlen < MIN_PREFIX_LENGTHS[6] and not network.subnet_of(UNIQUE_LOCAL_IPV6)
