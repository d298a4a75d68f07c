"""As much of PromQL as rules and dashboards of the portal use, over scrapes that a test made itself.

Semantics are those of Prometheus 2.42 (a look back of five minutes, counter resets, extrapolation of ``rate``): what is
not known here raises, so that no query passes because it was not understood. Longer than 300 lines because a query is
read and answered in one place.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

LOOK_BACK_SECONDS = 300.0
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
TOKEN = re.compile(
    r"""\s*(?:\#[^\n]*\s*)*(?:
      (?P<duration>\[[^\]]*\]) | (?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?) | (?P<text>"(?:[^"\\]|\\.)*"|'[^']*')
      | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*) | (?P<sign>=~|!~|==|!=|<=|>=|[-+*/%^<>(){},=])
    )""",
    re.VERBOSE,
)
Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
SUMS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "%": math.fmod,
    "/": lambda a, b: a / b if b else math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a),
}  # fmt: skip
AGGREGATIONS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum, "min": min, "max": max, "count": len, "avg": lambda values: sum(values) / len(values),
}  # fmt: skip


class Ranges(dict[Labels, list[tuple[float, float]]]):
    """The values of a time before a moment, by series, and how long that time is."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def seconds_of(text: str) -> float:
    """Return a duration such as 5m or 1h30m."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", text)
    if not parts or "".join(map("".join, parts)) != text:
        raise ValueError(f"no duration: {text}")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


@dataclass
class History:
    """What was scraped, and when: by name, labels without the name, and time."""

    scrapes: list[tuple[float, dict[str, Vector]]] = field(default_factory=list)

    def add(self, at: float, text: str) -> dict[str, Vector]:
        """Keep one scrape, and return it."""
        found: dict[str, Vector] = {}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                found.setdefault(each.name, {})[tuple(sorted(each.labels.items()))] = each.value
        self.scrapes.append((at, found))
        return found

    def names(self) -> set[str]:
        """Return every name that was ever scraped."""
        return {name for _at, found in self.scrapes for name in found}

    def at(self, name: str, fits: Callable[[Labels], bool], moment: float) -> Vector:
        """Return the values of a moment."""
        past = [found for at, found in self.scrapes if moment - LOOK_BACK_SECONDS < at <= moment]
        return {labels: value for labels, value in past[-1].get(name, {}).items() if fits(labels)} if past else {}

    def within(self, name: str, fits: Callable[[Labels], bool], moment: float, seconds: float) -> Ranges:
        """Return the values of the time before a moment."""
        found = Ranges(seconds)
        for at, scraped in self.scrapes:
            if moment - seconds <= at <= moment:
                for labels, value in scraped.get(name, {}).items():
                    if fits(labels):
                        found.setdefault(labels, []).append((at, value))
        return found


def evaluate(expression: str, history: History, moment: float) -> Any:
    """Return what a query says of a moment: a number, or a vector; empty where an alert does not fire."""
    return _Parser(expression).whole()(history, moment)


def names_in(expression: str) -> set[str]:
    """Return the names of the metrics that a query asks for."""
    parser = _Parser(expression)
    parser.whole()
    return parser.names


Node = Callable[[History, float], Any]


class _Parser:
    """Makes a function of a query; each method takes what binds more tightly than the last."""

    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self._tokens: list[tuple[str, str]] = []
        position, text = 0, re.sub(r"#[^\n]*", "", text).strip()
        while position < len(text):
            found = TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise ValueError(f"not understood: {text[position:]}")
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        self._at = 0

    def whole(self) -> Node:
        node = self._or()
        if self._at < len(self._tokens):
            raise ValueError(f"not understood: {self._tokens[self._at :]}")
        return node

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        word = self._peek()
        if not word or (wanted and word != wanted):
            raise ValueError(f"{wanted or 'more'} is wanted, not {word!r}")
        self._at += 1
        return word

    def _or(self) -> Node:
        node = self._and()
        while self._peek() == "or":
            self._take()
            node = partial(_either, node, self._and())
        return node

    def _and(self) -> Node:
        node = self._comparison()
        while self._peek() in ("and", "unless"):
            word = self._take()
            node = partial(_both, word == "and", self._matching(), node, self._comparison())
        return node

    def _comparison(self) -> Node:
        node = self._sum()
        while self._peek() in COMPARISONS:
            sign = self._take()
            is_bool = self._peek() == "bool" and bool(self._take())
            node = partial(_compare, COMPARISONS[sign], is_bool, self._matching(), node, self._sum())
        return node

    def _sum(self) -> Node:
        node = self._product()
        while self._peek() in ("+", "-"):
            node = partial(_calculate, SUMS[self._take()], self._matching(), node, self._product())
        return node

    def _product(self) -> Node:
        node = self._unary()
        while self._peek() in ("*", "/", "%"):
            node = partial(_calculate, SUMS[self._take()], self._matching(), node, self._unary())
        return node

    def _matching(self) -> Callable[[Labels], Labels]:
        """Read on (…) or ignoring (…): what two series must have in common."""
        if self._peek() not in ("on", "ignoring"):
            return lambda labels: labels
        word, names = self._take(), self._words()
        return partial(_kept, names, word == "on")

    def _unary(self) -> Node:
        if self._peek() == "-":
            self._take()
            return partial(_calculate, SUMS["-"], lambda labels: labels, lambda _history, _moment: 0.0, self._unary())
        node = self._primary()
        if self._kind() == "duration" and ":" in self._peek():
            length, _colon, step = self._take()[1:-1].partition(":")
            node = partial(_subquery, node, seconds_of(length), seconds_of(step) if step else 60.0)
        return node

    def _primary(self) -> Node:
        if self._peek() == "(":
            self._take()
            node = self._or()
            self._take(")")
            return node
        kind, word = self._kind(), self._take()
        if kind == "number":
            return lambda _history, _moment: float(word)
        if kind != "word":
            raise ValueError(f"not understood: {word}")
        if word in AGGREGATIONS or word in ("topk", "bottomk"):
            return self._aggregation(word)
        if self._peek() == "(":
            return self._function(word)
        return self._selector(word)

    def _words(self) -> set[str]:
        self._take("(")
        words = set()
        while self._peek() != ")":
            words.add(self._take())
            if self._peek() == ",":
                self._take()
        self._take(")")
        return words

    def _aggregation(self, word: str) -> Node:
        by = self._by()
        arguments = self._arguments()
        by = by or self._by() or (True, set())
        if word in ("topk", "bottomk"):
            return partial(_top, word == "topk", arguments[0], arguments[1])
        return partial(_aggregate, AGGREGATIONS[word], by, arguments[0])

    def _by(self) -> tuple[bool, set[str]] | None:
        return (self._take() == "by", self._words()) if self._peek() in ("by", "without") else None

    def _arguments(self) -> list[Node]:
        self._take("(")
        found = []
        while self._peek() != ")":
            found.append(self._or())
            if self._peek() == ",":
                self._take()
        self._take(")")
        return found

    def _function(self, word: str) -> Node:
        if word not in FUNCTIONS:
            raise ValueError(f"no such function here: {word}")
        arguments = self._arguments()
        return lambda history, moment: FUNCTIONS[word](moment, *(each(history, moment) for each in arguments))

    def _selector(self, name: str) -> Node:
        self.names.add(name)
        matchers = self._matchers() if self._peek() == "{" else []
        fits = partial(_fits, matchers)
        if self._kind() == "duration" and ":" not in self._peek():
            seconds = seconds_of(self._take()[1:-1])
            return lambda history, moment: history.within(name, fits, moment, seconds)
        return lambda history, moment: history.at(name, fits, moment)

    def _matchers(self) -> list[tuple[str, str, str]]:
        self._take("{")
        found = []
        while self._peek() != "}":
            found.append((self._take(), self._take(), self._take()[1:-1]))
            if self._peek() == ",":
                self._take()
        self._take("}")
        return found


def _fits(matchers: Iterable[tuple[str, str, str]], labels: Labels) -> bool:
    values = dict(labels)
    for name, sign, wanted in matchers:
        value = values.get(name, "")
        is_like = re.fullmatch(wanted, value) is not None if "~" in sign else value == wanted
        if is_like != (sign in ("=", "=~")):
            return False
    return True


def _kept(names: set[str], are_kept: bool, labels: Labels) -> Labels:
    return tuple(pair for pair in labels if (pair[0] in names) == are_kept)


def _either(left: Node, right: Node, history: History, moment: float) -> Vector:
    first = left(history, moment)
    return {**right(history, moment), **first}


def _both(wanted: bool, match: Any, left: Node, right: Node, history: History, moment: float) -> Vector:
    others = {match(labels) for labels in right(history, moment)}
    return {labels: value for labels, value in left(history, moment).items() if (match(labels) in others) == wanted}


def _pairs(match: Any, left: Any, right: Any) -> Iterable[tuple[Labels, float, float]]:
    if isinstance(right, float):
        return [(labels, value, right) for labels, value in left.items()]
    if isinstance(left, float):
        return [(labels, left, value) for labels, value in right.items()]
    others = {match(labels): value for labels, value in right.items()}
    if len(others) < len(right):
        raise ValueError("many series on the right fit one on the left")
    return [(match(each), value, others[match(each)]) for each, value in left.items() if match(each) in others]


def _compare(
    holds: Any, is_bool: bool, match: Any, left: Node, right: Node, history: History, moment: float
) -> Vector | float:
    first, second = left(history, moment), right(history, moment)
    if isinstance(first, float) and isinstance(second, float):
        return float(holds(first, second))
    pairs = _pairs(match, first, second)
    if is_bool:
        return {labels: float(holds(one, other)) for labels, one, other in pairs}
    of_right = isinstance(first, float)
    return {labels: other if of_right else one for labels, one, other in pairs if holds(one, other)}


def _calculate(sign: Any, match: Any, left: Node, right: Node, history: History, moment: float) -> Vector | float:
    first, second = left(history, moment), right(history, moment)
    if isinstance(first, float) and isinstance(second, float):
        return sign(first, second)
    return {labels: sign(one, other) for labels, one, other in _pairs(match, first, second)}


def _aggregate(what: Any, by: tuple[bool, set[str]], node: Node, history: History, moment: float) -> Vector:
    groups: dict[Labels, list[float]] = {}
    for labels, value in node(history, moment).items():
        groups.setdefault(_kept(by[1], by[0], labels), []).append(value)
    return {labels: float(what(values)) for labels, values in groups.items()}


def _top(is_top: bool, count: Node, node: Node, history: History, moment: float) -> Vector:
    found = sorted(node(history, moment).items(), key=lambda pair: pair[1], reverse=is_top)
    return dict(found[: int(count(history, moment))])


def _subquery(node: Node, length: float, step: float, history: History, moment: float) -> Ranges:
    found = Ranges(length)
    at = math.floor(moment / step) * step
    while at >= moment - length:
        for labels, value in node(history, at).items():
            found.setdefault(labels, []).insert(0, (at, value))
        at -= step
    return found


# Functions: of a moment, and what their arguments came to


def _increase(values: list[tuple[float, float]], moment: float, seconds: float) -> float:
    """Return by how much a counter rose, extrapolated to the edges as Prometheus does."""
    rise = sum(b - a if b >= a else b for (_t, a), (_u, b) in zip(values, values[1:], strict=False))
    (first_at, first), (last_at, _last) = values[0], values[-1]
    sampled = last_at - first_at
    usual = sampled / (len(values) - 1)
    before, after = first_at - (moment - seconds), moment - last_at
    if rise > 0 and first >= 0:
        before = min(before, sampled * first / rise)
    sampled_to = sampled + sum(each if each < usual * 1.1 else usual / 2 for each in (before, after))
    return rise * sampled_to / sampled


def _rise(per_second: bool) -> Callable[..., Vector]:
    def function(moment: float, ranges: Ranges) -> Vector:
        part = 1 / ranges.seconds if per_second else 1.0
        return {
            labels: _increase(values, moment, ranges.seconds) * part
            for labels, values in ranges.items()
            if len(values) > 1
        }

    return function


def _of_ranges(what: Callable[[list[tuple[float, float]]], float], least: int) -> Callable[..., Vector]:
    def function(_moment: float, ranges: Ranges) -> Vector:
        return {labels: what(values) for labels, values in ranges.items() if len(values) >= least}

    return function


def _slope(values: list[tuple[float, float]]) -> float:
    middle = sum(at for at, _value in values) / len(values)
    mean = sum(value for _at, value in values) / len(values)
    spread = sum((at - middle) ** 2 for at, _value in values)
    return sum((at - middle) * (value - mean) for at, value in values) / spread


def _quantile(_moment: float, wanted: float, buckets: Vector) -> Vector:
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in buckets.items():
        bound = dict(labels)["le"]
        groups.setdefault(_kept({"le"}, False, labels), []).append((float(bound), value))
    return {labels: _quantile_of(wanted, sorted(pairs)) for labels, pairs in groups.items()}


def _quantile_of(wanted: float, pairs: list[tuple[float, float]]) -> float:
    total = pairs[-1][1]
    if len(pairs) < 2 or not total or math.isnan(total) or not math.isinf(pairs[-1][0]):
        return math.nan
    rank = wanted * total
    index = next(number for number, (_bound, count) in enumerate(pairs) if count >= rank)
    if index == len(pairs) - 1:
        return pairs[-2][0]
    low, under = pairs[index - 1] if index else (0.0, 0.0)
    return low + (pairs[index][0] - low) * (rank - under) / (pairs[index][1] - under)


def _each(what: Callable[[float], float]) -> Callable[..., Any]:
    return lambda _moment, vector: {labels: what(value) for labels, value in vector.items()}


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _each(abs),
    "time": lambda moment: float(moment),
    "vector": lambda _moment, value: {(): value},
    "scalar": lambda _moment, vector: next(iter(vector.values())) if len(vector) == 1 else math.nan,
    "absent": lambda _moment, vector: {} if vector else {(): 1.0},
    "clamp_min": lambda _moment, vector, low: {labels: max(value, low) for labels, value in vector.items()},
    "increase": _rise(per_second=False),
    "rate": _rise(per_second=True),
    "deriv": _of_ranges(_slope, 2),
    "min_over_time": _of_ranges(lambda values: min(value for _at, value in values), 1),
    "max_over_time": _of_ranges(lambda values: max(value for _at, value in values), 1),
    "avg_over_time": _of_ranges(lambda values: sum(value for _at, value in values) / len(values), 1),
    "histogram_quantile": _quantile,
}
