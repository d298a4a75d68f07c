"""Reading the log for an export step by step, and writing the lines of its file.

Changes come first, in the order of their sequence numbers, because a transaction can commit late with a lower key; then
calls, then deliveries, each by key. The end of each span is fixed at the start, so that the export finishes although
the log grows meanwhile, if only by the export's own request. No transaction is open between two steps.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.utils import translation

from apps.audit.timeline.serialization import write_failure, write_head, write_lines
from apps.audit.timeline.sources import ExportSpan, Filters, Row, chosen_categories, source_of
from apps.base.actor import Actor
from apps.base.timestamps import parse_timestamp

logger = logging.getLogger(__name__)

FIRST_CATEGORY = "change"
INTERRUPTED_MESSAGE = "The export stopped here, before its end: something went wrong on our side. Start it again."


class RemainingSpan(NamedTuple):
    """The remaining span of one category."""

    category: str
    after: str
    up_to: str


def remaining_spans(actor: Actor, filters: Filters) -> list[RemainingSpan]:
    """Return the spans of all current matches, by category."""
    ordered = sorted(chosen_categories(filters), key=lambda name: (name != FIRST_CATEGORY, name))
    spans = [(name, source_of(name).span(actor, filters)) for name in ordered]
    return [RemainingSpan(name, *span) for name, span in spans if span is not None]


def read_step(actor: Actor, filters: Filters, spans: Sequence[RemainingSpan]) -> tuple[list[Row], list[RemainingSpan]]:
    """Take one step; return its rows, possibly none, and the remaining spans."""
    span, *others = spans
    rows, position = source_of(span.category).step(actor, filters, ExportSpan(span.after, span.up_to))
    return rows, others if position == span.up_to else [span._replace(after=position), *others]


def count(actor: Actor, filters: Filters, spans: Sequence[RemainingSpan]) -> int:
    """Count the rows of the spans."""
    return sum(source_of(category).count(actor, filters, ExportSpan(after, up_to)) for category, after, up_to in spans)


def count_current(actor: Actor, filters: Filters, limit: int) -> int:
    """Count current matches, sealed or not, up to slightly more than ``limit``."""
    return sum(source_of(name).count(actor, filters, None, limit + 1) for name in chosen_categories(filters))


def stream(
    actor: Actor, filters: Filters, file_format: str, spans: Sequence[RemainingSpan], request_id: str
) -> Iterator[str]:
    """Yield an export in pieces, in English like the API, with one step in memory at a time.

    An error is reported in the last line as well, because some servers end an aborted response like a complete one.
    """
    yield write_head(file_format)
    left = list(spans)
    try:
        while left:
            with translation.override("en"):
                rows, left = read_step(actor, filters, left)
                piece = write_lines(file_format, rows)
            if piece:
                yield piece
    except Exception:
        logger.exception("an export stopped before its end: request %s", request_id)
        yield write_failure(file_format, f"{INTERRUPTED_MESSAGE} Request id: {request_id}", "internal_error")
        raise


def stored_filters(filters: Filters) -> dict[str, str]:
    """Return the chosen filters as jobs and the log store them, in the format of the query."""
    values: dict[str, Any] = asdict(filters)
    return {
        name: value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in values.items()
        if value
    }


def filters_from(stored: Mapping[str, str]) -> Filters:
    """Return stored filters as ``Filters``."""
    values: dict[str, Any] = dict(stored)
    for name in ("since", "until"):
        if name in stored:
            values[name] = parse_timestamp(name, stored[name])
    return Filters(**values)
