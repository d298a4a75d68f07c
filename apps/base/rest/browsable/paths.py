"""Links of the browsable API between paths: from an id to its object, to the paths below, and to those above."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from apps.base.rest.fields import Id

ID = re.compile(r"([a-z]+)_[0-9A-Za-z]{22}")
PARAMETER = re.compile(r"\{(\w+)\}")
RELATION = re.compile(r'<([^<>]*)>; rel="(\w+)"')


class Path(NamedTuple):
    """A path of the API, with its parameters in braces, and its view's class."""

    route: str
    view: Any

    def at(self, values: Mapping[str, str]) -> str:
        """Return the path with the parameters filled in."""
        return PARAMETER.sub(lambda match: quote(values[match[1]], safe=""), self.route)

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return PARAMETER.findall(self.route)

    @property
    def is_readable(self) -> bool:
        """Whether it has a page for members: a GET that they may send."""
        return "GET" in self.view.operations and "user" in self.view.callers

    @property
    def resource(self) -> str:
        """The first segment under ``/v1``."""
        return self.route.split("/")[2]


@cache
def every_path() -> tuple[Path, ...]:
    """Return all paths of the API reference, in its order."""
    routes = import_string(f"{settings.ROOT_URLCONF}.documented")
    return tuple(Path(each.callback.view_initkwargs["route"], each.callback.view_class) for each in routes)


@cache
def paths_by_route() -> dict[str, Path]:
    """Return the paths of the API reference by route."""
    return {path.route: path for path in every_path()}


@cache
def _object_paths() -> dict[str, Path]:
    """Return the path of an object by the prefix of its id, from the response schemas of the path or its list."""
    found: dict[str, Path] = {}
    for path in every_path():
        above, _slash, last = path.route.rpartition("/")
        if not PARAMETER.fullmatch(last) or "user" not in path.view.callers:
            continue
        for reader in (path, paths_by_route().get(above)):
            prefix = _id_prefix_of(reader.view) if reader else ""
            if prefix:
                found.setdefault(prefix, path)
    return found


def _id_prefix_of(view: Any) -> str:
    reading = view.operations.get("GET")
    for response in reading.responses.values() if reading else ():
        own = response.serializer and response.serializer._declared_fields.get("id")
        if isinstance(own, Id):
            return own.prefix
    return ""


def object_path(text: str, current_route: str, values: Mapping[str, str]) -> str:
    """Return the path of the object with an id, or an empty text.

    A nested object (an activation of a key) has a path only on pages of its parent: ``current_route`` and ``values``
    are the page's route and its parameters.
    """
    match = ID.fullmatch(text)
    path = _object_paths().get(match[1]) if match else None
    if path is None:
        return ""
    *outer, own = path.names
    if outer and not (path.route.startswith(current_route) and set(outer) <= set(values)):
        return ""
    return path.at({**values, own: text})


def paths_below(current_route: str) -> Iterator[Path]:
    """Return the paths that are one literal segment below a route: actions and sub-resources."""
    for path in every_path():
        rest = path.route.removeprefix(f"{current_route.rstrip('/')}/")
        if rest != path.route and "/" not in rest and not PARAMETER.match(rest):
            yield path


def breadcrumbs(path: str, current_route: str) -> list[tuple[str, str]]:
    """Return the breadcrumbs of a path: its parent segments, each with a path, or an empty one where it has no GET."""
    segments, route_segments = path.strip("/").split("/"), current_route.strip("/").split("/")
    readable = {each.route for each in every_path() if "GET" in each.view.operations}
    found = [("v1", "/v1/")]
    for count in range(2, min(len(segments), len(route_segments))):
        url = "/" + "/".join(segments[:count]) if "/" + "/".join(route_segments[:count]) in readable else ""
        found.append((segments[count - 1], url))
    return found


def with_organization(path: str, slug: str) -> str:
    """Return a path with the page's organization in the query string, where that names one."""
    return f"{path}?{urlencode({'organization': slug})}" if path and slug else path


def page_links(link: str) -> list[tuple[str, str]]:
    """Return the links of a Link header as pairs of relation and path."""
    pairs = []
    for address, relation in RELATION.findall(link):
        parts = urlsplit(address)
        pairs.append((relation, f"{parts.path}?{parts.query}"))
    return pairs
