"""Customers as CSV, in the columns that `app.files.customers` reads."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from app.core.customers import FACTS

FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
"""How a cell begins that a spreadsheet would take for a formula, or whose own apostrophe would get lost."""


def csv_texts(customers: Iterable[dict[str, Any]], *, for_spreadsheets: bool = False) -> Iterator[str]:
    """Line by line, headed. For spreadsheets, what looks like a formula is marked as text by an apostrophe."""
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    writer.writerow(["document_id", *FACTS, "segments"])
    for customer in customers:
        cells = [customer["document_id"], *(customer[fact] for fact in FACTS)]
        cells = [marked(cell) if cell and (for_spreadsheets or unmarked(cell) != cell) else cell for cell in cells]
        writer.writerow([*cells, orjson.dumps(customer["segments"]).decode()])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def marked(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def unmarked(cell: str) -> str:
    """The cell as it was before `marked`."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
