"""CSV files without formula injection.

A cell that a spreadsheet would evaluate as a formula (``=``, ``+``, ``-``, ``@`` and their full-width forms, also after
spaces or apostrophes) is prefixed with an apostrophe, and so is a cell that begins with a tab or a line break. The same
applies after each ``;``, tab and line break inside a cell, where a spreadsheet with another separator begins a new
cell. To read a cell back, drop one apostrophe at each of these positions. Every cell is quoted, lines end in CRLF
(RFC 4180), and the file begins with a byte order mark, by which Excel detects UTF-8.
"""

import csv
import re
import zipfile
from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse

CHUNK_BYTES = 64 * 1024

FORMULA_CHARACTERS = "=+\\-@＝＋－＠﹦﹢﹣﹫"
FORMULA_START = re.compile(rf"(\A|[;\t\r\n])(?=[\s']*[{FORMULA_CHARACTERS}])|\A(?='*[\t\r\n])")
UTF8_BOM = "\ufeff"


def safe_cell(value: object) -> str:
    """Return a value as text that no spreadsheet evaluates as a formula; None is an empty cell."""
    return "" if value is None else FORMULA_START.sub(lambda match: f"{match[1] or ''}'", str(value))


class _Echo:
    """A file whose ``write`` returns the text."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a CSV file, with the byte order mark."""
    yield UTF8_BOM
    yield from _lines(rows)


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return part of a CSV file, without the byte order mark."""
    return "".join(_lines(rows))


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in rows:
        yield writer.writerow([safe_cell(value) for value in row])


def csv_response(name: str, rows: Iterable[Iterable[object]]) -> StreamingHttpResponse:
    """Return a streamed download of the rows as a CSV file."""
    response = StreamingHttpResponse(csv_lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store, private"
    response["X-Content-Type-Options"] = "nosniff"
    return response


class _Buffer:
    """A write-only file; ``take`` returns and clears its contents."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: ``zipfile`` calls it."""

    def take(self) -> bytes:
        """Return the bytes written since the last call."""
        data, self._pieces, self.size = b"".join(self._pieces), [], 0
        return data


def zip_stream(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield the bytes of a ZIP of named files in chunks; sizes follow each file (APPNOTE 4.3.9)."""
    buffer = _Buffer()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # writing needs no more
        for name, lines in files:
            with archive.open(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as entry:
                for line in lines:
                    entry.write(line)
                    if buffer.size >= CHUNK_BYTES:
                        yield buffer.take()
            yield buffer.take()
    yield buffer.take()
