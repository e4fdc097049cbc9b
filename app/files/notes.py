"""What a file does silently and its reader should know: counted while it is read, shown with the preview."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

from app.core.models.segments import Segments

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass
class FileNotes:
    """How often each of these occurred."""

    skipped_lines: int = 0
    """Lines above the header."""
    repeated_headers: int = 0
    trimmed: int = 0
    emptied: int = 0
    """Empty cells that clear a field."""
    empty_words: int = 0
    invalid_emails: int = 0
    repeated_segments: int = 0
    rounded_numbers: int = 0
    """Numbers of a workbook with more digits than a spreadsheet keeps, or of a CSV such as 1.23E+12."""
    unlisted_segments: int = 0
    """Segments that are not in the list of their type, which is not closed."""

    def note_segments(self, segments: Segments) -> None:
        self.repeated_segments += len({(pair["type"], pair["value"]) for pair in segments}) < len(segments)

    def note_email(self, email: str | None) -> None:
        self.invalid_emails += bool(email) and not _EMAIL.fullmatch(email or "")

    def to_dict(self) -> dict[str, int]:
        return {name: count for name, count in asdict(self).items() if count}


Plural = Callable[..., str]
"""`ngettext` of Flask-Babel, or `english_plural`, which has the same parameters."""

TEXTS: dict[str, Callable[[Plural, int, str], str]] = {
    "skipped_lines": lambda ngettext, n, count: ngettext(
        "%(count)s line above the header skipped",
        "%(count)s lines above the header skipped",
        n,
        count=count,
    ),
    "repeated_headers": lambda ngettext, n, count: ngettext(
        "%(count)s line with the header again skipped",
        "%(count)s lines with the header again skipped",
        n,
        count=count,
    ),
    "trimmed": lambda ngettext, n, count: ngettext(
        "%(count)s cell with spaces or invisible characters around the text, which were removed",
        "%(count)s cells with spaces or invisible characters around the text, which were removed",
        n,
        count=count,
    ),
    "emptied": lambda ngettext, n, count: ngettext(
        "%(count)s empty cell: it clears the field of the customer",
        "%(count)s empty cells: they clear the field of the customer",
        n,
        count=count,
    ),
    "empty_words": lambda ngettext, n, count: ngettext(
        "%(count)s cell with a word such as NULL or #N/A, taken as text",
        "%(count)s cells with a word such as NULL or #N/A, taken as text",
        n,
        count=count,
    ),
    "invalid_emails": lambda ngettext, n, count: ngettext(
        "%(count)s email that is not an email address, imported as it is",
        "%(count)s emails that are not email addresses, imported as they are",
        n,
        count=count,
    ),
    "repeated_segments": lambda ngettext, n, count: ngettext(
        "%(count)s customer with the same segment more than once, kept as in the file",
        "%(count)s customers with the same segment more than once, kept as in the file",
        n,
        count=count,
    ),
    "rounded_numbers": lambda ngettext, n, count: ngettext(
        "%(count)s number that a spreadsheet may have rounded, such as 1.23E+12: format the column as text",
        "%(count)s numbers that a spreadsheet may have rounded, such as 1.23E+12: format the columns as text",
        n,
        count=count,
    ),
    "unlisted_segments": lambda ngettext, n, count: ngettext(
        "%(count)s segment that isn't in the list of its type",
        "%(count)s segments that aren't in the list of their type",
        n,
        count=count,
    ),
}


def english_plural(singular: str, plural: str, n: int, count: str) -> str:
    return (singular if n == 1 else plural) % {"count": count}


def describe_notes(
    notes: dict[str, int], ngettext: Plural = english_plural, number: Callable[[int], str] = "{:,}".format
) -> list[str]:
    """Return a sentence for each kind of note: in English, unless a page passes its translation and its numbers."""
    return [TEXTS[name](ngettext, count, number(count)) for name, count in notes.items()]
