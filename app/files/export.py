"""Customers, and lines that were rejected, as CSV that `app.files.reading` reads again."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from app.core.models.customers import PROFILE_FIELD_NAMES

STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet would take for a formula."""
FORMULA = (*STARTS_FORMULA, "'")
"""Or whose own apostrophe would get lost."""


def csv_chunks(customers: Iterable[dict[str, Any]], *, for_spreadsheets: bool = False) -> Iterator[str]:
    """Line by line, headed. For spreadsheets, what looks like a formula is marked as text by an apostrophe."""
    yield from _lines(_rows(customers, for_spreadsheets))


def _rows(customers: Iterable[dict[str, Any]], for_spreadsheets: bool) -> Iterator[list[Any]]:
    yield ["document_id", *PROFILE_FIELD_NAMES, "segments"]
    for customer in customers:
        cells = [customer["document_id"], *(customer[fact] for fact in PROFILE_FIELD_NAMES)]
        cells = [
            escape_formula(cell) if cell and (for_spreadsheets or unescape_formula(cell) != cell) else cell
            for cell in cells
        ]
        yield [*cells, orjson.dumps(customer["segments"]).decode()]


def rejected_csv_chunks(columns: Sequence[str] | None, rejected: Iterable[tuple[int, str, Any]]) -> Iterator[str]:
    """Lines that were rejected, line by line: in the file's own columns, with `line` and `error`.

    A line of JSON stands as a whole in a column `row`. What a row has beyond its columns comes last. What looks like a
    formula is marked: these are cells as they stood in a file, where an apostrophe of their own was a mark already.
    """
    names = [_cell(name) for name in columns or ["row"]]

    def rows() -> Iterator[list[Any]]:
        yield [*names, "line", "error"]
        for line, error, kept in rejected:
            cells = list(map(_cell, [kept] if isinstance(kept, str) else kept))
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
    """The cell as it was before `escape_formula`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
