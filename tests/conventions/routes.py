"""The one list of routes: walks the URLconf, so that a route which nobody thought of is in it too."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PAGE_METHODS = ("GET", "POST")
PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """One route: its name, its path with ``{parameters}``, its interface and the methods it takes.

    The interface ``sdk`` is the part of the API that apps call.
    """

    name: str
    path: str
    interface: str
    methods: tuple[str, ...]
    view: Callable[..., Any]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(PARAMETER.findall(self.path))

    @property
    def objects(self) -> tuple[str, ...]:
        """The parameters that stand for an object; the organization's slug is none."""
        return tuple(name for name in self.parameters if name != "slug")

    def at(self, **values: Any) -> str:
        """Return the path with its parameters filled in."""
        return PARAMETER.sub(lambda match: str(values[match[1]]), self.path)


@cache
def routes() -> tuple[Route, ...]:
    """Return every route of the product."""
    return tuple(_walk(get_resolver().url_patterns, "/", ""))


def routes_for(*interfaces: str) -> list[Route]:
    """Return the routes of some interfaces: page, api, sdk, account, admin, other."""
    return [route for route in routes() if route.interface in interfaces]


def _walk(patterns: list[URLPattern | URLResolver], before: str, namespace: str) -> Iterator[Route]:
    for pattern in patterns:
        path = before + _template(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, path, inner)
        else:
            interface = _interface(path)
            name = namespace + (pattern.name or f"unnamed {path}")
            yield Route(name, path, interface, _methods(pattern.callback, interface), pattern.callback)


def _template(pattern: Any) -> str:
    """Write a Django route or a simple regular expression as a path with ``{parameters}``."""
    if isinstance(pattern, RoutePattern):
        return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern._route))
    text = str(pattern._regex).removeprefix("^").removesuffix("$").removesuffix(r"\Z").removesuffix("/?")
    return re.sub(r"\(\?P<(\w+)>(?:\[[^\]]*\]|[^()])*\)", r"{\1}", text)


def _interface(path: str) -> str:
    starts = {"/v1/sdk/": "sdk", "/v1": "api", "/account/": "account", "/admin/": "admin", "/o/{slug}/": "page"}
    return next((interface for start, interface in starts.items() if path.startswith(start)), "other")


def _methods(view: Callable[..., Any], interface: str) -> tuple[str, ...]:
    handlers = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if handlers is not None:
        return tuple(name for name in METHODS if hasattr(handlers, name.lower()))
    if hasattr(view, "methods"):  # base/web/pages.py
        return tuple(name for name in METHODS if name in view.methods)
    step: Any = view
    while step is not None:
        if inspect.isfunction(step):
            allowed = inspect.getclosurevars(step).nonlocals.get("request_method_list")
            if allowed:
                return tuple(name for name in METHODS if name in allowed)
        step = getattr(step, "__wrapped__", None)
    return PAGE_METHODS
