"""Walking the log for an export: what matched when it began, a step at a time, and the lines that come of it.

Changes first, in the order of their sequence numbers, for a transaction may commit late with a lower key; then calls,
then deliveries, each by key. Where each walk ends is fixed when it begins, so that a log that grows meanwhile, by the
export's own call for one, does not keep it from ending. No transaction is open between two steps.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.utils import translation

from apps.audit.timeline.serialization import write_failure, write_head, write_lines
from apps.audit.timeline.sources import Filters, Row, Span, chosen_categories, source_of
from apps.base.actor import Actor
from apps.base.timestamps import parse_timestamp

logger = logging.getLogger(__name__)

FIRST = "change"
STOPPED = "The export stopped here, before its end: something went wrong on our side. Start it again."


class Leg(NamedTuple):
    """What is left to walk of one category."""

    category: str
    after: str
    upto: str


def begin(actor: Actor, filters: Filters) -> list[Leg]:
    """Return the walk over all that matches now, category by category."""
    ordered = sorted(chosen_categories(filters), key=lambda name: (name != FIRST, name))
    spans = [(name, source_of(name).span(actor, filters)) for name in ordered]
    return [Leg(name, *span) for name, span in spans if span is not None]


def advance(actor: Actor, filters: Filters, legs: Sequence[Leg]) -> tuple[list[Row], list[Leg]]:
    """Take one step and return its rows, none for a step without a match, and what is then left."""
    leg, *others = legs
    rows, place = source_of(leg.category).step(actor, filters, Span(leg.after, leg.upto))
    return rows, others if place == leg.upto else [leg._replace(after=place), *others]


def count(actor: Actor, filters: Filters, legs: Sequence[Leg]) -> int:
    """Count the rows of a walk."""
    spans = {leg.category: Span(leg.after, leg.upto) for leg in legs}
    return sum(source_of(name).count(actor, filters, span) for name, span in spans.items())


def count_now(actor: Actor, filters: Filters, most: int) -> int:
    """Count what matches now, sealed or not, at most a little over ``most``."""
    return sum(source_of(name).count(actor, filters, None, most + 1) for name in chosen_categories(filters))


def stream(actor: Actor, filters: Filters, file_format: str, legs: Sequence[Leg], request_id: str) -> Iterator[str]:
    """Write an export in pieces, in English as all of the API, with the memory of one step.

    An error ends it visibly: the last line says so, for there are servers that end such an answer as if it were whole.
    """
    yield write_head(file_format)
    left = list(legs)
    try:
        while left:
            with translation.override("en"):
                rows, left = advance(actor, filters, left)
                piece = write_lines(file_format, rows)
            if piece:
                yield piece
    except Exception:
        logger.exception("an export stopped before its end: request %s", request_id)
        yield write_failure(file_format, f"{STOPPED} Request id: {request_id}", "internal_error")
        raise


def stored_filters(filters: Filters) -> dict[str, str]:
    """Write filters as a job and the log keep them: those that were given, as in the query."""
    values: dict[str, Any] = asdict(filters)
    return {
        name: value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in values.items()
        if value
    }


def filters_from(stored: Mapping[str, str]) -> Filters:
    """Read filters that were stored."""
    values: dict[str, Any] = dict(stored)
    for name in ("since", "until"):
        if name in stored:
            values[name] = parse_timestamp(name, stored[name])
    return Filters(**values)
