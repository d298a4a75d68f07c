"""Every page, by the URLconf and by following links; and what of a page's words is not in the reader's language.

A new route joins by itself: its objects come from ``SAMPLE_OF`` in ``tests/conventions/conftest.py``.
"""

import gettext
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from django.urls import Resolver404, resolve
from django.utils import translation

from tests.conventions.routes import Route, routes_for
from tests.conventions.tree import ROOT

MO = ROOT / "locale/fr/LC_MESSAGES/django.mo"
# What stands there is code, the reader's own words, or another language on purpose.
UNSPOKEN = {"code", "kbd", "pre", "samp", "script", "style", "textarea", "option"}
SPOKEN_ATTRIBUTES = ("title", "alt", "placeholder", "aria-label")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
# No page in a browser: an answer of JSON or of a file, and Django's own plumbing of the admin.
NOT_SEEN = {"healthz", "readyz", "metrics", "openapi", "postman_collection", "bruno_collection", "home",
            "api_key_inventory_csv", "docs_receiver", "admin:jsi18n", "admin:autocomplete", "admin:view_on_site",
            "admin:logout", "admin:unnamed /admin/{url}"}  # fmt: skip
# A link with a query is a page of its own; so many of one route are looked at.
MOST_OF_A_ROUTE = 4


def pages(samples: Any, *interfaces: str) -> Iterator[tuple[Route, str]]:
    """Return each route that can be read, with the path of Acme's own objects."""
    others = {"key": "x", "uidb36": "1", "pk": 1, "token": "x" * 43, "app_label": "orgs", "content_type_id": 1,
              "url": "nowhere", "operation_id": "nothing", "file": "receiver.py",
              "object_id": samples.rows["key"].pk}  # fmt: skip
    for route in routes_for(*interfaces):
        if "GET" in route.methods and route.name not in NOT_SEEN:
            values = {"slug": "acme", **samples.real(route)} if route.interface == "page" else others
            yield route, route.at(**values)


def linked(texts: dict[str, str]) -> dict[str, str]:
    """Return the links of pages, given by path, that lead to pages not among them, with where each was found.

    At most a few of each route, so that a list does not become a walk through all its filters.
    """
    seen = Counter(_route_of(path) for path in texts)
    found: dict[str, str] = {}
    for path, text in texts.items():
        for link in PageReader(text).links:
            target = urldefrag(urljoin(path, link)).url
            if urlsplit(target).scheme or urlsplit(target).netloc or target in texts or target in found:
                continue
            route = _route_of(target)
            if route not in NOT_SEEN and seen[route] < MOST_OF_A_ROUTE:
                seen[route] += 1
                found[target] = path
    return found


def _route_of(path: str) -> str:
    try:
        return resolve(urlsplit(path).path).view_name or path
    except Resolver404:
        return path


class PageReader(HTMLParser):
    """The words of a page that a reader sees or hears, and its links."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: set[str] = set()
        self.links: list[str] = []
        self._within: list[tuple[str, bool]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        silent = tag in UNSPOKEN or given.get("translate") == "no" or (tag != "html" and "lang" in given)
        silent = silent or "mono" in str(given.get("class")).split() or bool(self._within and self._within[-1][1])
        if not silent:
            self.words |= {" ".join(str(given[name]).split()) for name in SPOKEN_ATTRIBUTES if given.get(name)}
        if tag not in VOID:
            self._within.append((tag, silent))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if any(tag == opened for opened, _ in self._within):
            while self._within.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not (self._within and self._within[-1][1]):
            self.words.add(" ".join(data.split()))


@cache
def is_untranslated(text: str) -> bool:
    """Tell whether a text on a French page is English that has a French translation.

    Looked up as it stands in all catalogues, Django's and the libraries' too; of the portal's own also with something
    filled in.
    """
    with translation.override("fr"):
        # The second finds the singular of what has a plural, which gettext() of older CPythons does not.
        if translation.gettext(text) != text or translation.ngettext(text, text, 1) != text:
            return True
    return any(pattern.fullmatch(text) for pattern in _patterns())


@cache
def _patterns() -> list[re.Pattern[str]]:
    """The portal's texts with placeholders, as patterns; those that are mostly placeholder would match anything."""
    with MO.open("rb") as file:
        catalogue: dict[Any, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    found = []
    for key, french in catalogue.items():
        english = (key[0] if isinstance(key, tuple) else key).rpartition("\x04")[2]
        pieces = PLACEHOLDER.split(english)
        if len(pieces) > 1 and len(re.findall(r"[^\W\d]{3,}", " ".join(pieces))) > 2 and french != english:
            found.append(re.compile(r".+?".join(re.escape(" ".join(piece.split(" "))) for piece in pieces)))
    return found
