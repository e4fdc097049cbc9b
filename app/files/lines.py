"""The numbered rows of an open file: rows of a CSV, lines of JSON, or the elements of a JSON array."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from typing import IO, Any, NamedTuple

import ijson
import orjson

from app.core.limits import MAX_JSON_DEPTH, MAX_LINE_BYTES
from app.core.models.customers import is_storable, replace_unstorable
from app.files.cells import trim_cell
from app.files.formats import ENCODINGS, SEPARATOR_LINE, FileFormat, UnreadableFile
from app.files.notes import FileNotes

TOO_LONG = f"Longer than {MAX_LINE_BYTES:,} bytes."

MAX_RAW_LENGTH = 10_000
"""Characters stored of a row that could not be split into columns."""

MAX_LINES_ABOVE_HEADER = 9
"""Lines in which the header is searched when the first line is not one, such as the title of a report."""

OTHER_ENCODING = "choose another encoding for the file."


# The C parser turns lone surrogates into question marks; they must be rejected, not replaced.
_ijson = ijson.get_backend("python")


class Line(NamedTuple):
    """A row and its line number in the file, counted from 1 (in a JSON array: the number of the element).

    `row` holds the cells of a CSV row or the object of a JSON line; None where it could not be parsed. `error` is the
    reason, and `text` the line itself where there are no cells.
    """

    number: int
    row: Any
    text: str | None = None
    error: str | None = None

    @property
    def raw(self) -> list[str] | str:
        """The cells or the text, as stored for a rejected row, which can be fixed and imported again."""
        return [replace_unstorable(cell) for cell in self.row] if self.text is None else replace_unstorable(self.text)


# JSON


def json_array(stream: IO[bytes], format: FileFormat) -> Iterator[Line]:
    """Yield the elements of a JSON array: the whole file, or `customers` in the endpoint's body."""
    events = _ijson.parse(_shallow(_ijson.basic_parse(stream, use_float=True)))
    prefix = "item" if format.kind == "json array" else "customers.item"
    try:
        for number, row in enumerate(_ijson.items(events, prefix), start=1):
            yield Line(number, row, json.dumps(row, ensure_ascii=False))
    except (ijson.JSONError, ValueError) as error:  # its strings are read by `json`, which raises a ValueError
        raise UnreadableFile(f"The file is not JSON: {error}.") from None


def _shallow(events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the same events. Each level of nesting slows all within it: 100,000 levels take minutes."""
    depth = 0
    for event in events:
        depth += event[0].startswith("start_") - event[0].startswith("end_")
        if depth > MAX_JSON_DEPTH:
            raise UnreadableFile(f"The JSON is nested more than {MAX_JSON_DEPTH} levels deep.")
        yield event


def json_lines(stream: IO[bytes], _format: FileFormat) -> Iterator[Line]:
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            start = raw[:MAX_RAW_LENGTH].decode(errors="replace")
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE_BYTES)
            yield Line(number, None, start, error=TOO_LONG)
            continue
        if not raw.strip():
            continue
        text = raw.rstrip(b"\r\n").decode(errors="replace")
        try:
            yield Line(number, orjson.loads(raw), text)
        except orjson.JSONDecodeError as error:
            yield Line(number, None, text, f"Invalid JSON: {error.msg}.")


# CSV


class TooLong(Exception):
    """A line is longer than MAX_LINE_BYTES."""


class CountingReader:
    """The lines of a text for a CSV reader: counted, with those of the current row, in case it is invalid."""

    def __init__(self, text: IO[str]) -> None:
        self._text, self.number = text, 0
        self.row: list[str] = []

    def __iter__(self) -> "CountingReader":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        self.row.append(line)
        if len(line) == MAX_LINE_BYTES and not line.endswith(("\n", "\r")):
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(MAX_LINE_BYTES)
            raise TooLong
        return line


def csv_rows(
    stream: IO[bytes],
    format: FileFormat,
    open_files: ExitStack,
    notes: FileNotes,
    is_header: Callable[[list[str]], bool],
) -> tuple[Iterator[Line], list[str]]:
    """Return the rows of a CSV and its columns. Lines above the row that `is_header` recognises are skipped."""
    csv.field_size_limit(MAX_LINE_BYTES)
    # Bytes that the encoding does not have become lone surrogates, which are found row by row.
    errors = "surrogatepass" if format.encoding.startswith("utf-16") else "surrogateescape"
    reader = CountingReader(open_files.enter_context(io.TextIOWrapper(stream, format.encoding, errors, newline="")))
    return table_rows(_split_rows(reader, format.delimiter), format, notes, is_header)


def table_rows(
    rows: Iterator[Line], format: FileFormat, notes: FileNotes, is_header: Callable[[list[str]], bool]
) -> tuple[Iterator[Line], list[str]]:
    """Return the rows below the header, with as many cells as it has, and the columns that it names."""
    start = list(islice(rows, 1))
    if start and start[0].error:
        raise UnreadableFile(f"The first line is not CSV: {start[0].error}")
    if start and format.header and (format.header_line or not is_header(start[0].row)):
        start += islice(rows, MAX_LINES_ABOVE_HEADER)
    names = start[0].row if start else []
    if format.header:
        position = _header_position(start, format.header_line, is_header)
        names, start, notes.skipped_lines = start[position].row if start else [], start[position + 1 :], position
        columns = [replace_unstorable(trim_cell(name)) for name in names]
    else:
        columns = [f"column {n + 1}" for n in range(len(names))]
    return _fitting_rows(chain(start, rows), columns, format, notes), columns


def _header_position(start: Sequence[Line], header_line: int, is_header: Callable[[list[str]], bool]) -> int:
    """Return which of the first rows is the header: the one at `header_line`, or the one that looks like it."""
    if header_line:
        return next((n for n, line in enumerate(start) if line.row and line.number >= header_line), 0)
    return next((n for n, line in enumerate(start) if line.row and is_header(line.row)), 0)


def _split_rows(reader: CountingReader, delimiter: str) -> Iterator[Line]:
    """Yield the rows that are not blank, split into cells or with an error."""
    rows = csv.reader(reader, delimiter=delimiter, strict=True)
    while True:
        reader.row.clear()
        number = reader.number + 1  # where the row begins, if it spans several lines
        try:
            cells = next(rows)
        except StopIteration:
            return
        except TooLong:
            yield Line(number, None, reader.row[-1][:MAX_RAW_LENGTH], TOO_LONG)
        except csv.Error as error:
            yield _not_csv(number, error, reader, delimiter)
        else:
            is_separator_line = (
                len(cells) <= 2 and SEPARATOR_LINE.match("".join(cells[:1]) + ";") and not any(cells[1:])
            )
            if any(map(str.strip, cells)) and not is_separator_line:
                yield Line(number, cells)


def _fitting_rows(rows: Iterable[Line], columns: list[str], format: FileFormat, notes: FileNotes) -> Iterator[Line]:
    """Yield rows with as many cells as columns, without repetitions of the header, as in files that were joined."""
    for line in rows:
        if line.error:
            yield line
        elif format.header and columns[0] in line.row[0] and list(map(trim_cell, line.row)) == columns:
            notes.repeated_headers += 1
        else:
            yield _fit(line, len(columns), format)


def _fit(line: Line, width: int, format: FileFormat) -> Line:
    """Add empty cells that are missing at the end of a row, and remove those that are too many."""
    cells: list[str] = line.row
    if any(cells[width:]):
        return Line(line.number, cells, error=f"{len(cells)} columns, expected {width}.")
    if len(cells) != width:
        line = Line(line.number, cells[:width] + [""] * (width - len(cells)))
    text = "".join(line.row)
    if is_storable(text):
        return line
    error = "Contains the character U+0000." if "\0" in text else f"Not {ENCODINGS[format.encoding]}: {OTHER_ENCODING}"
    return line._replace(error=error)


def _not_csv(number: int, error: csv.Error, reader: CountingReader, delimiter: str) -> Line:
    """Return a row with misplaced quotes. If it is one line, it is split into cells as well as possible."""
    if reader.number == number:
        return Line(number, next(csv.reader(reader.row, delimiter=delimiter), []), error=f"Invalid CSV: {error}.")
    message = f"Invalid CSV: {error}; everything up to line {reader.number} was read as one row."
    return Line(number, None, "".join(reader.row)[:MAX_RAW_LENGTH], message)
