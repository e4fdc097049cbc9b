"""The format of a file, detected from its beginning."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.errors import BadRequest

DELIMITERS = ",;\t|"
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 LE (no BOM)",
    "utf-16-be": "UTF-16 BE (no BOM)",
    "cp1252": "Windows (Western Europe)",
    "mac-roman": "Mac (Western Europe)",
    "cp850": "DOS (Western Europe)",
}
"""The encodings that spreadsheets and older systems write, by Python's names."""

SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""A first line that tells a spreadsheet the separator."""

SAMPLED_LINES = 20
"""Lines by which the separator is chosen."""

_BODY = re.compile(rb'\s*\{\s*"customers"\s*:')
_ARRAY = re.compile(rb"\s*\[\s*\{")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx, .xlsb and .ods, which are zip archives, and .xls begin."""
_CONTROL = re.compile("[\0-\x08\x0e-\x1f]")
_MAX_CONTROL = 1 / 12
"""The share of control characters above which a file is not text: of compressed data, one byte in nine is one."""

_ONE_BYTE_ENCODINGS = ("cp1252", "mac-roman", "cp850")
_ACCENTED = frozenset("áéíóúüñçãõâêôàèìòùäöåßæøÁÉÍÓÚÜÑÇÃÕÂÊÔÀÈÌÒÙÄÖÅ")
"""The letters by which a one-byte encoding is recognised: in the wrong one, other characters stand for them."""


class UnreadableFile(BadRequest):
    code = "UNREADABLE_FILE"
    explanation = "The file as a whole cannot be read; nothing of it was applied."


@dataclass(frozen=True)
class FileFormat:
    """How a file is written; `encoding` and `delimiter` concern CSV only."""

    kind: Literal["csv", "json lines", "json body", "json array", "workbook"]
    encoding: str = "utf-8"
    delimiter: str = ","
    header: bool = True
    """Whether a CSV or workbook has a row with the names of the columns."""
    header_line: int = 0
    """The line of the header; 0 if it is to be found."""
    sheet: str | None = None
    """Which sheet of a workbook; None for the first that is not empty."""

    @property
    def has_columns(self) -> bool:
        """Return whether rows consist of cells."""
        return self.kind in ("csv", "workbook")


@dataclass(frozen=True)
class KnownFormat:
    """What is known of a file's format, and not to be detected."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    workbooks: bool = True
    """Whether workbooks are read."""


def detect_format(start: bytes, known: KnownFormat = KnownFormat()) -> FileFormat:
    """Return the format of a file that begins like this.

    Raises UnreadableFile if it is not text.
    """
    if start.startswith(_WORKBOOKS):
        if not known.workbooks:
            raise UnreadableFile("Workbooks aren't read here. Send CSV or JSON Lines.")
        return FileFormat("workbook", sheet=known.sheet)
    if _BODY.match(start):
        return FileFormat("json body")
    if _ARRAY.match(start):
        return FileFormat("json array")
    if start.lstrip().startswith(b"{"):
        return FileFormat("json lines")
    encoding = known.encoding or _detect_encoding(start)
    text = start.decode(encoding, errors="replace").lstrip("\ufeff")
    if len(_CONTROL.findall(text)) > len(text) * _MAX_CONTROL:
        raise UnreadableFile("This isn't a text file. Upload CSV or JSON Lines.")
    if encoding != "utf-8" and text.lstrip().startswith(("{", "[")):
        raise UnreadableFile(f"JSON must be UTF-8; this file is {ENCODINGS[encoding]}. Save it as UTF-8.")
    return FileFormat("csv", encoding, known.delimiter or _detect_delimiter(text))


def _detect_delimiter(text: str) -> str:
    """Return the separator that a first line declares, or the one that splits the rows most evenly.

    Quoted cells count as one, so that a comma in a name or an amount separates nothing.
    """
    lines = [line for line in re.split("\r\n|\r|\n", text) if line.strip(" \r\n")]
    declared = SEPARATOR_LINE.fullmatch(lines[0].strip(" ")) if lines else None
    if declared and declared[1] in DELIMITERS:
        return declared[1]
    sample = lines[:SAMPLED_LINES] if len(lines) <= SAMPLED_LINES else lines[: SAMPLED_LINES - 1]
    return max(DELIMITERS, key=lambda delimiter: _evenness(sample, delimiter))


def _evenness(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """Return the share of rows with as many cells as the widest common row, and the number of cells."""
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return 0.0, 0
    header = widths[0] if widths else 0
    if header < 2 and max(widths, default=0) < 2:
        return 0.0, 0
    common = max(set(widths), key=lambda width: (width > 1, widths.count(width), width))
    return widths.count(common) / len(widths), common


def _detect_encoding(start: bytes) -> str:
    """Return UTF-16 for its BOM or when every other byte is zero; else UTF-8, or a one-byte encoding."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding, odd in (("utf-16-le", 1), ("utf-16-be", 0)):
        if start[odd::2].count(0) > len(start) / 4:
            return encoding
    text = start.decode(errors="surrogateescape")
    invalid = sum("\udc80" <= letter <= "\udcff" for letter in text[:-3])  # the last one may be cut in two
    valid = sum(letter > "\x7f" for letter in text) - invalid
    return (
        "utf-8" if invalid <= valid else max(_ONE_BYTE_ENCODINGS, key=lambda encoding: _plausibility(start, encoding))
    )


def _plausibility(start: bytes, encoding: str) -> int:
    """Return how much better accented letters explain the bytes than other characters do."""
    letters = [letter for letter in start.decode(encoding, errors="surrogateescape") if letter > "\x7f"]
    return sum(1 if letter in _ACCENTED else -4 if letter >= "\ud800" else -1 for letter in letters)
