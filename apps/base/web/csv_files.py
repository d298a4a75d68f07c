"""Tables as CSV files that a spreadsheet opens as text and runs nothing of.

A cell that a spreadsheet would take for a formula (``=``, ``+``, ``-``, ``@`` and their full-width forms, also after
spaces or apostrophes) gets an apostrophe before it, and so does a cell that begins with a tab or a line break. The
same holds after each ``;``, tab and line break inside a cell, for a spreadsheet whose separator is another one begins
a new cell there. To read a cell back, drop one apostrophe at each of these places. Every cell is quoted, lines end as
RFC 4180 has it, and the file begins with the mark by which Excel knows UTF-8.
"""

import csv
import re
from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse

TRIGGERS = "=+\\-@＝＋－＠﹦﹢﹣﹫"
RISKY = re.compile(rf"(\A|[;\t\r\n])(?=[\s']*[{TRIGGERS}])|\A(?='*[\t\r\n])")
MARK = "\ufeff"


def safe_cell(value: object) -> str:
    """Return a value as text that no spreadsheet takes for a formula; None is an empty cell."""
    return "" if value is None else RISKY.sub(lambda match: f"{match[1] or ''}'", str(value))


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Return the lines of a CSV file, one at a time, however many rows there are."""
    yield MARK
    yield from _lines(rows)


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return a piece of a CSV file, without the mark that stands at its beginning."""
    return "".join(_lines(rows))


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in rows:
        yield writer.writerow([safe_cell(value) for value in row])


def csv_response(name: str, rows: Iterable[Iterable[object]]) -> StreamingHttpResponse:
    """Send rows as a CSV file to be saved under a name, as they are read."""
    answer = StreamingHttpResponse(csv_lines(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store, private"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
