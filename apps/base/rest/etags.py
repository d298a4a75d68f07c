"""Conditional requests (RFC 9110 section 13): tags of what is answered, ``If-Match`` and ``If-None-Match``.

A tag is a digest of the answer's bytes. That of an object which can be changed under a condition has a part before it:
a digest of what people and programs decide about the object. ``If-Match`` is judged by that part alone, for the rest of
a busy object (when a key was last used, how many deliveries are held) is another one with each call.
"""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from rest_framework.response import Response

from apps.base.errors import Invalid
from apps.base.rest.object_versions import ANY_VERSION, Expected, short_digest
from apps.base.rest.operations import Operation
from apps.base.rest.renderers import JSON_ONLY, set_body

READS = ("GET", "HEAD")
# RFC 9110 section 8.8.3. Whatever is malformed fails in one pass: no two parts of the list take the same character.
TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
LIST = re.compile(rf"[ \t,]*{TAG}[ \t]*(?:,[ \t,]*(?:{TAG}[ \t]*|$))*")
EACH = re.compile(r'(?:W/)?"([^"]*)"')
# A tag of ours from a proxy that compresses: nginx puts W/ before it; Apache, Caddy and Jetty put the coding behind.
COMPRESSED = re.compile(r"([\w-]{16}(?:\.[\w-]{16})?)(?:--?|;)(?:gzip|deflate|br|zstd)", re.ASCII)


class ObjectResponse(Response):
    """One object and its ``version``. ``as_read``: what GET answers now, where this answer holds less of it."""

    def __init__(self, data: Any, version: str, as_read: Any = None) -> None:
        super().__init__(data)
        self.version, self.as_read = version, as_read


def read_tags(name: str, value: str) -> frozenset[str] | None:
    """Return the tags of a header without what proxies add, None for ``*``; or raise Invalid, naming the header.

    A weak tag counts in ``If-Match`` too, other than RFC 9110 section 13.1.1 has it: a tag stands for what an object
    is, not for the bytes that a proxy compressed, and the portal gives no other weak ones.
    """
    if value.strip(" \t") == "*":
        return None
    if not LIST.fullmatch(value):
        raise Invalid.field(name, f'{name} must be * or tags as ETag gives them, quotes included: "…", "…".')
    return frozenset(_own(tag) for tag in EACH.findall(value))


def _own(tag: str) -> str:
    compressed = COMPRESSED.fullmatch(tag)
    return compressed[1] if compressed else tag


def expected_by(headers: Mapping[str, Any]) -> Expected:
    """Return what ``If-Match`` demands."""
    value = headers.get("HTTP_IF_MATCH")
    tags = None if value is None else read_tags("If-Match", value)
    return ANY_VERSION if tags is None else Expected(frozenset(tag.partition(".")[0] for tag in tags))


def refuse_unknown(headers: Mapping[str, Any], method: str, operation: Operation, *, is_page: bool) -> None:
    """Raise Invalid for a condition that a call does not look at: it would be taken for kept.

    ``is_page``: the answer is for a person, so it has no tag to compare with.
    """
    is_tagged = operation.etag and not is_page
    if "HTTP_IF_MATCH" in headers and not is_tagged and not operation.if_match:
        raise Invalid.field("If-Match", "This call takes no If-Match: leave it out.")
    if "HTTP_IF_NONE_MATCH" in headers and method not in READS:
        raise Invalid.field("If-None-Match", "If-None-Match is for GET and HEAD: leave it out.")


def tags_change(method: Callable[..., Any]) -> Callable[..., Any]:
    """Have a method that answers the object it changed put the tag on it that reading the object gives now."""

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


def tags_read(method: Callable[..., Any]) -> Callable[..., Any]:
    """Have a GET put a tag on its answer, and answer 304 where the caller has it already."""

    @wraps(method)
    def read(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = method(view, request, *args, **kwargs)
        if request.accepted_renderer is JSON_ONLY and response.status_code == 200:
            _answer_read(request.META, response)
        return response

    return read


def _answer_read(headers: Mapping[str, Any], response: Response) -> None:
    body = JSON_ONLY.render(response.data)
    # What a list says in headers is part of what was read.
    said = [response.headers[name].encode() for name in ("Link", "X-Total-Count") if name in response.headers]
    tag = short_digest(b"\n".join([body, *said]))
    if isinstance(response, ObjectResponse):
        tag = f"{response.version}.{tag}"
    if "HTTP_IF_MATCH" in headers:
        expected_by(headers).check(tag.partition(".")[0])
    response.headers["ETag"] = f'"{tag}"'
    if "HTTP_IF_NONE_MATCH" in headers:
        held = read_tags("If-None-Match", headers["HTTP_IF_NONE_MATCH"])
        if held is None or tag in held:
            response.status_code, response.data, body = 304, None, b""
    set_body(response, body)
