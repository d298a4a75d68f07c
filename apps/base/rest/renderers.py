"""How answers of the public API are written for programs. Their pages for people: ``base/rest/browsable``."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer

# Names in answers of what is shown this once.
ONE_TIME_SECRETS = frozenset({"key", "secret"})
# Made once: `json.dumps` makes one for each call whose options are not its own defaults.
COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_json(value: Any, indent: int | None = None) -> str:
    """Write JSON in UTF-8 with the keys in their order; NaN is a bug and raises."""
    if indent is None:
        return COMPACT.encode(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ": "), indent=indent)


def add_headers(response: HttpResponse, headers: Mapping[str, str]) -> None:
    """Put headers of our own making on an answer that does not have them yet.

    Past Django's ResponseHeaders, which encodes each name and value to see whether it can be sent: these can.
    """
    store = response.headers._store
    for name, value in headers.items():
        store.setdefault(name.lower(), (name, value))


class JSONRenderer(BaseRenderer):
    """``application/json``, without a charset parameter (RFC 8259 section 11)."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Return the body; an answer without one stays empty."""
        return b"" if data is None else to_json(data).encode()


JSON_ONLY = JSONRenderer()


def render(response: Any) -> Any:
    """Render an answer of the API; JSON without the way that templates go, with its copies and callbacks."""
    if getattr(response, "accepted_renderer", None) is not JSON_ONLY:
        return response.render() if hasattr(response, "render") else response
    if not response.is_rendered:
        set_body(response, JSON_ONLY.render(response.data))
    return response


def set_body(response: Any, body: bytes) -> None:
    """Put a rendered body on an answer, which is not rendered again."""
    if body:
        response.headers["Content-Type"] = response.content_type or JSON_ONLY.media_type
    else:
        del response.headers["Content-Type"]
    response._container, response._is_rendered = [body], True
