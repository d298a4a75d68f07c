"""Read the query string strictly: an ignored filter would return objects that the caller does not expect."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.http import QueryDict
from rest_framework.request import Request

from apps.base.errors import Invalid
from apps.base.rest.operations import Operation
from apps.base.text.redaction import hide_keys
from apps.base.text.validation import did_you_mean
from apps.base.timestamps import parse_timestamp

# Unknown names are truncated in errors.
MAX_NAME_LENGTH = 64
# The names of other APIs, for suggestions.
SYNONYMS = {
    **dict.fromkeys(("from", "start", "after", "created_after"), "since"),
    **dict.fromkeys(("to", "end", "before", "created_before"), "until"),
    **dict.fromkeys(("per_page", "page_size", "size", "count"), "limit"),
    **dict.fromkeys(("starting_after", "page_token", "next"), "cursor"),
}
# The organization of a session's request; keys have one.
SESSION_PARAMETER = "organization"


def check_parameters(query: QueryDict, operation: Operation, *, is_session: bool) -> None:
    """Raise Invalid naming each parameter that is unknown, repeated or has invalid characters."""
    declared = operation.query_names
    accepted = {**declared, SESSION_PARAMETER: False} if is_session else declared
    fields: dict[str, list[str]] = {}
    for name, values in query.lists():
        shown = hide_keys(name)[:MAX_NAME_LENGTH]
        if name not in accepted:
            fields[shown] = [_unknown(name, shown, list(declared))]
        elif len(values) > 1 and not accepted[name]:
            fields[shown] = [f"{name} was sent {len(values)} times. Send it once."]
        elif any("\0" in text for text in values):
            fields[shown] = ["A parameter holds a NUL character."]
        elif any("\ufffd" in text for text in values):
            fields[shown] = [f"{name} is not valid UTF-8."]
    if fields:
        raise Invalid(" ".join(text for texts in fields.values() for text in texts), fields)


def _unknown(name: str, shown: str, names: Sequence[str]) -> str:
    known = f"This operation accepts {', '.join(names)}." if names else "This operation has no query parameters."
    wanted = name.lower().removesuffix("[]")
    suggestion = did_you_mean(SYNONYMS.get(wanted, wanted), names)
    return f"Unknown query parameter {shown or '(empty name)'}.{suggestion} {known}".replace("\0", "\\0")


def integer_parameter(request: Request, name: str, default: int, low: int, high: int) -> int:
    """Return an integer from ``low`` to ``high`` from the query string, or raise Invalid naming the parameter."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
        raise Invalid.field(name, f"{name} must be a whole number from {low} to {high}.")
    return int(text)


def page_limit(request: Request) -> int:
    """Return the maximum number of rows on a page."""
    return integer_parameter(request, "limit", 50, 1, 200)


def choice_parameter(request: Request, name: str, allowed: Iterable[str]) -> str | None:
    """Return one of the allowed values from the query string, or None where it is absent."""
    text = request.query_params.get(name)
    if text is not None and text not in allowed:
        raise Invalid.field(name, f"{name} must be one of {', '.join(allowed)}.")
    return text


def text_parameter(request: Request, name: str, max_length: int) -> str | None:
    """Return a text from the query string, or None where it is absent."""
    text = request.query_params.get(name)
    if text is not None and not 0 < len(text) <= max_length:
        raise Invalid.field(name, f"{name} must have 1 to {max_length} characters.")
    return text


def matching_parameter(request: Request, name: str, pattern: re.Pattern[str], example: str) -> str | None:
    """Return a text that matches the pattern from the query string, or None where it is absent."""
    text = request.query_params.get(name)
    if text is not None and not pattern.fullmatch(text):
        raise Invalid.field(name, f"{name} must look like {example}.")
    return text


def choice_list_parameter(request: Request, name: str, allowed: Sequence[str]) -> list[str]:
    """Return the allowed values of a list parameter, separated by commas or repeated; none where it is absent."""
    found = listed_values(request.query_params, name)
    for text in found:
        if text not in allowed:
            suggestion = did_you_mean(text.lower(), allowed)
            raise Invalid.field(name, f"{name} must be one or more of {', '.join(allowed)}.{suggestion}")
    return found


def listed_values(query: QueryDict, name: str) -> list[str]:
    """Return each word of a parameter once: ``a=1,2`` and ``a=1&a=2`` say the same."""
    return list(dict.fromkeys(word for text in query.getlist(name) for word in text.split(",")))


def matching_list_parameter(request: Request, name: str, pattern: re.Pattern[str], example: str) -> list[str]:
    """Return the values of a list parameter, which match the pattern; none where it is absent."""
    found = listed_values(request.query_params, name)
    if not all(map(pattern.fullmatch, found)):
        raise Invalid.field(name, f"{name} must look like {example}.")
    return found


def time_parameter(request: Request, name: str) -> datetime | None:
    """Return a time (RFC 3339, or a date at 00:00 UTC) from the query string, or None where it is absent."""
    text = request.query_params.get(name)
    # In a query string an unencoded plus is decoded as a space.
    return None if text is None else parse_timestamp(name, text.replace(" ", "+"))
