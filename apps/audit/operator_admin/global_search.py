"""The search on the operators' start page, over all tables.

An admin page is searched if it sets ``found_by``, its readings as described in ``list_search``.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.contrib.admin import site
from django.db.models import Model
from django.utils.text import capfirst

from apps.audit.operator_admin.list_search import search
from apps.audit.operator_admin.newest_rows import without_long_fields
from apps.audit.operator_admin.panels import Panel, change_url, changelist_url, table

MAX_ROWS_PER_KIND = 10


class SearchResults(NamedTuple):
    """A table for each kind of row found and, if there is exactly one row, the URL of its page."""

    panels: Sequence[Panel]
    only: str = ""


def find(text: str) -> SearchResults:
    """Return the rows that match an id, the first characters of a key, a slug or an address."""
    kinds = [(page, rows) for page, rows in _searched(text) if rows]
    panels = [_panel(page, rows, text) for page, rows in kinds]
    if sum(len(rows) for _page, rows in kinds) == 1:
        return SearchResults(panels, change_url(kinds[0][1][0]))
    return SearchResults(panels)


def _searched(text: str) -> Iterable[tuple[Any, list[Model]]]:
    for model, page in site._registry.items():
        readings = getattr(page, "found_by", ())
        if readings:
            found = search(model._default_manager.order_by("-pk"), readings, text)
            joined: Any = page.list_select_related or ()
            shown = without_long_fields(found.select_related(*joined), columns_of(page), joined)
            yield page, list(shown[: MAX_ROWS_PER_KIND + 1])


def columns_of(page: Any) -> Sequence[str]:
    """Return the columns of a page's rows outside of its own list."""
    columns: Sequence[str] = page.found_columns or page.list_display
    return columns


def _panel(page: Any, rows: list[Model], text: str) -> Panel:
    # The list supports every reading of this search.
    more = changelist_url(page.model, text) if len(rows) > MAX_ROWS_PER_KIND else ""
    return table(capfirst(page.opts.verbose_name_plural), rows[:MAX_ROWS_PER_KIND], columns_of(page), more_url=more)
