"""The parts of a copy of all data of an organization: each app names its own in ``AppConfig.ready``.

A part is a file of the archive: the dotted name of a function ``(actor) -> iterable of objects``, one line of JSON
each. It reads in batches, holds no secret, and is resolved at its first use.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db.models import QuerySet
from django.utils.module_loading import import_string

from apps.base.actor import Actor

BATCH = 500
Part = Callable[[Actor], Iterable[dict[str, Any]]]

_registered: dict[str, str] = {}


def register(file_name: str, dotted_path: str) -> None:
    """This will add a file; the same name for another function is a mistake."""
    if _registered.setdefault(file_name, dotted_path) != dotted_path:
        raise ValueError(f"two parts of the archive with the name {file_name}")


def parts() -> list[tuple[str, Part]]:
    """This will return every file with its function, in the order of registration."""
    return [(name, import_string(path)) for name, path in _registered.items()]


def in_batches(rows: QuerySet[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """This will read rows by their key, so many at a time: memory stays the same however many there are."""
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size]) if len(batch) == size else []
