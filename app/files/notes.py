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

    def note_segments(self, segments: Segments) -> None:
        self.repeated_segments += len({(pair["type"], pair["value"]) for pair in segments}) < len(segments)

    def note_email(self, email: str | None) -> None:
        self.invalid_emails += bool(email) and not _EMAIL.fullmatch(email or "")

    def to_dict(self) -> dict[str, int]:
        return {name: count for name, count in asdict(self).items() if count}


TEXTS: dict[str, Callable[[str], str]] = {
    "skipped_lines": lambda n: f"{n} above the header skipped",
    "repeated_headers": lambda n: f"{n} with the header again skipped",
    "trimmed": lambda n: f"{n} with spaces or invisible characters around the text, which were removed",
    "emptied": lambda n: f"{n}: they clear the field of the customer",
    "empty_words": lambda n: f"{n} with a word such as NULL or #N/A, taken as text",
    "invalid_emails": lambda n: f"{n} that is not an email address, imported as it is",
    "repeated_segments": lambda n: f"{n} with the same segment more than once, kept as in the file",
}
_UNITS = {
    "skipped_lines": "line",
    "repeated_headers": "line",
    "trimmed": "cell",
    "emptied": "empty cell",
    "empty_words": "cell",
    "invalid_emails": "email",
    "repeated_segments": "customer",
}


def describe_notes(notes: dict[str, int]) -> list[str]:
    """Return a sentence for each kind of note."""
    return [TEXTS[name](f"{count:,} {_UNITS[name]}{'' if count == 1 else 's'}") for name, count in notes.items()]
