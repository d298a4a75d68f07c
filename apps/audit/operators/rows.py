"""Lists of the operators' admin over tables of any size: the newest 10,000 rows that a search finds, and no count."""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST_ROWS = 10_000


class NewestRows(Paginator):
    """Pages over the first rows only: counting millions would take longer than reading the page."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most 10,000."""
        return self.object_list[:MOST_ROWS].count()  # type: ignore[attr-defined]  # a slice of rows is rows


def newest(rows: QuerySet) -> QuerySet:
    """This will keep the newest 10,000 rows, by the primary key: it grows with time (UUID v7, or a counter).

    What filters and orders them afterwards reads so many rows at most, however rare the match.
    """
    edge = list(rows.order_by("-pk").values_list("pk", flat=True)[MOST_ROWS : MOST_ROWS + 1])
    return rows.filter(pk__gt=edge[0]) if edge else rows


class SomeRows(ChangeList):
    """A list that searches first, by an index, then takes the newest of what was found, then filters and orders."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        """This will return the rows of the list, all pages together."""
        everything, asked = self.root_queryset, self.query
        found, _repeats = self.model_admin.get_search_results(request, everything, asked)
        self.root_queryset, self.query = newest(found), ""
        try:
            return super().get_queryset(request, exclude_parameters)
        finally:
            self.root_queryset, self.query = everything, asked
