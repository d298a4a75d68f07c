"""Bars for the pages' small charts, in the 120 × 28 units of ``components/sparkline.html``."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, BAR = 120, 28, 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with the part of it that were errors."""

    x: float
    y: float
    height: float
    error_y: float
    error_height: float


def bars(points: Sequence[tuple[int, int]]) -> list[Bar]:
    """This will return a bar for each (count, errors); an empty chart for nothing but zeros."""
    most = max((count for count, _ in points), default=0)
    if most == 0:
        return []
    step = (WIDTH - BAR) / max(1, len(points) - 1)
    return [_bar(round(index * step, 1), count, errors, most) for index, (count, errors) in enumerate(points)]


def _bar(x: float, count: int, errors: int, most: int) -> Bar:
    height = round(max(1.0, count / most * HEIGHT), 1) if count else 0
    error_height = round(max(1.0, errors / most * HEIGHT), 1) if errors else 0
    return Bar(x, round(HEIGHT - height, 1), height, round(HEIGHT - error_height, 1), error_height)
