"""The evaluator of queries answers as Prometheus does, and what it does not know it refuses.

The numbers are those of ``promtool test rules`` (2.42) over the same series.
"""

import math
from typing import Any

import pytest
import yaml

from tests.conventions.tree import read
from tests.promql import History, evaluate

pytestmark = pytest.mark.pure


@pytest.fixture(scope="module")
def history() -> History:
    """An hour, scraped once a minute."""
    found = History()
    for minute in range(61):
        restarted = minute * 6 if minute < 30 else (minute - 30) * 6
        lines = [
            f'calls_total{{route="/a",status="200"}} {minute * 60}',
            f'calls_total{{route="/b",status="500"}} {restarted}',
            f"waiting {minute * minute}",
            f'offset{{process="1"}} {-5 if minute > 50 else 0}',
            *(f'took_bucket{{le="{le}"}} {minute * count}' for le, count in (("0.1", 5), ("1", 9), ("+Inf", 10))),
        ]
        found.add(minute * 60.0, "\n".join(("# TYPE calls_total counter", "# TYPE waiting gauge", *lines, "")))
    return found


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("sum(rate(calls_total[5m]))", 1.1),
        ('increase(calls_total{status=~"5.."}[10m])', 60),
        ('increase(calls_total{route="/b"}[1h])', 354),
        ("max(deriv(waiting[10m]))", 110 / 60),
        ("max(abs(offset)) > 3", 5),
        ("min_over_time(max(waiting)[10m:5m])", 2500),
        ("histogram_quantile(0.5, sum by (le) (rate(took_bucket[5m])))", 0.1),
        ("histogram_quantile(0.8, took_bucket)", 0.1 + 0.9 * 3 / 4),
        ("histogram_quantile(0.99, took_bucket)", 1),
        ("time() - max(waiting) * 1 # a comment", 0),
        ("2 + 3 * 4 - 6 / 3", 12),
        ("-max(waiting) + 3600", 0),
        ('sum by (route) (calls_total{route!="/b"}) > 3000 and on () max(waiting) > 1', 3600),
        ('calls_total{route="/a"} / ignoring (status, route) waiting', 1),
        ("count(calls_total) or vector(7)", 2),
        ("absent(nothing)", 1),
        ('max(calls_total{route="/a"}) > bool 4000', 0),
    ],
)
def test_a_query_has_the_value_that_prometheus_gives_it(history: History, query: str, value: float):
    found: Any = evaluate(query, history, 3600.0)
    (only,) = found.values() if isinstance(found, dict) else (found,)
    assert math.isclose(only, value, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("query", ["max(waiting) < 0", "nothing", "rate(nothing[5m])", "waiting unless waiting"])
def test_what_does_not_hold_is_empty(history: History, query: str):
    assert evaluate(query, history, 3600.0) == {}


def test_a_series_that_is_gone_is_no_value_any_more(history: History):
    assert evaluate("waiting", history, 3600 + 299) and not evaluate("waiting", history, 3600 + 301)


@pytest.mark.parametrize("query", ["predict_linear(waiting[1h], 60)", "waiting[5m", "waiting ~ 3", "sum(waiting))", ""])
def test_what_is_not_known_is_refused(history: History, query: str):
    with pytest.raises(ValueError):
        evaluate(query, history, 3600.0)


def test_every_rule_is_understood():
    rules = [rule for group in yaml.safe_load(read("docs/alerts.yml"))["groups"] for rule in group["rules"]]
    assert len(rules) > 20
    for rule in rules:
        assert evaluate(rule["expr"], History(), 0.0) in ({}, 0.0), rule["alert"]
