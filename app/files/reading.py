"""Opening files: CSV, JSON Lines, the endpoint's JSON body and workbooks, gzipped or not, as numbered rows."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, Any, cast

from app.files.columns import is_header
from app.files.formats import FileFormat, KnownFormat, UnreadableFile, detect_format
from app.files.lines import Line, csv_rows, json_array, json_lines, table_rows
from app.files.notes import FileNotes
from app.files.workbooks import open_workbook

_DETECTED = KnownFormat()

SNIFF_SIZE = 64 * 1024
"""Bytes at the beginning from which the format is detected."""


@dataclass
class Source:
    """An open file: its rows, its format, and how many of its bytes were read so far."""

    lines: Iterator[Line]
    format: FileFormat
    columns: list[str] | None
    """The header of a CSV or a sheet; None for JSON."""
    position: Callable[[], int]
    size: int | None
    notes: FileNotes = field(default_factory=FileNotes)
    sheets: list[str] = field(default_factory=list)
    """The sheets of a workbook."""


@contextmanager
def open_path(path: str, known: KnownFormat = _DETECTED) -> Iterator[Source]:
    """Open the file at `path`, `-` for standard input. Raises UnreadableFile, also while reading."""
    try:
        raw = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 - closed by `open_stream`
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be opened: {error.strerror}.") from None
    with open_stream(cast(io.RawIOBase, raw), known=known) as source:
        yield source


@contextmanager
def open_stream(
    raw: io.RawIOBase,
    format: FileFormat | None = None,
    *,
    known: KnownFormat = _DETECTED,
    max_uncompressed: float = float("inf"),
) -> Iterator[Source]:
    """Read an open file in this format, or as detected, and close it. Raises UnreadableFile.

    A gzip may have `max_uncompressed` bytes: a few megabytes can be made to expand to terabytes.
    """
    size = _size(raw)
    position = raw.tell if size else (lambda: 0)
    with open_plain(raw, format, known=known, max_uncompressed=max_uncompressed) as opened:
        plain, format = opened
        with ExitStack() as open_files:
            yield _source(plain, format, position, size, open_files)


@contextmanager
def open_plain(
    raw: io.RawIOBase,
    format: FileFormat | None = None,
    *,
    known: KnownFormat = _DETECTED,
    max_uncompressed: float = float("inf"),
) -> Iterator[tuple["io.BufferedReader[Any]", FileFormat]]:
    """Open a file as uncompressed bytes after a byte order mark, with its format. Raises UnreadableFile."""
    with io.BufferedReader(raw, SNIFF_SIZE) as compressed:
        gzipped = compressed.peek(2)[:2] == b"\x1f\x8b"
        plain = compressed
        if gzipped:
            plain = io.BufferedReader(cast(io.RawIOBase, _BoundedGzip(compressed, max_uncompressed)), SNIFF_SIZE)
        with plain:
            try:
                start = _start(plain)
                yield plain, format or detect_format(start, known)
            except (gzip.BadGzipFile, zlib.error, EOFError, OSError, UnicodeError) as error:
                raise UnreadableFile(f"The file cannot be read: {error}.") from None


class _BoundedGzip(gzip.GzipFile):
    """A gzip stream that raises UnreadableFile past a number of uncompressed bytes."""

    def __init__(self, compressed: IO[bytes], limit: float) -> None:
        super().__init__(fileobj=compressed)
        self._limit, self._read = limit, 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self._read += len(content)
        if self._read > self._limit:
            raise UnreadableFile(f"The uncompressed file exceeds {self._limit:,} bytes. Split it.")
        return content


def _start(stream: "io.BufferedReader[Any]") -> bytes:
    """Return the beginning of the file, after a UTF-8 byte order mark, which is skipped."""
    start = stream.peek(SNIFF_SIZE)[:SNIFF_SIZE]
    if start.startswith(b"\xef\xbb\xbf"):
        stream.read(3)
        return start[3:]
    return start


def _size(raw: io.RawIOBase) -> int | None:
    if not raw.seekable():
        return None
    end = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    return end


def _source(
    stream: "io.BufferedReader[Any]",
    format: FileFormat,
    position: Callable[[], int],
    size: int | None,
    open_files: ExitStack,
) -> Source:
    of_json = {"json body": json_array, "json array": json_array, "json lines": json_lines}.get(format.kind)
    if of_json:
        return Source(of_json(stream, format), format, None, position, size)
    notes = FileNotes()
    if format.kind == "workbook":
        workbook = open_workbook(stream, format.sheet, notes)
        lines, columns = table_rows(workbook.rows, format, notes, is_header)
        return Source(lines, replace(format, sheet=workbook.sheet), columns, position, size, notes, workbook.sheets)
    lines, columns = csv_rows(stream, format, open_files, notes, is_header)
    return Source(lines, format, columns, position, size, notes)
