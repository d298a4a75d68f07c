"""The types by which each operation of the public API is declared, with its request and responses.

``/openapi.json``, the reference, the forms of the browsable API and the snippets are generated from the declarations,
so that all of them have every operation as the view implements it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from apps.base.permissions import Permission
from apps.base.rest.fields import Schema, Timestamp
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer

# In display order.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Paging(StrEnum):
    """The pagination of a list."""

    OFFSET = "offset"
    CURSOR = "cursor"


# The query parameters of each kind of pagination.
PAGE_PARAMETERS: Mapping[Paging, tuple[str, ...]] = {
    Paging.OFFSET: ("limit", "offset", "cursor"),
    Paging.CURSOR: ("limit", "cursor"),
}


@dataclass(frozen=True)
class ResponseSpec:
    """A successful response: its description and the serializer of its body, or of each object of a list (``many``)."""

    text: str
    serializer: type[ResponseSerializer] | None = None
    many: bool = False
    # The media types of a file; empty: JSON.
    media_types: tuple[str, ...] = ()

    @property
    def example(self) -> Any:
        """Return an example of the body."""
        if self.serializer is None:
            return None
        return [self.serializer.example()] if self.many else self.serializer.example()


@dataclass(frozen=True)
class Parameter:
    """A query parameter or a header (``where``), described by a field.

    ``many``: a list of values, separated by commas or repeated; the field is that of one value.
    """

    name: str
    field: Any
    where: str = "query"
    required: bool = False
    many: bool = False

    @property
    def text(self) -> str:
        """The description."""
        return str(self.field.help_text)

    @property
    def schema(self) -> Schema:
        """The schema of one value."""
        schema: Schema = self.field.type_schema(is_body=True)
        return schema

    @property
    def example(self) -> Any:
        """A value to begin with, for parameters that a request cannot do without."""
        return self.field.example() if self.required or self.where == "header" else None


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    ``id`` is the name that client generators give it (OpenAPI 3.1, "operationId"), ``summary`` one line of English for
    the reference. ``body`` is the serializer that the view uses. ``error_codes``: those that
    only some operations return (``AppliesTo.NAMED``).
    """

    id: str
    summary: str
    responses: Mapping[int, ResponseSpec]
    body: type[StrictSerializer] | None = None
    paging: Paging | None = None
    parameters: tuple[Parameter, ...] = ()
    error_codes: tuple[str, ...] = ()
    # Whether a session must have been confirmed within the last 15 minutes, as for the same change on a page.
    step_up: bool = False
    # Further examples of the response, by a name that describes them.
    more_examples: Mapping[str, Any] = field(default_factory=dict)
    # Set by ``serves`` at the view's method.
    permissions: tuple[Permission, ...] = ()
    etag: bool = False
    idempotent: bool = False
    if_match: bool = False
    heavy: bool = False

    @cached_property
    def query_names(self) -> dict[str, bool]:
        """The accepted query parameters, each with whether it can be repeated."""
        paging = PAGE_PARAMETERS[self.paging] if self.paging else ()
        filters = {each.name: each.many for each in self.parameters if each.where == "query"}
        return {**filters, **dict.fromkeys(paging, False)}


def time_range_parameters(of: str) -> tuple[Parameter, ...]:
    """Return the parameters ``since`` and ``until``, which filter ``of`` by time."""
    return (
        Parameter("since", Timestamp(f"Only {of} from this time on; a date is 00:00 UTC of that day.")),
        Parameter("until", Timestamp(f"Only {of} before this time.")),
    )


DELETED = ResponseSpec("It is gone.")
