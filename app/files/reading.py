"""CSV, JSON Lines and the endpoint's JSON body, plain or gzipped, as one stream of numbered rows."""

import csv
import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, Literal, cast

import ijson
import orjson

from app.core.customers import made_storable, storable
from app.core.errors import Refusal

LONGEST_LINE = 32 * 1024 * 1024
LOOKED_AT = 64 * 1024
"""Bytes at the beginning by which a file is recognised."""

DELIMITERS = ",;\t|"
ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows (Western Europe)"}
"""What spreadsheets write, by Python's names."""

_BODY = re.compile(rb'\s*\{\s*"customers"\s*:')
# The C parser turns lone surrogates into question marks; what is stored must be what was sent, or nothing.
_ijson = ijson.get_backend("python")


class Unreadable(Refusal):
    """The file as a whole cannot be read: nothing of it was applied."""


@dataclass(frozen=True)
class Format:
    """How a file is written; `encoding` and `delimiter` say something of a CSV only."""

    kind: Literal["csv", "json lines", "json body"]
    encoding: str = "utf-8"
    delimiter: str = ","


@dataclass(frozen=True)
class Line:
    """A row and its number in the file, counted from 1 (in a JSON body: the element's).

    `row` is what stood there: the cells of a CSV's row, the object of a JSON line; None where it could not be
    understood. `error` then says why, and `text` is the line of a file that is no CSV.
    """

    number: int
    row: Any
    text: str = ""
    error: str | None = None

    @property
    def kept(self) -> list[str] | str:
        """What is kept of a bad line, to be repaired and loaded again."""
        if isinstance(self.row, list) and not self.text:
            return [made_storable(cell) for cell in self.row]
        return made_storable(self.text)


@dataclass
class Source:
    """An open file: its lines, how it is written, and how many bytes of it were read so far."""

    lines: Iterator[Line]
    format: Format
    columns: list[str] | None
    """The header of a CSV; None for JSON."""
    position: Callable[[], int]
    size: int | None


@contextmanager
def opened(path: str) -> Iterator[Source]:
    """The rows of the file at `path`, `-` for standard input. Raises Unreadable, also while reading."""
    try:
        raw = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 - closed by `reading`
    except OSError as error:
        raise Unreadable(f"{path} cannot be opened: {error.strerror}.") from None
    with reading(cast(io.RawIOBase, raw)) as source:
        yield source


@contextmanager
def reading(raw: io.RawIOBase, format: Format | None = None) -> Iterator[Source]:
    """The rows of an open file, closed afterwards; in this format, or as recognised. Raises Unreadable."""
    size = _size(raw)
    position = raw.tell if size else (lambda: 0)
    with io.BufferedReader(raw, LOOKED_AT) as packed:
        zipped = packed.peek(2)[:2] == b"\x1f\x8b"
        plain = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=packed)), LOOKED_AT) if zipped else packed
        with ExitStack() as open_files:
            open_files.callback(plain.close)
            try:
                yield _source(plain, format, position, size, open_files)
            except (gzip.BadGzipFile, EOFError, OSError, UnicodeError) as error:
                raise Unreadable(f"The file cannot be read: {error}.") from None


def _size(raw: io.RawIOBase) -> int | None:
    if not raw.seekable():
        return None
    end = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    return end


def _source(
    stream: "io.BufferedReader[Any]",
    format: Format | None,
    position: Callable[[], int],
    size: int | None,
    open_files: ExitStack,
) -> Source:
    start = stream.peek(LOOKED_AT)[:LOOKED_AT]
    if start.startswith(b"\xef\xbb\xbf"):
        stream.read(3)
        start = start[3:]
    format = format or recognised(start)
    if format.kind == "json body":
        return Source(_body(stream), format, None, position, size)
    if format.kind == "json lines":
        return Source(_json_lines(stream), format, None, position, size)
    lines, columns = _csv(stream, format, open_files)
    return Source(lines, format, columns, position, size)


# Which format?


def recognised(start: bytes) -> Format:
    """How a file that begins like this is written."""
    if _BODY.match(start):
        return Format("json body")
    if start.lstrip().startswith(b"{"):
        return Format("json lines")
    encoding = _encoding(start)
    header = start.decode(encoding, errors="replace").splitlines()[:1]
    return Format("csv", encoding, max(DELIMITERS, key=header[0].count) if header else ",")


def _encoding(start: bytes) -> str:
    """UTF-16 where a mark says so; else UTF-8, unless more of it is wrong than right: then as Windows writes it."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    text = start.decode(errors="surrogateescape")
    wrong = sum("\udc80" <= letter <= "\udcff" for letter in text[:-3])  # the last one may be cut in two
    right = sum(letter > "\x7f" for letter in text) - wrong
    return "utf-8" if wrong <= right else "cp1252"


# JSON


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


# CSV


def _csv(stream: IO[bytes], format: Format, open_files: ExitStack) -> tuple[Iterator[Line], list[str]]:
    csv.field_size_limit(LONGEST_LINE)
    # What is not UTF-8 becomes lone surrogates, which are found row by row.
    errors = "surrogateescape" if format.encoding == "utf-8" else "replace"
    text = open_files.enter_context(io.TextIOWrapper(stream, format.encoding, errors, newline=""))
    lines = iter(lambda: text.readline(LONGEST_LINE), "")
    try:
        columns = [made_storable(name.strip()) for name in next(csv.reader(lines, delimiter=format.delimiter), [])]
    except csv.Error as error:
        raise Unreadable(f"The first line is not CSV: {error}.") from None
    return _csv_lines(csv.reader(lines, delimiter=format.delimiter, strict=True), len(columns)), columns


def _csv_lines(reader: Any, columns: int) -> Iterator[Line]:
    while True:
        number = reader.line_num + 2  # after the header, and where the row begins, if it spans several lines
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            until = f"up to line {reader.line_num + 1} this is read as one row"
            yield Line(number, None, error=f"Not CSV: {error}; {until}.")
            continue
        if not values:
            continue
        if len(values) != columns:
            yield Line(number, values, error=f"{len(values)} columns where the first line has {columns}.")
        elif not storable("".join(values)):
            yield Line(number, values, error="Not UTF-8, or with U+0000 in it.")
        else:
            yield Line(number, values)
