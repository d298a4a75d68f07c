"""Lists of the operators' admin over tables of any size: only the newest matches, without a full count.

A list shows 2,000 rows at most (40 pages); a filter scans the newest 10,000. Older rows are found by a search, which
uses an index.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import JSONField, Model, QuerySet, TextField
from django.http import HttpRequest
from django.utils.functional import cached_property

from apps.base.models import Row

MAX_ROWS = 2_000
SCANNED_ROWS = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs alone
    """Paginates the first rows only: counting millions would take longer than reading the page."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most 2,000."""
        rows: Any = self.object_list
        return int(rows[:MAX_ROWS].count())


def limit_to_newest(rows: QuerySet[Row], limit: int) -> QuerySet[Row]:
    """Limit the rows to the newest by primary key, which grows with time (UUID v7, or a counter).

    Later filters and orders then read ``limit`` rows at most, however rare the match.
    """
    edge = list(rows.order_by("-pk").values_list("pk", flat=True)[limit : limit + 1])
    return rows.filter(pk__gt=edge[0]) if edge else rows


class NewestRowsChangeList(ChangeList):
    """A list that searches by an index first, then takes the newest matches, then filters and orders."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the rows of the list, all pages together."""
        everything, query = self.root_queryset, self.query
        found, _repeats = self.model_admin.get_search_results(request, everything, query)
        # Ordering by a column sorts all of them, so the limit is lower.
        is_filtered = bool(self.filter_params) and ORDER_VAR not in self.params
        self.root_queryset, self.query = limit_to_newest(found, SCANNED_ROWS if is_filtered else MAX_ROWS), ""
        try:
            rows = super().get_queryset(request, exclude_parameters)
            return without_long_fields(rows, self.list_display, self.list_select_related)
        finally:
            self.root_queryset, self.query = everything, query


def without_long_fields(rows: QuerySet[Row], shown: Sequence[Any], joined: Any = ()) -> QuerySet[Row]:
    """Defer texts and JSON that are not shown, also of joined rows: one can be 256 KiB."""
    unread = [name for name in long_fields(rows.model) if name not in shown]
    for field in joined if isinstance(joined, tuple) else ():
        related: Any = rows.model._meta.get_field(field).related_model
        unread += [f"{field}__{name}" for name in long_fields(related)]
    return rows.defer(*unread)


def long_fields(model: type[Model]) -> list[str]:
    """Return the names of the fields whose values can be long."""
    return [field.name for field in model._meta.concrete_fields if isinstance(field, (TextField, JSONField))]
