"""A file without the rows about some customers."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

import orjson

from app.files.cells import trim_cell, unescape_id
from app.files.columns import detect_columns, is_header
from app.files.formats import FileFormat, UnreadableFile
from app.files.lines import CountingReader, TooLong, json_array
from app.files.notes import FileNotes
from app.files.workbooks import open_workbook

IsAbout = Callable[[str | None, list[str]], bool]
"""Decides by the id of a row, None where it is not known, and all its texts."""

_TOKENS = re.compile(r'"((?:[^"\\]|\\.)*)"?|([^\s",;:{}\[\]]+)')
_NOT_LINE_ENDS = re.compile(r"[^\r\n]+")


def rows_without(stream: IO[bytes], format: FileFormat, roles: list[str] | None, is_about: IsAbout) -> Iterator[bytes]:
    """Yield the bytes of an uncompressed file in which each line of a row that `is_about` finds is empty.

    So the other rows keep their line numbers. Elements of a JSON array are left out. Raises UnreadableFile.
    """
    if format.kind == "csv":
        yield from _csv_without(stream, format, roles, is_about)
    elif format.kind == "json lines":
        for line in stream:
            yield b"\n" if is_about(*_described(_parse(line))) else line
    elif format.kind == "workbook":
        yield _workbook_without(stream.read(), is_about)
    else:
        yield from _array_without(stream, format, is_about)


def texts_of(row: Any) -> list[str]:
    """Return all texts of a parsed row: its cells, or the members of its JSON; the words of a text that is no JSON."""
    if isinstance(row, str):
        return [quoted or word for quoted, word in _TOKENS.findall(row)]
    if isinstance(row, dict):
        return [text for name, item in row.items() for text in (name, *_texts_in(item))]
    return [text for item in row for text in _texts_in(item)] if isinstance(row, list) else []


def _texts_in(item: Any) -> list[str]:
    return [item] if isinstance(item, str) else texts_of(item) if isinstance(item, dict | list) else []


def _parse(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.decode(errors="replace")


def _described(row: Any) -> tuple[str | None, list[str]]:
    id_ = row.get("document_id") if isinstance(row, dict) else None
    return id_ if isinstance(id_, str) else None, texts_of(row)


def _workbook_without(content: bytes, is_about: IsAbout) -> bytes:
    """Return the workbook. Raises UnreadableFile if one of its sheets has such a row."""
    sheets = open_workbook(io.BytesIO(content), None, FileNotes()).sheets
    found = [
        line.number
        for sheet in sheets
        for line in open_workbook(io.BytesIO(content), sheet, FileNotes()).rows
        if is_about(None, [trim_cell(cell) for cell in line.row])
    ]
    if found:
        raise UnreadableFile("A row of the workbook is about an erased customer.")
    return content


def _array_without(stream: IO[bytes], format: FileFormat, is_about: IsAbout) -> Iterator[bytes]:
    body = format.kind == "json body"
    yield b'{"customers": [' if body else b"["
    separator = b""
    for line in json_array(stream, format):
        if not is_about(*_described(line.row)):
            yield separator + (line.text or "null").encode("utf-8", "replace")
            separator = b",\n"
    yield b"]}" if body else b"]"


def _csv_without(stream: IO[bytes], format: FileFormat, roles: list[str] | None, is_about: IsAbout) -> Iterator[bytes]:
    errors = "surrogatepass" if format.encoding.startswith("utf-16") else "surrogateescape"
    encoder = codecs.getincrementalencoder(format.encoding)(errors)
    reader = CountingReader(io.TextIOWrapper(stream, format.encoding, errors, newline=""))
    rows = csv.reader(reader, delimiter=format.delimiter, strict=True)
    while True:
        reader.row.clear()
        try:
            cells = [unescape_id(trim_cell(cell)) for cell in next(rows)]
        except StopIteration:
            return
        except (csv.Error, TooLong):
            text = "".join(reader.row)
            about = is_about(None, texts_of(text) + text.split(format.delimiter))
        else:
            if roles is None and is_header(cells):
                roles = detect_columns(cells)
            about = is_about(_id_cell(cells, roles), cells)
        text = "".join(reader.row)
        yield encoder.encode(_NOT_LINE_ENDS.sub("", text) if about else text)


def _id_cell(cells: list[str], roles: list[str] | None) -> str | None:
    position = roles.index("document_id") if roles and "document_id" in roles else len(cells)
    return cells[position] if position < len(cells) else None
