"""Parse request bodies as strict JSON (RFC 8259, I-JSON of RFC 7493): ambiguous texts are errors."""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser, FormParser

from apps.base.actor import ActorKind
from apps.base.errors import Invalid, PortalError

MAX_DEPTH = 64
IDENTITY = "identity"
MAX_INTEGER_DIGITS = 4300
SURROGATE = re.compile("[\ud800-\udfff]")


class NotJSON(Invalid):
    """The body is not acceptable JSON; the message says where or why."""


def _not_json(message: str) -> NotJSON:
    return NotJSON(f"The body is not acceptable JSON: {message}")


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise _not_json(f"an integer has more than {MAX_INTEGER_DIGITS:,} digits.")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
        changed = not math.isfinite(number) or Decimal(text) != Decimal(repr(number))
    except (InvalidOperation, OverflowError):
        changed = True
    if changed:
        raise _not_json(f"the number {text[:40]} cannot be kept as a double without changing it; send it as a string.")
    return number


def _constant(text: str) -> Any:
    raise _not_json(f"{text} is not a JSON number.")


def _check_text(text: str) -> str:
    if "\x00" in text:
        raise _not_json("a text holds a NUL character.")
    if SURROGATE.search(text):
        raise _not_json("a text holds half of a surrogate pair.")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _not_json(f"the key {key[:60]!r} occurs twice in one object.")
        found[_check_text(key)] = value
    return found


def check_depth(text: str) -> None:
    """Raise NotJSON for nesting deeper than 64, in linear time, before a recursive parser reads the text."""
    depth = 0
    in_string = escaped = False
    for letter in text:
        if in_string:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                in_string = False
        elif letter == '"':
            in_string = True
        elif letter in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _not_json(f"it is nested deeper than {MAX_DEPTH} levels.")
        elif letter in "]}":
            depth -= 1


def _check_values(value: Any) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check_values(item)
    elif isinstance(value, dict):
        for item in value.values():
            _check_values(item)


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant)


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text, or raise NotJSON."""
    try:
        # Some clients send a byte order mark, which parsers can ignore (RFC 8259 section 8.1).
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _not_json("it is not UTF-8.") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        check_depth(text)
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _not_json(f"{error.msg} (line {error.lineno}, column {error.colno}).") from None
    _check_values(value)
    return value


def read_body(stream: IO[bytes], content_length: int | None) -> bytes:
    """Return the body, or raise 413 for more than 1 MiB without reading the rest."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if content_length is not None and content_length > limit:
        raise too_large()
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise too_large()
    return body


def check_length(content_length: str | None) -> None:
    """Raise 413 for a Content-Length over 1 MiB, before any other error of the body."""
    if content_length and content_length.isdigit() and int(content_length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise too_large()


def check_coding(headers: Mapping[str, Any]) -> None:
    """Raise 415 for a body with a Content-Encoding (RFC 9110 section 15.5.16)."""
    if headers.get("HTTP_CONTENT_ENCODING", IDENTITY).strip().lower() != IDENTITY:
        message = "The body is compressed. Send it as it is, without Content-Encoding."
        raise PortalError(message, "unsupported_media_type", headers={"Accept-Encoding": IDENTITY})


def too_large() -> PortalError:
    """Return the error for a body over the limit."""
    return PortalError("The body is larger than 1 MiB.", "payload_too_large")


class StrictJSONParser(BaseParser):
    """The only parser for requests with a key."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the parsed body; an empty one is parsed as an empty object."""
        if "*" in (media_type or ""):
            # A media range is no type of a body, though DRF matches it.
            raise UnsupportedMediaType(media_type or "")
        request = (parser_context or {}).get("request")
        content_length = request.META.get("CONTENT_LENGTH") if request is not None else None
        body = read_body(stream, int(content_length) if content_length and str(content_length).isdigit() else None)
        return parse_json(body) if body else {}


class FormFields(dict[str, str]):
    """The texts of a form, which ``browsable.form_requests`` converts by the fields of the operation's body."""


class SessionFormParser(FormParser):
    """Parses forms of the browsable API; raises 415 for requests with a key, which send JSON."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the fields of a form without the CSRF token, with line breaks as LF."""
        request = (parser_context or {})["request"]
        if request.actor is None or request.actor.kind != ActorKind.USER:
            raise UnsupportedMediaType(media_type or "")
        fields = super().parse(stream, media_type, parser_context).dict()
        fields.pop("csrfmiddlewaretoken", None)
        return FormFields({name: _check_text(text.replace("\r\n", "\n")) for name, text in fields.items()})
