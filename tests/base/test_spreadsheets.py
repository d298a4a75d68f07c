"""CSV that no spreadsheet executes, and that reads back equal."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.base.web.downloads import FORMULA_START, csv_lines, safe_cell

pytestmark = pytest.mark.pure
TRIGGERS = "=+-@\uff1d\uff0b\uff0d\uff20\t\r\n"
ESCAPED = re.compile(
    FORMULA_START.pattern.replace(r"(\A|[;\t\r\n])(?=", r"(\A|[;\t\r\n])'(?=").replace(r"|\A(?=", r"|\A'(?=")
)


def read_back(cell):
    """What a program does to have the text again."""
    return ESCAPED.sub(lambda match: match[1] or "", cell)


texts = st.text(alphabet=[*TRIGGERS, "'", '"', ";", ",", " ", "a", "\0", "\ufeff", "é"], max_size=12)


@given(texts)
@example("=1")
@example("'=1")
@example("\t=1")
@example("a;\t=1")
@example(";';=\n'+")
def test_a_cell_never_begins_like_a_formula_and_reads_back_equal(text):
    cell = safe_cell(text)
    for part in re.split(r"[;\t\r\n]", cell):
        assert not part.strip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))
    assert not cell.startswith(tuple(TRIGGERS))
    assert read_back(cell) == text


@given(st.lists(st.lists(texts, min_size=2, max_size=2), max_size=4))
def test_a_file_reads_back_equal(rows):
    text = "".join(csv_lines(rows))
    assert text[0] == "\ufeff"
    found = list(csv.reader(io.StringIO(text[1:], newline="")))
    assert [[read_back(cell) for cell in row] for row in found] == rows


def test_numbers_and_nothing():
    assert [safe_cell(5), safe_cell(None), safe_cell(-5), safe_cell("5 - 3")] == ["5", "", "'-5", "5 - 3"]
