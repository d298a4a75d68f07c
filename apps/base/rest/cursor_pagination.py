"""Pagination of lists: cursors, offsets, and the links to other pages.

A cursor names the row after which a page starts, so that rows added or deleted meanwhile shift nothing. It begins with
an HMAC over its list, organization and filters, and is valid for these only.

Lists with a total also take ``offset``. A deleted row shifts all later offsets, so that a client which adds up offsets
would skip rows: links to the next page, and from there back, therefore have a cursor.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Field, QuerySet
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.base.errors import Invalid
from apps.base.models import Row
from apps.base.requests import ApiRequest
from apps.base.rest.query_parameters import integer_parameter, page_limit
from apps.base.rest.renderers import to_json
from apps.base.text.redaction import hide_keys

AFTER, BEFORE = ">", "<"
MAC_LENGTH = 22
MAX_OFFSET = 1_000_000_000
# Parameters that do not filter: they choose a page of the list; the organization is the actor's.
NOT_FILTERS = ("limit", "offset", "cursor", "organization")
NOT_OF_THIS_LIST = "cursor belongs to another list, organization or filters. Start from the first page, without cursor."


class PagePosition(NamedTuple):
    """The start of a page: after or before the row with this key, in the order of the list."""

    key: Any
    side: str = AFTER


class Cursors(NamedTuple):
    """The cursors of one list of one organization with certain filters."""

    scope: str

    @classmethod
    def of(cls, name: str, organization_id: Any, filters: Iterable[tuple[str, str]] = ()) -> "Cursors":
        """Return the cursors of a list by its name."""
        return cls(to_json([name, str(organization_id), sorted(filters)]))

    @classmethod
    def of_request(cls, request: ApiRequest) -> "Cursors":
        """Return the cursors of the list that a request reads."""
        given = request.query_params.lists()
        filters = [
            (name, word) for name, texts in given if name not in NOT_FILTERS for word in ",".join(texts).split(",")
        ]
        return cls.of(request._request.path.rstrip("/"), request.actor.organization_id, set(filters))

    def write(self, key: Any, side: str = AFTER) -> str:
        """Return the cursor that starts after (or before) the row with the key."""
        text = f"{side}{key}"
        return self._mac(text) + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def read(self, cursor: str, field: "Field[Any, Any]") -> PagePosition:
        """Return the position of a cursor of this list, its key as a value of ``field``; or raise Invalid."""
        mac, code = cursor[:MAC_LENGTH], cursor[MAC_LENGTH:]
        try:
            text = base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_", validate=True).decode()
            if text and constant_time_compare(mac, self._mac(text)):
                return PagePosition(field.to_python(text[1:]), text[0])
        except (binascii.Error, ValueError, ValidationError):
            pass
        raise Invalid.field("cursor", NOT_OF_THIS_LIST)

    def _mac(self, text: str) -> str:
        digest = salted_hmac("apps.base.lists.Cursors", f"{self.scope}\n{text}", algorithm="sha256").digest()
        return base64.urlsafe_b64encode(digest).decode()[:MAC_LENGTH]


def rows_after(rows: QuerySet[Row], position: PagePosition, column: str) -> QuerySet[Row]:
    """Return the rows on that side of a position, nearest first; ``column`` orders the list, with ``-`` descending."""
    name, is_ascending = column.removeprefix("-"), column.startswith("-") == (position.side == BEFORE)
    return rows.filter(**{f"{name}__{'gt' if is_ascending else 'lt'}": position.key}).order_by(
        name if is_ascending else f"-{name}"
    )


def link_to(request: ApiRequest, relation: str, **changed: Any) -> str:
    """Return one entry of the Link header (RFC 8288): another page of this list."""
    # A key sent in the query string by mistake must not be repeated in a header.
    parameters = [
        (name, text)
        for name, texts in request.query_params.lists()
        for text in texts
        if name not in ("limit", "offset", "cursor") and hide_keys(name + text) == name + text
    ]
    return (
        f'<{settings.PUBLIC_URL}{request._request.path}?{urlencode([*parameters, *changed.items()])}>; rel="{relation}"'
    )


class Page(NamedTuple):
    """Rows of a list in its order, the total, and whether there are rows before and after them."""

    rows: list[Any]
    total: int
    limit: int
    has_prev: bool
    has_next: bool
    # None: the request has a cursor.
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


def read_page(request: ApiRequest, rows: QuerySet[Any], column: str) -> Page:
    """Return the requested page of a list; ``column`` is what the list is ordered by, ascending."""
    limit, offset = page_limit(request), integer_parameter(request, "offset", 0, 0, MAX_OFFSET)
    text = request.query_params.get("cursor")
    if text is not None:
        if "offset" in request.query_params:
            raise Invalid.field("cursor", "Send cursor or offset, not both.")
        field = rows.model._meta.pk if column == "pk" else rows.model._meta.get_field(column)
        return _page_at(rows, Cursors.of_request(request).read(text, field), column, limit)
    total = rows.count()
    found = list(rows[offset : offset + limit])
    return Page(found, total, limit, offset > 0, offset + limit < total, offset)


def _page_at(rows: QuerySet[Any], position: PagePosition, column: str, limit: int) -> Page:
    """Return the page after or before a row, which can be deleted by now."""
    is_after = position.side == AFTER
    found = list(rows_after(rows, position, column)[: limit + 1])
    has_more, found = len(found) > limit, found[:limit]
    has_rows_behind = rows.filter(**{f"{column}__{'lte' if is_after else 'gte'}": position.key}).exists()
    if is_after:
        return Page(found, rows.count(), limit, has_rows_behind, has_more, None)
    return Page(found[::-1], rows.count(), limit, has_more, has_rows_behind, None)
