"""Opening files: CSV, JSON Lines and the endpoint's JSON body, plain or gzipped, as one stream of numbered rows."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

from app.files.formats import FileFormat, UnreadableFile, detect_format
from app.files.lines import Line, csv_rows, json_array, json_lines

SNIFF_SIZE = 64 * 1024
"""Bytes at the beginning by which a file is recognised."""


@dataclass
class Source:
    """An open file: its lines, how it is written, and how many bytes of it were read so far."""

    lines: Iterator[Line]
    format: FileFormat
    columns: list[str] | None
    """The header of a CSV; None for JSON."""
    position: Callable[[], int]
    size: int | None


@contextmanager
def open_path(path: str) -> Iterator[Source]:
    """The rows of the file at `path`, `-` for standard input. Raises Unreadable, also while reading."""
    try:
        raw = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 - closed by `open_stream`
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be opened: {error.strerror}.") from None
    with open_stream(cast(io.RawIOBase, raw)) as source:
        yield source


@contextmanager
def open_stream(
    raw: io.RawIOBase, format: FileFormat | None = None, *, most_unpacked: float = float("inf")
) -> Iterator[Source]:
    """The rows of an open file, closed afterwards; in this format, or as recognised. Raises Unreadable.

    What is packed may have `most_unpacked` bytes: a few megabytes can be made to become terabytes.
    """
    size = _size(raw)
    position = raw.tell if size else (lambda: 0)
    with io.BufferedReader(raw, SNIFF_SIZE) as packed:
        zipped = packed.peek(2)[:2] == b"\x1f\x8b"
        plain = packed
        if zipped:
            plain = io.BufferedReader(cast(io.RawIOBase, _BoundedGzip(packed, most_unpacked)), SNIFF_SIZE)
        with ExitStack() as open_files:
            open_files.callback(plain.close)
            try:
                yield _source(plain, format, position, size, open_files)
            except (gzip.BadGzipFile, zlib.error, EOFError, OSError, UnicodeError) as error:
                raise UnreadableFile(f"The file cannot be read: {error}.") from None


class _BoundedGzip(gzip.GzipFile):
    """What is in a packed file, as long as there is not more of it than that."""

    def __init__(self, packed: IO[bytes], most: float) -> None:
        super().__init__(fileobj=packed)
        self._most, self._read = most, 0

    def read(self, size: int | None = -1) -> bytes:
        part = super().read(size)
        self._read += len(part)
        if self._read > self._most:
            raise UnreadableFile(f"Unpacked, the file has more than {self._most:,} bytes. Load it in parts.")
        return part


def _size(raw: io.RawIOBase) -> int | None:
    if not raw.seekable():
        return None
    end = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    return end


def _source(
    stream: "io.BufferedReader[Any]",
    format: FileFormat | None,
    position: Callable[[], int],
    size: int | None,
    open_files: ExitStack,
) -> Source:
    start = stream.peek(SNIFF_SIZE)[:SNIFF_SIZE]
    if start.startswith(b"\xef\xbb\xbf"):
        stream.read(3)
        start = start[3:]
    format = format or detect_format(start)
    of_json = {"json body": json_array, "json array": json_array, "json lines": json_lines}.get(format.kind)
    if of_json:
        return Source(of_json(stream, format), format, None, position, size)
    lines, columns = csv_rows(stream, format, open_files)
    return Source(lines, format, columns, position, size)
