"""Render API responses as JSON. ``base/rest/browsable`` renders them as pages."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer

# Names in response bodies of secrets that are shown once.
ONE_TIME_SECRETS = frozenset({"key", "secret"})
# `json.dumps` with other than its default options would create an encoder per call.
COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_json(value: Any, indent: int | None = None) -> str:
    """Return JSON without ASCII escapes; raise ValueError for NaN, which is a bug."""
    if indent is None:
        return COMPACT.encode(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ": "), indent=indent)


def add_headers(response: HttpResponse, headers: Mapping[str, str]) -> None:
    """Add headers that the response does not have yet.

    Skips the checks of Django's ResponseHeaders, which are slow: names and values must be trusted.
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
        """Return the body; empty for a response without data."""
        return b"" if data is None else to_json(data).encode()


JSON_ONLY = JSONRenderer()


def render(response: Any) -> Any:
    """Render a response; JSON without TemplateResponse's machinery, which is slow."""
    if getattr(response, "accepted_renderer", None) is not JSON_ONLY:
        return response.render() if hasattr(response, "render") else response
    if not response.is_rendered:
        set_body(response, JSON_ONLY.render(response.data))
    return response


def set_body(response: Any, body: bytes) -> None:
    """Set the rendered body of a response, which is then not rendered again."""
    if body:
        response.headers["Content-Type"] = response.content_type or JSON_ONLY.media_type
    else:
        del response.headers["Content-Type"]
    response._container, response._is_rendered = [body], True
