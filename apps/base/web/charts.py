"""Bar geometry of the charts: small charts in 120 × 28 units, stacked charts in percent of their size."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, BAR = 120, 28, 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with the share of it that is errors."""

    x: float
    y: float
    height: float
    error_y: float
    error_height: float


def bar_chart(points: Sequence[tuple[int, int]]) -> list[Bar]:
    """Return a bar for each (count, errors); an empty list where all counts are zero."""
    maximum = max((count for count, _ in points), default=0)
    if maximum == 0:
        return []
    step = (WIDTH - BAR) / max(1, len(points) - 1)
    return [_bar(round(index * step, 1), count, errors, maximum) for index, (count, errors) in enumerate(points)]


def _bar(x: float, count: int, errors: int, maximum: int) -> Bar:
    height = round(max(1.0, count / maximum * HEIGHT), 1) if count else 0
    error_height = round(max(1.0, errors / maximum * HEIGHT), 1) if errors else 0
    return Bar(x, round(HEIGHT - height, 1), height, round(HEIGHT - error_height, 1), error_height)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a stacked bar; ``index``: of which count."""

    index: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One stacked bar, centered in its column."""

    room_x: float
    room_width: float
    x: float
    width: float
    pieces: list[Segment]

    @property
    def middle(self) -> float:
        """The x position of the label below it."""
        return round(self.room_x + self.room_width / 2, 2)


@dataclass(frozen=True, slots=True)
class StackedChart:
    """A chart of stacked bars; ``top``: the value at its upper edge."""

    top: int
    columns: list[Column]


def stacked_chart(points: Sequence[Sequence[int]]) -> StackedChart | None:
    """Return a bar for each point with its counts stacked; None where all counts are zero."""
    maximum = max((sum(counts) for counts in points), default=0)
    if maximum == 0:
        return None
    top, slot_width = _round_up(maximum), 100 / len(points)
    return StackedChart(
        top, [_column(index * slot_width, slot_width, counts, top) for index, counts in enumerate(points)]
    )


def _round_up(number: int) -> int:
    """Return the next round number; even from 2 on, so that half of it can label the axis."""
    if number <= 2:
        return number
    size: int = 10 ** (len(str(number)) - 1)
    return next(step * size for step in (1, 2, 4, 5, 6, 8, 10) if step * size >= number and step * size % 2 == 0)


def _column(x: float, slot_width: float, counts: Sequence[int], top: int) -> Column:
    pieces, below = [], 0.0
    for index, count in enumerate(counts):
        height = max(0.8, count / top * 100) if count else 0
        if height:
            pieces.append(Segment(index, round(max(0.0, 100 - below - height), 2), round(height, 2)))
        below += height
    return Column(
        round(x, 3), round(slot_width, 3), round(x + slot_width * 0.15, 3), round(slot_width * 0.7, 3), pieces
    )
