"""The access log: one line per request with route, status, duration and actor.

It bypasses log records and redaction, which would cost a tenth of a request's time. So it must not contain anything
that the caller controls: the path is the route's template, the request id is validated, ids are the portal's.
"""

import logging
import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import Resolver404, resolve

from apps.base.actor import ActorKind
from apps.base.identifiers import encode
from apps.base.requests import PortalRequest
from apps.base.telemetry.logging import JsonStreamHandler

UNMATCHED_ROUTE = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
# What Django and libraries write for a part of a path: <slug:slug>, and a named group of a regular expression.
PATH_CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")
NAMED_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.|\([^()]*\))*\)[*+?]?")
ANCHORS = re.compile(r"\^|\$|\\Z|\\(?=[./-])|\?$")

logger = logging.getLogger("portal.access")

# Health checks and scrapes, every few seconds: logged at DEBUG only.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def log_request(request: PortalRequest, status: int, seconds: float) -> None:
    """Log a request before its response is sent; the time of a streamed response ends where the stream begins."""
    route = route_of(request)
    level = logging.DEBUG if route in PROBES else logging.INFO
    if not logger.isEnabledFor(level):
        return
    line = {
        "event": "request",
        "request_id": request.request_id,
        "method": method_label(request),
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        **_identity_fields(request),
        "client_address": request.client_address,
        "level": "debug" if route in PROBES else "info",
        "logger": logger.name,
        "timestamp": f"{datetime.now(UTC).isoformat(timespec='microseconds')[:-6]}Z",
    }
    # Not ``logger.info``, which searches the stack for the caller's file and line.
    for handler in logging.root.handlers:
        if isinstance(handler, JsonStreamHandler):
            handler.write_line(line)


def _identity_fields(request: PortalRequest) -> dict[str, Any]:
    """Return the ids of key, user and organization that the request has already loaded, without a query."""
    actor = request.actor
    if actor is not None:
        kind = "user" if actor.kind in (ActorKind.USER, ActorKind.OPERATOR) else "key"
        return {kind: actor.id, **_organization(actor.organization_id)}
    credential = getattr(getattr(request, "auth_result", None), "credential", None)
    if credential is not None:  # a key that was refused
        return {"key": credential.public_id, **_organization(credential.organization_id)}
    # Set by Django's middleware once ``request.user`` was used.
    user = getattr(request, "_cached_user", None)
    return {"user": user.public_id} if user is not None and user.is_authenticated else {}


@lru_cache(maxsize=1000)
def _organization(pk: UUID | None) -> dict[str, str]:
    return {} if pk is None else {"organization": encode("org", pk)}


def route_of(request: PortalRequest) -> str:
    """Return the route of a request, such as ``/v1/api-keys/{id}``; no part of it comes from the client."""
    route = getattr(request, "route", "")
    if route:
        return route
    match = request.resolver_match
    if match is not None:
        return _route_template(match.route or "")
    if request.path_info.startswith(settings.STATIC_URL):
        return f"{settings.STATIC_URL}*"
    request.route = _resolve_route(request.path_info)
    return request.route


def _resolve_route(path: str) -> str:
    """Return the route for a request that middleware responded to before Django resolved the view."""
    try:
        match = resolve(path)
    except Resolver404:
        return UNMATCHED_ROUTE
    return getattr(match.func, "view_initkwargs", {}).get("route") or _route_template(match.route)


def method_label(request: PortalRequest) -> str:
    """Return the request's method, or OTHER for one that HTTP does not define."""
    return request.method if request.method in METHODS else OTHER_METHOD


@cache
def _route_template(route: str) -> str:
    """Convert a Django route or regular expression to the form of API routes, with names in braces."""
    return "/" + ANCHORS.sub("", PATH_CONVERTER.sub(r"{\1}", NAMED_GROUP.sub(r"{\1}", route)))
