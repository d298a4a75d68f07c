"""Pages of the lists that count: by ``offset`` as ever, and beside a row, so that following ``next`` misses none.

A row that is deleted moves all later ones a place up: whoever goes on by a number then passes over as many. So the
links to the next page, and from there back, hold a cursor.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db.models import QuerySet

from apps.base.errors import Invalid
from apps.base.lists import AFTER, BEFORE, Cursors, Place, beyond, link_to
from apps.base.parameters import page_limit, whole_parameter
from apps.base.requests import ApiRequest

MOST = 1_000_000_000


class Page(NamedTuple):
    """Some rows of a list in its order, how many there are in all, and whether others come before and after them."""

    rows: list[Any]
    total: int
    limit: int
    has_prev: bool
    has_next: bool
    # None: the page was asked for by a cursor.
    offset: int | None

    def links(self, request: ApiRequest, key: Callable[[Any], Any]) -> str:
        """Return the Link header: first, prev, next and last."""
        last = max(0, (self.total - 1) // self.limit * self.limit)
        links = [link_to(request, "first", limit=self.limit, offset=0)]
        if self.has_prev and (self.rows or self.offset is not None):
            links.append(link_to(request, "prev", limit=self.limit, **self._before(request, key, last)))
        if self.has_next and self.rows:
            cursor = Cursors.of_request(request).write(key(self.rows[-1]))
            links.append(link_to(request, "next", limit=self.limit, cursor=cursor))
        links.append(link_to(request, "last", limit=self.limit, offset=last))
        return ", ".join(links)

    def _before(self, request: ApiRequest, key: Callable[[Any], Any], last: int) -> dict[str, Any]:
        if self.offset is not None:
            return {"offset": max(0, min(self.offset - self.limit, last))}
        return {"cursor": Cursors.of_request(request).write(key(self.rows[0]), BEFORE)}


def read_page(request: ApiRequest, rows: QuerySet, column: str) -> Page:
    """Return the page of a list that a request asks for; ``column`` is what the list is ordered by, upward."""
    limit, offset = page_limit(request), whole_parameter(request, "offset", 0, 0, MOST)
    text = request.query_params.get("cursor")
    if text is not None:
        if "offset" in request.query_params:
            raise Invalid.field("cursor", "Send cursor or offset, not both.")
        field = rows.model._meta.pk if column == "pk" else rows.model._meta.get_field(column)
        return _beside(rows, Cursors.of_request(request).read(text, field), column, limit)
    total = rows.count()
    found = list(rows[offset : offset + limit])
    return Page(found, total, limit, offset > 0, offset + limit < total, offset)


def _beside(rows: QuerySet, place: Place, column: str, limit: int) -> Page:
    """Return the page after or before a row, which may be gone by now."""
    is_after = place.side == AFTER
    found = list(beyond(rows, place, column)[: limit + 1])
    has_more, found = len(found) > limit, found[:limit]
    came_from = rows.filter(**{f"{column}__{'lte' if is_after else 'gte'}": place.key}).exists()
    if is_after:
        return Page(found, rows.count(), limit, came_from, has_more, None)
    return Page(found[::-1], rows.count(), limit, has_more, came_from, None)
