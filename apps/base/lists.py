"""Parameters of lists, cursors, and the links to neighbours."""

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_date, parse_datetime
from rest_framework.request import Request

from apps.base.errors import Invalid
from apps.base.logging import hide_keys


def whole_parameter(request: Request, name: str, default: int, low: int, high: int) -> int:
    """This will return a whole number from the query string, or raise Invalid naming the parameter."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
        raise Invalid.field(name, f"{name} must be a whole number from {low} to {high}.")
    return int(text)


def choice_parameter(request: Request, name: str, allowed: Iterable[str]) -> str | None:
    """This will return one of the allowed words from the query string, or None where it is absent."""
    text = request.query_params.get(name)
    if text is not None and text not in allowed:
        raise Invalid.field(name, f"{name} must be one of {', '.join(allowed)}.")
    return text


def matching_parameter(request: Request, name: str, pattern: re.Pattern[str], example: str) -> str | None:
    """This will return a text that has the pattern from the query string, or None where it is absent."""
    text = request.query_params.get(name)
    if text is not None and not pattern.fullmatch(text):
        raise Invalid.field(name, f"{name} must look like {example}.")
    return text


def time_parameter(request: Request, name: str) -> datetime | None:
    """This will return a moment (RFC 3339, or a date at 00:00 UTC) from the query string, or None."""
    text = request.query_params.get(name)
    return None if text is None else read_time(name, text)


def read_time(name: str, text: str) -> datetime:
    """This will read a moment, or raise Invalid naming the field."""
    try:
        day = parse_date(text) if len(text) <= 10 else None
        moment = None if day else parse_datetime(text.replace(" ", "+"))
    except ValueError:
        moment = day = None
    if day is not None:
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if moment is None or moment.tzinfo is None:
        raise Invalid.field(name, f"{name} must be a time such as 2026-11-22T10:00:00Z.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid.field(name, f"{name} is out of range.") from None


def make_cursor(key: Any) -> str:
    """This will write a primary key as an opaque cursor."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def read_cursor(cursor: str, pk_field: Any) -> Any:
    """This will read a cursor, or raise Invalid."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        return pk_field.to_python(text)
    except (binascii.Error, UnicodeError, ValueError, ValidationError):
        raise Invalid.field("cursor", "cursor is not one that this list gave out.") from None


def link_to(request: Request, relation: str, changed: dict[str, Any]) -> str:
    """This will return one entry of the Link header (RFC 8288): this list with some parameters changed."""
    # A key that somebody put into the query string by mistake must not come back in a header.
    given: Iterable[tuple[str, Any]] = request.query_params.items()
    kept = {name: value for name, value in given if name not in changed and hide_keys(name + value) == name + value}
    url = request._request.build_absolute_uri(request._request.path) + "?" + urlencode({**kept, **changed})
    return f'<{url}>; rel="{relation}"'


def offset_links(request: Request, limit: int, offset: int, total: int) -> str:
    """This will return the Link header of an offset list: first, prev, next and last."""
    last = max(0, (total - 1) // limit * limit)
    links = [link_to(request, "first", {"limit": limit, "offset": 0})]
    if offset > 0:
        links.append(link_to(request, "prev", {"limit": limit, "offset": max(0, min(offset - limit, last))}))
    if offset + limit < total:
        links.append(link_to(request, "next", {"limit": limit, "offset": offset + limit}))
    links.append(link_to(request, "last", {"limit": limit, "offset": last}))
    return ", ".join(links)
