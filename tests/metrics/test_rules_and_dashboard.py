"""The alert rules and the dashboard ask for what a real answer of ``/metrics`` has, and say what can be shown."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml
from django.test import Client

from tests.conventions.test_documentation import metric_names
from tests.conventions.tree import read
from tests.promql import History, evaluate, names_in

SELECTOR = re.compile(r"\b(portal_\w+)(?:\{([^}]*)\})?")
BY = re.compile(r"\bby \(([^)]*)\)")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
LEGEND = re.compile(r"\{\{(\w+)\}\}")
# Whose values are those of the code, so that one that is not there is a slip.
KNOWN_VALUES = {"status", "outcome", "reason", "kind", "state", "step"}
UNITS = {"none", "short", "s", "ops", "reqps", "percentunit"}
# Nothing went wrong here, nor perhaps in the tests before it.
EMPTY = {"Errors of ours, by route", "Jobs that failed or took too long"}


@pytest.fixture
def history(db: None) -> History:
    """Two scrapes, a minute apart, with requests between them."""
    found, client = History(), Client()
    token = {"Authorization": "Bearer metrics-token-of-the-tests"}
    for moment in (0.0, 60.0):
        client.get("/healthz")
        found.add(moment, client.get("/metrics", headers=token).content.decode())
    return found


def rules() -> dict[str, str]:
    groups = yaml.safe_load(read("docs/alerts.yml"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    return json.loads(read("docs/grafana/portal.json"))["panels"]


def queries() -> dict[str, str]:
    """Return the queries of the dashboard by panel and letter, as Grafana asks them."""
    return {
        f"{panel['title']} {each['refId']}": each["expr"].replace("$__rate_interval", "5m")
        for panel in panels()
        for each in panel.get("targets", ())
    }


def labels_of(history: History) -> dict[str, dict[str, set[str]]]:
    """Return the labels of each name and their values."""
    found: dict[str, dict[str, set[str]]] = {}
    for _at, scraped in history.scrapes:
        for name, vector in scraped.items():
            for labels in vector:
                for label, value in labels:
                    found.setdefault(name, {}).setdefault(label, set()).add(value)
    return found


def test_every_rule_and_query_asks_for_what_is_there(history: History):
    known = labels_of(history)
    for title, query in {**rules(), **queries()}.items():
        assert names_in(query) - history.names() == set(), title
        seen: set[str] = set()
        for name, matchers in SELECTOR.findall(query):
            seen |= set(known.get(name, ()))
            for label, sign, value in MATCHER.findall(matchers):
                assert label in known[name], (title, name, label)
                if sign in ("=", "!=") and label in KNOWN_VALUES and not value.isdigit():
                    assert value in known[name][label], (title, name, value)
        # Prometheus' own name for a label of ours that its scrape configuration has as well.
        grouped = {word.strip() for words in BY.findall(query) for word in words.split(",")} - {"exported_job"}
        assert grouped <= seen, (title, grouped - seen)


def test_no_rule_fires_and_every_panel_shows_something_where_all_is_well(history: History):
    quiet = {"PortalFewWorkers", "PortalJobStands", "PortalBackupOld"}  # nothing ran in the tests
    assert {title for title, rule in rules().items() if evaluate(rule, history, 60.0) not in ({}, 0.0)} <= quiet
    shown = {title.rpartition(" ")[0] for title, query in queries().items() if evaluate(query, history, 60.0) != {}}
    assert {panel["title"] for panel in panels() if panel["type"] != "row"} - shown <= EMPTY


@pytest.mark.pure
def test_every_figure_is_on_the_dashboard():
    asked = {re.sub(r"_bucket$", "", name) for query in queries().values() for name in names_in(query)}
    assert metric_names() - asked == set()


@pytest.mark.pure
def test_legends_name_labels_that_their_query_keeps():
    for panel in panels():
        for each in panel.get("targets", ()):
            kept = {word.strip() for words in BY.findall(each["expr"]) for word in words.split(",")}
            assert set(LEGEND.findall(each["legendFormat"])) <= kept, panel["title"]


@pytest.mark.pure
def test_the_dashboard_is_one_that_grafana_takes():
    """Its types were checked once with the library that Grafana makes of its schema (10.1)."""
    text = read("docs/grafana/portal.json")
    board = json.loads(text)
    assert {"uid", "title", "schemaVersion", "time", "templating", "annotations", "panels"} <= set(board)
    (variable,) = board["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert re.findall(r"https?://|localhost|\d+\.\d+\.\d+\.\d+|\.example\b", text) == []
    shown = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"]), "titles are told apart"
    for panel in shown:
        sources = [panel["datasource"], *(each["datasource"] for each in panel["targets"])]
        assert {each["uid"] for each in sources} == {"${datasource}"}
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"] in UNITS
        letters = [each["refId"] for each in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0


@pytest.mark.pure
def test_panels_lie_beside_each_other():
    places = [(panel["title"], panel["gridPos"]) for panel in panels()]
    for title, at in places:
        assert at["x"] >= 0 and at["x"] + at["w"] <= 24, title
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (one, other)
