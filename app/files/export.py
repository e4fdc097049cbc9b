"""Customers, and rejected rows, as CSV and workbooks that `app.files.reading` reads again."""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO, Any

import orjson
import xlsxwriter

from app.core.limits import MAX_WORKBOOK_ROWS
from app.core.models.customers import PROFILE_FIELD_NAMES
from app.files.cells import escape_cell, escape_for_import, escape_json, protect_raw_cell


def csv_chunks(
    customers: Iterable[dict[str, Any]], *, for_spreadsheets: bool = False, delimiter: str = ","
) -> Iterator[str]:
    """Yield lines, the header first. For spreadsheets, cells that they would change get an apostrophe as text mark."""
    return _lines(_rows(customers, for_spreadsheets), delimiter)


def _rows(customers: Iterable[dict[str, Any]], for_spreadsheets: bool) -> Iterator[list[Any]]:
    escape = escape_cell if for_spreadsheets else escape_for_import
    yield ["document_id", *PROFILE_FIELD_NAMES, "segments"]
    for customer in customers:
        texts = (customer["document_id"], *(customer[name] for name in PROFILE_FIELD_NAMES))
        segments = orjson.dumps(customer["segments"]).decode()
        yield [*(text and escape(text) for text in texts), escape_json(segments) if for_spreadsheets else segments]


def table_chunks(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield lines for spreadsheets: a byte order mark, without which they do not recognise UTF-8, and safe cells."""
    yield "\N{BYTE ORDER MARK}"
    yield from _lines(
        [escape_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in chain([header], rows)
    )


class WorkbookTooSmall(Exception):
    """A workbook cannot hold the customers: there are too many, or one has too many segments for a cell."""


def write_workbook(customers: Iterable[dict[str, Any]]) -> IO[bytes]:
    """Return an open temporary file, an .xlsx in which every cell is text. Raises WorkbookTooSmall."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    with xlsxwriter.Workbook(file, {"constant_memory": True, "strings_to_urls": False}) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate(_rows(customers, for_spreadsheets=False)):
            if number > MAX_WORKBOOK_ROWS:
                raise WorkbookTooSmall
            for column, cell in enumerate(row):
                if cell and sheet.write_string(number, column, cell):
                    raise WorkbookTooSmall
    file.seek(0)
    return file


def rejected_csv_chunks(columns: Sequence[str] | None, rejected: Iterable[tuple[int, str, Any]]) -> Iterator[str]:
    """Yield rejected rows, in the file's own columns, with `line` and `error`.

    A row of JSON is the one column `row`. Cells beyond the columns come last. Cells that a spreadsheet would change get
    an apostrophe; a cell's own apostrophe was such a mark already.
    """
    names = [protect_raw_cell(name) for name in columns or ["row"]]

    def rows() -> Iterator[list[Any]]:
        yield [*names, "line", "error"]
        for line, error, raw in rejected:
            cells = list(map(protect_raw_cell, [raw] if isinstance(raw, str) else raw))
            cells += [""] * (len(names) - len(cells))
            yield [*cells[: len(names)], line, error, *cells[len(names) :]]

    return _lines(rows())


def _lines(rows: Iterable[Sequence[Any]], delimiter: str = ",") -> Iterator[str]:
    line = io.StringIO(newline="")
    writer = csv.writer(line, delimiter=delimiter)
    for row in rows:
        writer.writerow(row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()
