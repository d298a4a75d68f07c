"""What an answer may be: JSON for programs, pages for people (RFC 9110 section 12.5.1)."""

import re
from collections.abc import Mapping
from typing import Any

REFUSED = re.compile(r";\s*q=0(?:\.0{0,3})?\s*(?:;|$)", re.IGNORECASE)
# The most specific range decides. Java's HttpURLConnection writes a lone asterisk.
RANGES_OF_JSON = ("application/json", "application/*", "*/*", "*")
PAGES = re.compile(r"text/(?:html|\*)", re.IGNORECASE)
# As ``credentials.authentication`` reads them; what stands behind is not looked at here.
KEY_SCHEME = re.compile(r"\s*(?:(?:bearer|x-api-key)\s|basic\s+(?-i:aXB[rz]X))", re.IGNORECASE)


def strip_refused_ranges(accept: str) -> str:
    """Return the Accept header without what it refuses: weight 0 means never (RFC 9110 section 12.4.2)."""
    parts = [part.strip() for part in accept.split(",")]
    wanted = [part for part in parts if not REFUSED.search(part)]
    return ", ".join(wanted) if wanted or not any(parts) else "none/none"


def accepts_json(accept: str) -> bool:
    """Tell whether an Accept header takes JSON, wherever it stands in it."""
    parts = [part.strip() for part in accept.split(",")]
    taken = {part.partition(";")[0].strip().lower(): REFUSED.search(part) is None for part in parts}
    return next((taken[name] for name in RANGES_OF_JSON if name in taken), False)


def requests_html(accept: str) -> bool:
    """Tell whether an Accept header names pages, in any spelling; ``*/*`` alone does not."""
    return PAGES.search(accept) is not None


def has_key(headers: Mapping[str, Any]) -> bool:
    """Tell whether a key stands in the headers, good or not."""
    return "HTTP_X_API_KEY" in headers or KEY_SCHEME.match(headers.get("HTTP_AUTHORIZATION", "")) is not None


def wants_json_error(headers: Mapping[str, Any]) -> bool:
    """Tell whether an error outside the API is answered as JSON: with a key nobody asks for pages."""
    accept = strip_refused_ranges(headers.get("HTTP_ACCEPT", ""))
    if has_key(headers):
        return not accept or accepts_json(accept)
    return "json" in accept.lower() and not requests_html(accept)
