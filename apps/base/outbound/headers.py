"""Validation of the custom headers that an organization adds to its deliveries (RFC 9110 section 5)."""

import re
from collections.abc import Iterable

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from .refusals import Refused

MAX_NAME_LENGTH = 64
# A token (JWT) of an identity provider is often longer than 1,024.
MAX_VALUE_LENGTH = 4096

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Visible ASCII, with spaces and tabs only inside. obs-text and obs-fold are deliberately excluded.
_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?")

# Written by curl itself; a duplicate could change where the message ends (RFC 9112 section 6).
FRAMING = frozenset({"content-length", "expect", "host", "transfer-encoding"})
# Hop-by-hop (RFC 9110 section 7.6.1), or set by the portal on each delivery.
RESERVED = FRAMING | frozenset(
    {"connection", "content-encoding", "content-type", "date", "keep-alive", "te", "trailer", "trailers"}
    | {"upgrade", "user-agent", "http2-settings", "accept-encoding"}
)
RESERVED_PREFIXES = ("proxy-", "webhook-", "svix-")

# Servers that pass headers on as variables (CGI, WSGI) don't distinguish "_" from "-".
_FRAMING = "|".join(sorted(FRAMING)).replace("-", "[-_]")
_LINE = rf"(?!(?i:{_FRAMING}):){_NAME.pattern}: {_VALUE.pattern}"
_BLOCK = re.compile(rf"(?:{_LINE}(?:\n{_LINE})*)?")


class HeaderRefused(Refused):
    """The header is not allowed. ``message`` is a sentence that says what to change."""


def check_header(name: str, value: str) -> None:
    """Raise HeaderRefused for a header that an organization cannot add to its deliveries."""
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        message = _("A header name has 1 to 64 letters, digits and hyphens, like X-Team.")
        raise HeaderRefused("bad_name", message)
    folded = name.lower().replace("_", "-")
    if folded in RESERVED or folded.startswith(RESERVED_PREFIXES):
        message = format_lazy(_("The portal sets the header {name} itself. Choose another name."), name=name)
        raise HeaderRefused("reserved_name", message)
    if len(value) > MAX_VALUE_LENGTH or not _VALUE.fullmatch(value):
        message = _("Header values can have 1 to 4,096 plain ASCII characters, with no space at either end.")
        raise HeaderRefused("bad_value", message)


def header_lines(headers: Iterable[tuple[str, str]]) -> list[str]:
    """Return the headers as lines for curl, validated again just before they are sent.

    Names that the portal sets are allowed here, those that curl writes are not. Raises HeaderRefused.
    """
    lines = [f"{name}: {value}" for name, value in headers]
    # One regex match for all headers: this runs for every delivery.
    if not _BLOCK.fullmatch("\n".join(lines)):
        raise HeaderRefused("bad_header", _("These headers cannot be sent as they are."))
    return lines
