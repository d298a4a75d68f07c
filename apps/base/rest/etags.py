"""Conditional requests (RFC 9110 section 13): ETags, ``If-Match`` and ``If-None-Match``.

An ETag is a digest of the response body. That of an object with conditional changes is preceded by its version, a
digest of what callers can set. ``If-Match`` compares only the version: the rest of a busy object (when a key was last
used, how many deliveries are on hold) differs with each request.
"""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from rest_framework.response import Response

from apps.base.errors import Invalid
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion, short_digest
from apps.base.rest.operations import Operation
from apps.base.rest.renderers import JSON_ONLY, set_body

READS = ("GET", "HEAD")
# RFC 9110 section 8.8.3. Matching is linear: no two parts of the pattern match the same character.
TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
LIST = re.compile(rf"[ \t,]*{TAG}[ \t]*(?:,[ \t,]*(?:{TAG}[ \t]*|$))*")
ONE_TAG = re.compile(r'(?:W/)?"([^"]*)"')
# Our ETag after a compressing proxy: nginx adds the prefix W/; Apache, Caddy and Jetty add the coding as a suffix.
COMPRESSED = re.compile(r"([\w-]{16}(?:\.[\w-]{16})?)(?:--?|;)(?:gzip|deflate|br|zstd)", re.ASCII)


class ObjectResponse(Response):
    """An object and its ``version``. ``as_read``: the data that GET returns now, where this response has less."""

    def __init__(self, data: Any, version: str, as_read: Any = None) -> None:
        super().__init__(data)
        self.version, self.as_read = version, as_read


def parse_etags(name: str, value: str) -> frozenset[str] | None:
    """Return the ETags of a header without the additions of proxies, None for ``*``; or raise Invalid.

    Weak ETags match in ``If-Match``, too, unlike RFC 9110 section 13.1.1: ours identify the state of an object, not the
    bytes that a proxy compressed, and only proxies weaken them.
    """
    if value.strip(" \t") == "*":
        return None
    if not LIST.fullmatch(value):
        raise Invalid.field(name, f'{name} must be * or tags as ETag gives them, quotes included: "…", "…".')
    return frozenset(_without_coding(tag) for tag in ONE_TAG.findall(value))


def _without_coding(tag: str) -> str:
    compressed = COMPRESSED.fullmatch(tag)
    return compressed[1] if compressed else tag


def expected_versions(headers: Mapping[str, Any]) -> ExpectedVersion:
    """Return the versions that ``If-Match`` expects."""
    value = headers.get("HTTP_IF_MATCH")
    tags = None if value is None else parse_etags("If-Match", value)
    return ANY_VERSION if tags is None else ExpectedVersion(frozenset(tag.partition(".")[0] for tag in tags))


def check_conditions(headers: Mapping[str, Any], method: str, operation: Operation, *, is_page: bool) -> None:
    """Raise Invalid for a condition that the operation would ignore, though the caller relies on it.

    ``is_page``: the response is HTML, which has no ETag.
    """
    is_tagged = operation.etag and not is_page
    if "HTTP_IF_MATCH" in headers and not is_tagged and not operation.if_match:
        raise Invalid.field("If-Match", "This call takes no If-Match: leave it out.")
    if "HTTP_IF_NONE_MATCH" in headers and method not in READS:
        raise Invalid.field("If-None-Match", "If-None-Match is for GET and HEAD: leave it out.")


def tag_change(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method that changes an object: its ``ObjectResponse`` gets the ETag that GET returns now."""

    @wraps(method)
    def change(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = method(view, request, *args, **kwargs)
        is_object = isinstance(response, ObjectResponse) and response.status_code == 200
        if is_object and request.accepted_renderer is JSON_ONLY:
            body = JSON_ONLY.render(response.data)
            set_body(response, body)
            as_read = body if response.as_read is None else JSON_ONLY.render(response.as_read)
            response.headers["ETag"] = f'"{response.version}.{short_digest(as_read)}"'
        return response

    return change


def tag_read(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a GET: its response gets an ETag, or is 304 where ``If-None-Match`` has it."""

    @wraps(method)
    def read(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = method(view, request, *args, **kwargs)
        if request.accepted_renderer is JSON_ONLY and response.status_code == 200:
            _respond_to_read(request.META, response)
        return response

    return read


def _respond_to_read(headers: Mapping[str, Any], response: Response) -> None:
    body = JSON_ONLY.render(response.data)
    # The headers of a list are part of what is read.
    headers_read = [response.headers[name].encode() for name in ("Link", "X-Total-Count") if name in response.headers]
    tag = short_digest(b"\n".join([body, *headers_read]))
    if isinstance(response, ObjectResponse):
        tag = f"{response.version}.{tag}"
    if "HTTP_IF_MATCH" in headers:
        expected_versions(headers).check(tag.partition(".")[0])
    response.headers["ETag"] = f'"{tag}"'
    if "HTTP_IF_NONE_MATCH" in headers:
        known = parse_etags("If-None-Match", headers["HTTP_IF_NONE_MATCH"])
        if known is None or tag in known:
            response.status_code, response.data, body = 304, None, b""
    set_body(response, body)
