"""The type of the parts of an organization's data export; ``orgs/data_export.py`` lists them.

A part is a file of the archive: a function ``(actor) -> iterable of objects``, one line of JSON each. It reads in
batches and contains no secret.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from apps.base.actor import Actor

BATCH = 500
ExportProvider = Callable[[Actor], Iterable[dict[str, Any]]]


def iterate_in_batches(rows: QuerySet[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """Yield the rows in batches of ``size``, ordered by key, so that memory does not grow with their number."""
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size]) if len(batch) == size else []
