"""CSV, JSON Lines and the endpoint's JSON body, plain or gzipped, as one stream of numbered rows."""

import csv
import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

import ijson
import orjson

from app.core.customers import storable

LONGEST_LINE = 32 * 1024 * 1024
_BODY = re.compile(rb'\s*\{\s*"customers"\s*:')
# The C parser turns lone surrogates into question marks; what is stored must be what was sent, or nothing.
_ijson = ijson.get_backend("python")


class Unreadable(Exception):
    """The file as a whole cannot be read: nothing of it was applied."""


@dataclass(frozen=True)
class Line:
    """A row and its number in the file, counted from 1 (in a JSON body: the element's).

    `row` is what stood there, None where it could not be understood; `error` then says why, and `text` is the line.
    """

    number: int
    row: dict[str, Any] | None
    text: str = ""
    error: str | None = None


@dataclass
class Source:
    """An open file: its lines, in which format, and how many bytes of it were read so far."""

    lines: Iterator[Line]
    columns: list[str] | None
    """The header of a CSV; None for JSON."""
    position: Callable[[], int]
    size: int | None


@contextmanager
def opened(path: str) -> Iterator[Source]:
    """The rows of the file at `path`, `-` for standard input. Raises Unreadable, also while reading."""
    try:
        raw = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise Unreadable(f"{path} cannot be opened: {error.strerror}.") from None
    size = _size(raw)
    position = raw.tell if size else (lambda: 0)
    with io.BufferedReader(cast(io.RawIOBase, raw)) as packed:
        zipped = packed.peek(2)[:2] == b"\x1f\x8b"
        plain = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=packed))) if zipped else packed
        try:
            yield _source(plain, position, size)
        except (gzip.BadGzipFile, EOFError, OSError) as error:
            raise Unreadable(f"{path} cannot be read: {error}.") from None
        finally:
            plain.close()


def _size(raw: IO[bytes]) -> int | None:
    if not raw.seekable():
        return None
    end = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    return end


def _source(stream: "io.BufferedReader[Any]", position: Callable[[], int], size: int | None) -> Source:
    start = stream.peek(1024)
    if start.startswith(b"\xef\xbb\xbf"):
        stream.read(3)
        start = start[3:]
    if _BODY.match(start):
        return Source(_body(stream), None, position, size)
    if start.lstrip().startswith(b"{"):
        return Source(_json_lines(stream), None, position, size)
    lines, columns = _csv(stream)
    return Source(lines, columns, position, size)


def _body(stream: IO[bytes]) -> Iterator[Line]:
    try:
        for number, row in enumerate(_ijson.items(stream, "customers.item", use_float=True), start=1):
            yield Line(number, row, text=repr(row))
    except ijson.JSONError as error:
        raise Unreadable(f"The file is not JSON: {error}.") from None


def _json_lines(stream: IO[bytes]) -> Iterator[Line]:
    number = 0
    while raw := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(raw) > LONGEST_LINE:
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(LONGEST_LINE)
            yield Line(number, None, error=f"Longer than {LONGEST_LINE} bytes.")
            continue
        if not raw.strip():
            continue
        text = raw.rstrip(b"\r\n").decode(errors="replace")
        try:
            yield Line(number, orjson.loads(raw), text)
        except orjson.JSONDecodeError as error:
            yield Line(number, None, text, f"Not JSON: {error.msg}.")


def _csv(stream: IO[bytes]) -> tuple[Iterator[Line], list[str]]:
    csv.field_size_limit(LONGEST_LINE)
    # What is not UTF-8 becomes lone surrogates, which are found row by row.
    text = (raw.decode(errors="surrogateescape") for raw in iter(lambda: stream.readline(LONGEST_LINE), b""))
    header = next(text, "")
    delimiter = max(",;\t", key=header.count)
    try:
        columns = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error as error:
        raise Unreadable(f"The first line is not CSV: {error}.") from None
    if "document_id" not in columns:
        raise Unreadable("The file is neither JSON nor a CSV with a column document_id in its first line.")
    return _csv_lines(csv.reader(text, delimiter=delimiter, strict=True), columns), columns


def _csv_lines(reader: Any, columns: list[str]) -> Iterator[Line]:
    while True:
        number = reader.line_num + 2  # after the header, and where the row begins, if it spans several lines
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(
                number, None, error=f"Not CSV: {error}; up to line {reader.line_num + 1} this is read as one row."
            )
            continue
        if not values:
            continue
        row = dict(zip(columns, values, strict=False))
        if len(values) != len(columns):
            yield Line(number, row, error=f"{len(values)} columns where the first line has {len(columns)}.")
        elif not all(storable(value) for value in values):
            yield Line(number, _replaced(row), error="Not UTF-8, or with U+0000 in it.")
        else:
            yield Line(number, row)


def _replaced(row: dict[str, str]) -> dict[str, str]:
    return {name: value.encode(errors="replace").decode() for name, value in row.items()}
