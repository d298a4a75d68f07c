"""Every figure of docs/promises.md is traced to the command that prints it: docs/figures.md."""

import re

import pytest

from benchmarks import quick
from tests.conventions.tree import ROOT, read

pytestmark = pytest.mark.pure

ROW = re.compile(r"^\| (?P<figure>.+) \| (?P<source>[^|]+) \|$", re.MULTILINE)
HEADER = "| promise | held by | measured |"
COMMAND = re.compile(r"`(bench|test) ([^`]+)`")


def rows() -> list[tuple[str, str]]:
    """Return each figure with where it comes from."""
    table = read("docs/figures.md").partition("|---|---|")[2].partition("In the other pages:")[0]
    return [(match["figure"], match["source"]) for match in ROW.finditer(table)]


def measured() -> str:
    """Return the last column of docs/promises.md: what was measured."""
    lines = [line for line in read("docs/promises.md").splitlines() if line.startswith("| ") and line != HEADER]
    return "\n".join(line.rstrip(" |").rsplit(" | ", 1)[1] for line in lines)


def test_every_figure_of_the_promises_is_traced():
    left = measured()
    assert re.search(r"\d", left)
    for figure, _source in sorted(rows(), key=lambda row: -len(row[0])):
        left = left.replace(figure, "")
    assert [line for line in left.splitlines() if re.search(r"\d", line)] == []


def test_no_figure_is_traced_that_the_promises_do_not_quote():
    assert [figure for figure, _source in rows() if figure not in measured()] == []


def test_every_command_that_prints_a_figure_exists():
    commands = COMMAND.findall(read("docs/figures.md").partition("|---|---|")[2])
    assert len(commands) > 20
    for kind, words in commands:
        first, *others = words.split()
        if kind == "test":
            assert [each for each in (first, *others) if not (ROOT / each).is_file()] == []
        else:
            program = read(f"benchmarks/{first}")
            assert first in {name for name, *_words in quick.commands()}, f"CI does not run {first} --quick"
            options = [word for word in others if word.startswith("--")]
            assert [each for each in options if f'"{each}"' not in program] == [], words
            # losses.py takes the name of a fault: it stands in its own help.
            assert [each for each in others[:1] if not each.startswith("--") and each not in program] == []


def test_every_figure_of_another_page_is_traced():
    table = read("docs/figures.md").partition("In the other pages:")[2]
    traced = re.findall(r"^\| ([^|]+) \| (\w+\.md) \| `", table, re.MULTILINE)
    assert [row for row in traced if row[0] not in read(f"docs/{row[1]}")] == [] and traced
    # What the code is told stands in configure.md and api.md; the others name no speed that is not in the table.
    for page in ("run.md", "operate.md", "integrate.md", "audit.md", "architecture.md"):
        text = read(f"docs/{page}")
        for figure, _page in traced:
            text = text.replace(figure, "")
        assert re.findall(r"\d[\d,.]* ?(?:ms|µs|/s)\b|\w+ (?:rows|calls|events) a (?:second|minute)", text) == [], page


def test_the_readme_has_no_measured_figure():
    found = re.findall(r"\d[\d,.]*(?: ms|/s| µs|×| times\b| (?:calls|requests) a second)", read("README.md"))
    assert found == []


def test_every_promise_names_what_holds_it():
    """A test, a program or a command for each; one that has none yet says so in both columns."""
    rows = [line.strip("| ").split(" | ") for line in read("docs/promises.md").splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] != "promise"]
    assert len(rows) > 30 and {len(row) for row in rows} == {3}
    assert [row for row in rows if "`" not in row[1] and (row[1], row[2]) != ("to come", "**nothing yet**")] == []
