"""The rows of a workbook: .xlsx, .xlsb, .xls and .ods, as python-calamine reads them."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import IO, Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from app.core.limits import MAX_UNCOMPRESSED_WORKBOOK_BYTES, MAX_WORKBOOK_BYTES
from app.files.formats import UnreadableFile
from app.files.lines import Line
from app.files.notes import FileNotes

_MAX_EXACT = 10**15
"""A spreadsheet keeps 15 digits of a number."""

_TOO_LARGE = (
    f"The workbook is larger than {MAX_WORKBOOK_BYTES // 1024**2} MB, or would be too large when unpacked. "
    "In your spreadsheet choose Save as › CSV UTF-8, then upload that file."
)


@dataclass(frozen=True)
class Workbook:
    """One sheet of a workbook."""

    rows: Iterator[Line]
    sheet: str
    sheets: list[str]
    """The names of all sheets."""


def open_workbook(stream: IO[bytes], sheet: str | None, notes: FileNotes) -> Workbook:
    """Read the sheet of this name, or the first that is not empty.

    The workbook is in memory as a whole. Raises UnreadableFile, also for one that is too large.
    """
    content = stream.read(MAX_WORKBOOK_BYTES + 1)
    if len(content) > MAX_WORKBOOK_BYTES or _unpacked_size(content) > MAX_UNCOMPRESSED_WORKBOOK_BYTES:
        raise UnreadableFile(_TOO_LARGE)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = workbook.sheet_names
        if sheet is not None and sheet not in names:
            raise UnreadableFile("The workbook has no such sheet.")
        chosen = _sheet(workbook, [sheet] if sheet is not None else names)
    except CalamineError:
        raise UnreadableFile(
            "The workbook can't be read. In your spreadsheet choose Save as › CSV UTF-8, then upload that file."
        ) from None
    return Workbook(_rows(chosen, notes), chosen.name, names)


def _unpacked_size(content: bytes) -> int:
    """Return the bytes that the parts of a zip archive have; 0 for an .xls, which is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile:
        return 0


def _sheet(workbook: CalamineWorkbook, names: list[str]) -> CalamineSheet:
    """Return the first of these sheets that is not empty, or else the last."""
    if not names:
        raise UnreadableFile("The workbook has no sheets.")
    for name in names:
        sheet = workbook.get_sheet_by_name(name)
        if sheet.height:
            break
    return sheet


def _rows(sheet: CalamineSheet, notes: FileNotes) -> Iterator[Line]:
    if not sheet.height:
        return
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = [_text(value, notes) for value in row]
        if any(map(str.strip, cells)):
            yield Line(number, cells)


def _text(value: Any, notes: FileNotes) -> str:
    """Return a cell as a CSV of the sheet would have it: whole numbers without a point, days without a time."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        notes.rounded_numbers += abs(value) >= _MAX_EXACT
        return str(int(value)) if float(value).is_integer() else repr(value)
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, (date, time)) else str(value)
