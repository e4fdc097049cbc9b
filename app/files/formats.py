"""How a file is written: recognised by its beginning, as far as it can be."""

import re
from dataclasses import dataclass
from typing import Literal

from app.core.errors import BadRequest

DELIMITERS = ",;\t|"
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 without a mark",
    "cp1252": "Windows (Western Europe)",
}
"""What spreadsheets write, by Python's names."""

SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""The line by which some tell a spreadsheet what stands between the columns."""

_BODY = re.compile(rb'\s*\{\s*"customers"\s*:')
_ARRAY = re.compile(rb"\s*\[\s*\{")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_CONTROL = re.compile("[\0-\x08\x0e-\x1f]")
_MAX_CONTROL = 1 / 12
"""The share of control characters from which on something is no text: of what is packed, one byte in nine is one."""


class UnreadableFile(BadRequest):
    code = "UNREADABLE_FILE"
    explanation = "The file as a whole cannot be read; nothing of it was applied."


@dataclass(frozen=True)
class FileFormat:
    """How a file is written; all but `kind` say something of a CSV only."""

    kind: Literal["csv", "json lines", "json body", "json array"]
    encoding: str = "utf-8"
    delimiter: str = ","
    header: bool = True
    """Whether the first line holds the names of the columns."""


def detect_format(start: bytes) -> FileFormat:
    """How a file that begins like this is written. Raises Unreadable if it is no text at all."""
    if start.startswith(_WORKBOOKS):
        raise UnreadableFile("This is a workbook or an archive. Save the sheet as “CSV UTF-8”, and load that.")
    if _BODY.match(start):
        return FileFormat("json body")
    if _ARRAY.match(start):
        return FileFormat("json array")
    if start.lstrip().startswith(b"{"):
        return FileFormat("json lines")
    encoding = _encoding(start)
    text = start.decode(encoding, errors="replace").lstrip("\ufeff")
    if len(_CONTROL.findall(text)) > len(text) * _MAX_CONTROL:
        raise UnreadableFile("This is no text: a picture, a program or something packed. Load a CSV or JSON Lines.")
    if encoding != "utf-8" and text.lstrip().startswith(("{", "[")):
        raise UnreadableFile(f"JSON is written in UTF-8, and this is {ENCODINGS[encoding]}. Save it as UTF-8.")
    return FileFormat("csv", encoding, _delimiter(text))


def _delimiter(text: str) -> str:
    first = next(filter(None, map(str.strip, text.splitlines())), "")
    said = SEPARATOR_LINE.fullmatch(first)
    return said[1] if said and said[1] in DELIMITERS else max(DELIMITERS, key=first.count)


def _encoding(start: bytes) -> str:
    """UTF-16 where a mark says so, or every other byte is nothing; else UTF-8, unless more of it is wrong than right:
    then as Windows writes it."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if start[1::2].count(0) > len(start) / 4:
        return "utf-16-le"
    text = start.decode(errors="surrogateescape")
    wrong = sum("\udc80" <= letter <= "\udcff" for letter in text[:-3])  # the last one may be cut in two
    right = sum(letter > "\x7f" for letter in text) - wrong
    return "utf-8" if wrong <= right else "cp1252"
