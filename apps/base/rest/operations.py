"""What each operation of the public API takes and answers, said once beside its view.

``/openapi.json``, the reference, the forms of the browsable API and the snippets are made from these, so that a new
operation is in all of them and none can say what the view does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from apps.base.permissions import Permission
from apps.base.rest.serializers import StrictSerializer
from apps.base.rest.shapes import Schema, Shape

# In the order in which they are shown.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Paging(StrEnum):
    """How a list is read page by page."""

    OFFSET = "offset"
    CURSOR = "cursor"


# The parameters of a list that is read page by page.
PAGE_PARAMETERS: Mapping[Paging, tuple[str, ...]] = {
    Paging.OFFSET: ("limit", "offset", "cursor"),
    Paging.CURSOR: ("limit", "cursor"),
}


@dataclass(frozen=True)
class ResponseSpec:
    """A good answer: what it means, and its body. ``shape`` None: there is no body."""

    text: str
    shape: Shape | None = None
    many: bool = False
    # Other than JSON: the media types of a file.
    media_types: tuple[str, ...] = ()

    @property
    def example(self) -> Any:
        """Return an example of the body."""
        if self.shape is None:
            return None
        return [self.shape.example] if self.many else self.shape.example


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query string, or a header (``where``).

    ``many``: it lists values, by commas or by repeats; ``schema`` is that of one of them.
    """

    name: str
    text: str
    schema: Schema
    where: str = "query"
    required: bool = False
    example: Any = None
    many: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    ``id`` is the name that generators of clients give it (OpenAPI 3.1, "operationId"), ``summary`` what it does, in one
    line of English for the reference. ``body`` is the serializer that the view reads, ``example`` a body that it takes.
    ``error_codes`` names error codes beyond those of the door.
    """

    id: str
    summary: str
    responses: Mapping[int, ResponseSpec]
    body: type[StrictSerializer] | None = None
    example: Mapping[str, Any] | None = None
    paging: Paging | None = None
    parameters: tuple[Parameter, ...] = ()
    error_codes: tuple[str, ...] = ()
    # Whether a session must have been confirmed within the last 15 minutes, as the pages ask for the same.
    step_up: bool = False
    # Answers other than the usual one, by a name that says which.
    more_examples: Mapping[str, Any] = field(default_factory=dict)
    # What ``serves`` says where the view's method is.
    needs: tuple[Permission, ...] = ()
    etag: bool = False
    idempotent: bool = False
    if_match: bool = False
    heavy: bool = False

    @cached_property
    def query_names(self) -> dict[str, bool]:
        """The parameters that the query string may hold, each with whether it may be sent more than once."""
        of_pages = PAGE_PARAMETERS[self.paging] if self.paging else ()
        own = {each.name: each.many for each in self.parameters if each.where == "query"}
        return {**own, **dict.fromkeys(of_pages, False)}


def time_range_parameters(of: str) -> tuple[Parameter, ...]:
    """Return ``since`` and ``until``, which choose ``of`` by time."""
    return (
        Parameter("since", f"Only {of} from this moment on; a date is 00:00 UTC of that day.", TIMESTAMP),
        Parameter("until", f"Only {of} before this moment.", TIMESTAMP),
    )


# RFC 3339, or a date. No format: a date alone is taken, too.
TIMESTAMP: Schema = {"type": "string", "maxLength": 40, "examples": ["2026-11-22T10:00:00Z", "2026-11-22"]}
DELETED = ResponseSpec("It is gone.")
