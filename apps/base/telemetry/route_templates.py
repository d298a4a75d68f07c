"""The route template of a request, for logs and metrics: unlike the path, it contains nothing from the caller."""

import re
from functools import cache

from django.conf import settings
from django.urls import Resolver404, resolve

from apps.base.requests import PortalRequest

UNMATCHED_ROUTE = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
# What Django and libraries write for a part of a path: <slug:slug>, and a named group of a regular expression.
CONVERTED = re.compile(r"<(?:\w+:)?(\w+)>")
GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.|\([^()]*\))*\)[*+?]?")
ANCHORS = re.compile(r"\^|\$|\\Z|\\(?=[./-])|\?$")


def route_of(request: PortalRequest) -> str:
    """Return the template of the path, such as ``/v1/api-keys/{id}``; nothing in it comes from the caller."""
    route = getattr(request, "route", "")
    if route:
        return route
    match = request.resolver_match
    if match is not None:
        return _template(match.route or "")
    if request.path_info.startswith(settings.STATIC_URL):
        return f"{settings.STATIC_URL}*"
    request.route = _looked_up(request.path_info)
    return request.route


def _looked_up(path: str) -> str:
    """Return the template for a request that was answered before anybody looked for a view."""
    try:
        match = resolve(path)
    except Resolver404:
        return UNMATCHED_ROUTE
    return getattr(match.func, "view_initkwargs", {}).get("route") or _template(match.route)


def method_of(request: PortalRequest) -> str:
    """Return the method, or OTHER for a word that the caller made up."""
    return request.method if request.method in METHODS else OTHER_METHOD


@cache
def _template(route: str) -> str:
    """Write a route of Django's as those of the API are written."""
    return "/" + ANCHORS.sub("", CONVERTED.sub(r"{\1}", GROUP.sub(r"{\1}", route)))
