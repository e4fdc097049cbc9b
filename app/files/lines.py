"""The numbered rows of an open file: rows of a CSV, lines of JSON, or the elements of a JSON array."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

import ijson
import orjson

from app.core.models.customers import is_storable, replace_unstorable
from app.files.formats import SEPARATOR_LINE, FileFormat, UnreadableFile

MAX_LINE_LENGTH = 32 * 1024 * 1024
TOO_LONG = f"Longer than {MAX_LINE_LENGTH:,} bytes."

MAX_RAW_LENGTH = 10_000
"""Characters stored of a row that could not be split into columns."""

MAX_DEPTH = 500
"""Levels of nesting in JSON."""

# The C parser turns lone surrogates into question marks; they must be rejected, not replaced.
_ijson = ijson.get_backend("python")


@dataclass(frozen=True)
class Line:
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
        if depth > MAX_DEPTH:
            raise UnreadableFile(f"The JSON is nested more than {MAX_DEPTH} levels deep.")
        yield event


def json_lines(stream: IO[bytes], _format: FileFormat) -> Iterator[Line]:
    number = 0
    while raw := stream.readline(MAX_LINE_LENGTH + 1):
        number += 1
        if len(raw) > MAX_LINE_LENGTH:
            start = raw[:MAX_RAW_LENGTH].decode(errors="replace")
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE_LENGTH)
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


class _TooLong(Exception):
    pass


class _CountingReader:
    """The lines of a text for a CSV reader: counted, with those of the current row, in case it is invalid."""

    def __init__(self, text: IO[str]) -> None:
        self._text, self.number = text, 0
        self.row: list[str] = []

    def __iter__(self) -> "_CountingReader":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE_LENGTH)
        if not line:
            raise StopIteration
        self.number += 1
        self.row.append(line)
        if len(line) == MAX_LINE_LENGTH and not line.endswith(("\n", "\r")):
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(MAX_LINE_LENGTH)
            raise _TooLong
        return line


def csv_rows(stream: IO[bytes], format: FileFormat, open_files: ExitStack) -> tuple[Iterator[Line], list[str]]:
    csv.field_size_limit(MAX_LINE_LENGTH)
    # Bytes that are not UTF-8 become lone surrogates, which are found row by row.
    errors = "surrogateescape" if format.encoding == "utf-8" else "replace"
    reader = _CountingReader(open_files.enter_context(io.TextIOWrapper(stream, format.encoding, errors, newline="")))
    try:
        first = next(filter(_is_row, csv.reader(reader, delimiter=format.delimiter)), [])
    except (csv.Error, _TooLong) as error:
        raise UnreadableFile(f"The first line is not CSV: {str(error) or TOO_LONG}") from None
    if format.header:
        return _csv_lines(reader, format.delimiter, len(first)), [replace_unstorable(name.strip()) for name in first]
    rest = _csv_lines(reader, format.delimiter, len(first))
    return chain([_checked(reader.number, first, len(first))], rest), [f"column {n + 1}" for n in range(len(first))]


def _is_row(cells: list[str]) -> bool:
    return any(cells) and not (len(cells) <= 2 and SEPARATOR_LINE.match(cells[0] + ";"))


def _csv_lines(reader: _CountingReader, delimiter: str, columns: int) -> Iterator[Line]:
    rows = csv.reader(reader, delimiter=delimiter, strict=True)
    while True:
        reader.row.clear()
        number = reader.number + 1  # where the row begins, if it spans several lines
        try:
            values = next(rows)
        except StopIteration:
            return
        except _TooLong:
            yield Line(number, None, reader.row[-1][:MAX_RAW_LENGTH], TOO_LONG)
        except csv.Error as error:
            yield _not_csv(number, error, reader, delimiter)
        else:
            if values:
                yield _checked(number, values, columns)


def _checked(number: int, values: list[str], columns: int) -> Line:
    if len(values) != columns:
        return Line(number, values, error=f"{len(values)} columns, expected {columns}.")
    if not is_storable("".join(values)):
        return Line(number, values, error="Contains an invalid character: not UTF-8, or U+0000.")
    return Line(number, values)


def _not_csv(number: int, error: csv.Error, reader: _CountingReader, delimiter: str) -> Line:
    """Return a row with misplaced quotes. If it is one line, it is split into cells as well as possible."""
    if reader.number == number:
        return Line(number, next(csv.reader(reader.row, delimiter=delimiter), []), error=f"Invalid CSV: {error}.")
    message = f"Invalid CSV: {error}; everything up to line {reader.number} was read as one row."
    return Line(number, None, "".join(reader.row)[:MAX_RAW_LENGTH], message)
