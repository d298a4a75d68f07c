"""Read the Accept header: JSON for API clients, pages for browsers (RFC 9110 section 12.5.1)."""

import re
from collections.abc import Mapping
from typing import Any

ZERO_WEIGHT = re.compile(r";\s*q=0(?:\.0{0,3})?\s*(?:;|$)", re.IGNORECASE)
# The most specific range applies. Java's HttpURLConnection sends a single asterisk.
RANGES_OF_JSON = ("application/json", "application/*", "*/*", "*")
HTML_RANGE = re.compile(r"text/(?:html|\*)", re.IGNORECASE)
# The schemes that ``credentials.gate.authentication`` accepts; the key itself is not checked here.
KEY_SCHEME = re.compile(r"\s*(?:(?:bearer|x-api-key)\s|basic\s+(?-i:aXB[rz]X))", re.IGNORECASE)


def strip_refused_ranges(accept: str) -> str:
    """Return the Accept header without the ranges of weight 0, which it refuses (RFC 9110 section 12.4.2)."""
    parts = [part.strip() for part in accept.split(",")]
    wanted = [part for part in parts if not ZERO_WEIGHT.search(part)]
    return ", ".join(wanted) if wanted or not any(parts) else "none/none"


def accepts_json(accept: str) -> bool:
    """Return whether an Accept header admits JSON, in any order."""
    parts = [part.strip() for part in accept.split(",")]
    admitted = {part.partition(";")[0].strip().lower(): ZERO_WEIGHT.search(part) is None for part in parts}
    return next((admitted[name] for name in RANGES_OF_JSON if name in admitted), False)


def requests_html(accept: str) -> bool:
    """Return whether an Accept header names HTML; ``*/*`` alone does not."""
    return HTML_RANGE.search(accept) is not None


def has_key(headers: Mapping[str, Any]) -> bool:
    """Return whether the headers have a key, valid or not."""
    return "HTTP_X_API_KEY" in headers or KEY_SCHEME.match(headers.get("HTTP_AUTHORIZATION", "")) is not None


def wants_json_error(headers: Mapping[str, Any]) -> bool:
    """Return whether an error outside the API is sent as JSON: to clients with a key, and where Accept says so."""
    accept = strip_refused_ranges(headers.get("HTTP_ACCEPT", ""))
    if has_key(headers):
        return not accept or accepts_json(accept)
    return "json" in accept.lower() and not requests_html(accept)
