"""The format of a file, detected from its beginning."""

import re
from dataclasses import dataclass
from typing import Literal

from app.core.errors import BadRequest

DELIMITERS = ",;\t|"
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 LE (no BOM)",
    "cp1252": "Windows (Western Europe)",
}
"""The encodings that spreadsheets write, by Python's names."""

SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""A first line that tells a spreadsheet the separator."""

_BODY = re.compile(rb'\s*\{\s*"customers"\s*:')
_ARRAY = re.compile(rb"\s*\[\s*\{")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_CONTROL = re.compile("[\0-\x08\x0e-\x1f]")
_MAX_CONTROL = 1 / 12
"""The share of control characters above which a file is not text: of compressed data, one byte in nine is one."""


class UnreadableFile(BadRequest):
    code = "UNREADABLE_FILE"
    explanation = "The file as a whole cannot be read; nothing of it was applied."


@dataclass(frozen=True)
class FileFormat:
    """How a file is written; all but `kind` concern CSV only."""

    kind: Literal["csv", "json lines", "json body", "json array"]
    encoding: str = "utf-8"
    delimiter: str = ","
    header: bool = True
    """Whether the first row holds the names of the columns."""


def detect_format(start: bytes) -> FileFormat:
    """Return the format of a file that begins like this. Raises UnreadableFile if it is not text."""
    if start.startswith(_WORKBOOKS):
        raise UnreadableFile(
            "Excel workbooks aren't supported. In Excel choose Save as › CSV UTF-8, then upload that file."
        )
    if _BODY.match(start):
        return FileFormat("json body")
    if _ARRAY.match(start):
        return FileFormat("json array")
    if start.lstrip().startswith(b"{"):
        return FileFormat("json lines")
    encoding = _encoding(start)
    text = start.decode(encoding, errors="replace").lstrip("\ufeff")
    if len(_CONTROL.findall(text)) > len(text) * _MAX_CONTROL:
        raise UnreadableFile("This isn't a text file. Upload CSV or JSON Lines.")
    if encoding != "utf-8" and text.lstrip().startswith(("{", "[")):
        raise UnreadableFile(f"JSON must be UTF-8; this file is {ENCODINGS[encoding]}. Save it as UTF-8.")
    return FileFormat("csv", encoding, _delimiter(text))


def _delimiter(text: str) -> str:
    first = next(filter(None, map(str.strip, text.splitlines())), "")
    declared = SEPARATOR_LINE.fullmatch(first)
    return declared[1] if declared and declared[1] in DELIMITERS else max(DELIMITERS, key=first.count)


def _encoding(start: bytes) -> str:
    """Return UTF-16 for its BOM or when every other byte is zero; else UTF-8, or Windows' if most of it is invalid."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if start[1::2].count(0) > len(start) / 4:
        return "utf-16-le"
    text = start.decode(errors="surrogateescape")
    invalid = sum("\udc80" <= letter <= "\udcff" for letter in text[:-3])  # the last one may be cut in two
    valid = sum(letter > "\x7f" for letter in text) - invalid
    return "utf-8" if invalid <= valid else "cp1252"
