"""What each column of a CSV is, and what a row, a CSV's or a JSON line, says of a customer."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from app.core.errors import InvalidInput
from app.core.models.customers import MAX_LENGTHS, PROFILE_FIELD_NAMES, PROFILE_FIELDS
from app.core.models.segments import Segments
from app.core.search.terms import fold_accents
from app.files.export import unescape_formula
from app.files.formats import FileFormat
from app.files.lines import Line
from app.serialization.request_schemas import parse_profile

IGNORED = ""
SEGMENT_OF = "segment:"
"""`segment:membership`: each cell that is not empty is the value of a segment of that type."""
COLUMN_ROLES = ("document_id", *PROFILE_FIELD_NAMES, "segments", "type", "value", "row")
"""What a column may hold: the customer's facts, her segments as JSON, or one segment's type and value, of which she has
as many rows as segments; or (in a file of rejected lines) a whole JSON line."""

SYNONYMS = {
    "document_id": ("documentid", "document", "documento", "id", "customerid", "cedula", "dni", "cpf", "nit"),
    **{field.name: field.synonyms for field in PROFILE_FIELDS},
    "segments": ("segmentos",),
    "type": ("tipo", "segmenttype", "tipodesegmento"),
    "value": ("valor", "segmentvalue", "valordesegmento"),
}
_OUR_OWN = ("line", "error")
"""What was added to the columns of a file of rejected lines."""


class CustomerEntry(NamedTuple):
    """What a file says of a customer; `segments` is None where it says nothing of them."""

    document_id: str
    facts: dict[str, str | None]
    segments: Segments | None


def detect_columns(columns: Sequence[str]) -> list[str]:
    """The meaning of each column as far as its name tells it; `IGNORED` for the others."""
    plain = ["".join(filter(str.isalnum, fold_accents(name))) for name in columns]
    meanings = [IGNORED] * len(columns)
    for meaning in COLUMN_ROLES:
        names = (meaning.replace("_", ""), *SYNONYMS.get(meaning, ()))
        found = (plain.index(name) for name in names if name in plain)
        position = next((position for position in found if not meanings[position]), None)
        if position is not None:
            meanings[position] = meaning
    return [IGNORED if name in _OUR_OWN else meaning for name, meaning in zip(plain, meanings, strict=True)]


def validate_columns(meanings: Sequence[str]) -> str | None:
    """Why a file cannot be read with these columns; None if it can."""
    if "row" in meanings:
        return None
    if "document_id" not in meanings:
        return "One column must hold the document_id."
    twice = [meaning for meaning in {*meanings} - {IGNORED} if meanings.count(meaning) > 1]
    if twice:
        of_type, type_ = twice[0].startswith(SEGMENT_OF), twice[0].removeprefix(SEGMENT_OF)
        return f"Two columns cannot both hold the {f'values of the type {type_}' if of_type else type_}."
    if ("type" in meanings) != ("value" in meanings):
        return "Type and value go together: the file needs a column for each."
    whole = [meaning for meaning in meanings if meaning == "segments" or meaning.startswith(SEGMENT_OF)]
    if "type" in meanings and whole:
        return "A file has a row for each segment, or all of a customer's segments in one row, but not both."
    return None


def make_row_parser(format: FileFormat, meanings: Sequence[str] | None) -> Callable[[Line], CustomerEntry]:
    """What turns a line into an entry, or raises Invalid; `meanings` are those of a CSV's columns."""
    if format.kind != "csv" or meanings is None:
        return lambda line: _json_entry(_is_parsed(line))
    return _Rows(meanings).entry


def _is_parsed(line: Line) -> Any:
    if line.error:
        raise InvalidInput(iter([("line", line.error)]), "the line")
    return line.row


def _json_entry(row: Any) -> CustomerEntry:
    read = parse_profile(row)
    document_id, segments = read.pop("document_id"), read.pop("segments", None)
    return CustomerEntry(document_id, read, segments)


class _Rows:
    """Reads the rows of a CSV whose columns mean this."""

    def __init__(self, meanings: Sequence[str]) -> None:
        at = {meaning: position for position, meaning in enumerate(meanings) if meaning != IGNORED}
        self.document_id = at.get("document_id", -1)
        self.facts = [(fact, at[fact]) for fact in PROFILE_FIELD_NAMES if fact in at]
        self.segments = at.get("segments")
        self.pair = (at["type"], at["value"]) if "type" in at else None
        self.valued = [(meaning.removeprefix(SEGMENT_OF), n) for meaning, n in at.items() if SEGMENT_OF in meaning]
        self.row = at.get("row")

    def entry(self, line: Line) -> CustomerEntry:
        cells = _is_parsed(line)
        if self.row is not None:
            return _json_entry(_json(unescape_formula(cells[self.row]), "row"))
        # An empty cell empties the fact.
        facts = {fact: unescape_formula(cells[n]) or None for fact, n in self.facts}
        document_id = unescape_formula(cells[self.document_id])
        if not 0 < len(document_id) <= MAX_LENGTHS["document_id"] or any(
            value and len(value) > MAX_LENGTHS[fact] for fact, value in facts.items()
        ):
            parse_profile({"document_id": document_id, **facts})  # says what is wrong
        return CustomerEntry(document_id, facts, self._segments(cells))

    def _segments(self, cells: list[str]) -> Segments | None:
        if self.pair:
            type_, value = (unescape_formula(cells[n]) for n in self.pair)
            if bool(type_) != bool(value):
                error = "type and value go together; both empty stand for no segments."
                raise InvalidInput(iter([("value", error)]), "the line")
            return [{"type": type_, "value": value}] if type_ else []
        if self.segments is None and not self.valued:
            return None
        segments: Segments = []
        if self.segments is not None and cells[self.segments]:
            sent = _json(cells[self.segments], "segments")
            segments = parse_profile({"document_id": "1", "segments": sent})["segments"]
        return segments + [{"type": type_, "value": unescape_formula(cells[n])} for type_, n in self.valued if cells[n]]


def _json(text: str, column: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        shape = '[{"type": "…", "value": "…"}]' if column == "segments" else '{"document_id": "…"}'
        raise InvalidInput(iter([(column, f"Must be JSON: {shape}.")]), "the line") from None
