"""Customers, and rejected rows, as CSV that `app.files.reading` reads again."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from app.core.models.customers import PROFILE_FIELD_NAMES

STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The beginnings of cells that a spreadsheet takes for a formula."""
FORMULA = (*STARTS_FORMULA, "'")
"""Or whose own apostrophe would be lost."""


def csv_chunks(customers: Iterable[dict[str, Any]], *, for_spreadsheets: bool = False) -> Iterator[str]:
    """Yield lines, the header first. For spreadsheets, cells that look like formulas get an apostrophe as text mark."""
    yield from _lines(_rows(customers, for_spreadsheets))


def _rows(customers: Iterable[dict[str, Any]], for_spreadsheets: bool) -> Iterator[list[Any]]:
    yield ["document_id", *PROFILE_FIELD_NAMES, "segments"]
    for customer in customers:
        cells = [customer["document_id"], *(customer[field] for field in PROFILE_FIELD_NAMES)]
        cells = [
            escape_formula(cell) if cell and (for_spreadsheets or unescape_formula(cell) != cell) else cell
            for cell in cells
        ]
        yield [*cells, orjson.dumps(customer["segments"]).decode()]


def rejected_csv_chunks(columns: Sequence[str] | None, rejected: Iterable[tuple[int, str, Any]]) -> Iterator[str]:
    """Yield rejected rows, in the file's own columns, with `line` and `error`.

    A row of JSON is the one column `row`. Cells beyond the columns come last. Cells that look like formulas get an
    apostrophe; a cell's own apostrophe was such a mark already.
    """
    names = [_cell(name) for name in columns or ["row"]]

    def rows() -> Iterator[list[Any]]:
        yield [*names, "line", "error"]
        for line, error, raw in rejected:
            cells = list(map(_cell, [raw] if isinstance(raw, str) else raw))
            cells += [""] * (len(names) - len(cells))
            yield [*cells[: len(names)], line, error, *cells[len(names) :]]

    return _lines(rows())


def _lines(rows: Iterable[list[Any]]) -> Iterator[str]:
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    for row in rows:
        writer.writerow(row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _cell(cell: str) -> str:
    return f"'{cell}" if cell.startswith(STARTS_FORMULA) else cell


def escape_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def unescape_formula(cell: str) -> str:
    """Return the cell as it was before `escape_formula`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
