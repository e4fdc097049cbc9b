"""What each column of a CSV holds, and what a row, of a CSV or of JSON Lines, says about a customer."""

import csv
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from app.core.errors import InvalidInput
from app.core.models.customers import MAX_LENGTHS, PROFILE_FIELD_NAMES, PROFILE_FIELDS
from app.core.models.segments import Segments
from app.core.search.terms import fold_accents
from app.files.cells import EMPTY_WORDS, MAX_EMPTY_WORD_LENGTH, trim_cell, unescape_cell, unescape_id
from app.files.formats import FileFormat
from app.files.lines import Line
from app.files.notes import FileNotes
from app.serialization.request_schemas import parse_profile, parse_segments

IGNORED = ""
SEGMENT_OF = "segment:"
"""`segment:membership`: each cell that is not empty is the value of a segment of that type."""
TAGS_OF = "tags:"
"""`tags:Tags`: a cell lists values of segments of that type, separated by commas, or by semicolons if it has none."""
NAME_PARTS = ("first_name", "last_name")
COLUMN_ROLES = ("document_id", *PROFILE_FIELD_NAMES, *NAME_PARTS, "segments", "type", "value", "row")
"""What a column may hold: a profile field, a part of the name, all segments as JSON, or the type and value of one
segment (then a customer has as many rows as segments); or, in a file of rejected rows, a JSON row."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "document_id": (
        *("documentid", "document", "documento", "id", "customerid", "cedula", "dni", "cpf", "nit"),
        *("recordid", "recordidcontact", "contactid", "clientid", "idcliente", "userid", "euid", "leid"),
    ),
    **{field.name: field.synonyms for field in PROFILE_FIELDS},
    "first_name": ("firstname", "givenname", "primernombre", "nombres", "primeironome"),
    "last_name": ("lastname", "surname", "familyname", "apellido", "apellidos", "sobrenome"),
    "segments": ("segmentos",),
    "type": ("tipo", "segmenttype", "tipodesegmento"),
    "value": ("valor", "segmentvalue", "valordesegmento"),
}
_ROUNDED = re.compile(r"[0-9]+([.,][0-9]+)?E\+[0-9]+")
"""How a spreadsheet writes a large number: what stood there is lost."""

_ADDED_TO_REJECTED = ("line", "error")
"""The columns that we add to a file of rejected rows."""


class CustomerEntry(NamedTuple):
    """What a file says about a customer; `segments` is None where it says nothing about them."""

    document_id: str
    profile: dict[str, str | None]
    segments: Segments | None
    lines: tuple[int, ...] = ()
    """The numbers of its lines: of several, if the file has one for each segment."""


def detect_columns(columns: Sequence[str]) -> list[str]:
    """Return the role of each column that its name tells; `IGNORED` for the others."""
    plain = ["".join(filter(str.isalnum, fold_accents(name))) for name in columns]
    roles = [IGNORED] * len(columns)
    for role in COLUMN_ROLES:
        names = (role.replace("_", ""), *SYNONYMS.get(role, ()))
        found = (plain.index(name) for name in names if name in plain)
        position = next((position for position in found if not roles[position]), None)
        if position is not None:
            roles[position] = role
    roles = [IGNORED if name in _ADDED_TO_REJECTED else role for name, role in zip(plain, roles, strict=True)]
    return _choose_name_columns(roles)


def _choose_name_columns(roles: list[str]) -> list[str]:
    """Take the whole name where a file has it; Nombre beside Apellidos is the first name."""
    if "name" not in roles or not {*NAME_PARTS} & {*roles}:
        return roles
    if "first_name" in roles:
        return [IGNORED if role in NAME_PARTS else role for role in roles]
    return ["first_name" if role == "name" else role for role in roles]


def is_header(cells: Sequence[str]) -> bool:
    """Return whether a row names the columns: one of them holds the ID."""
    return not {"document_id", "row"}.isdisjoint(detect_columns([trim_cell(cell) for cell in cells]))


def validate_columns(roles: Sequence[str]) -> str | None:
    """Return why a file cannot be read with these roles; None if it can."""
    if "row" in roles:
        return None
    if "document_id" not in roles:
        return "Choose which column is the ID (document_id)."
    repeated = [role for role in {*roles} - {IGNORED} if roles.count(role) > 1]
    if repeated:
        return f"Two columns are matched to {repeated[0].removeprefix(SEGMENT_OF).removeprefix(TAGS_OF)}."
    if "name" in roles and not {*NAME_PARTS}.isdisjoint(roles):
        return "Match either the name or its parts, first name and last name."
    return _validate_segment_columns(roles)


def _validate_segment_columns(roles: Sequence[str]) -> str | None:
    if ("type" in roles) != ("value" in roles):
        return "Match both a segment type and a segment value column."
    whole = [role for role in roles if role == "segments" or role.startswith((SEGMENT_OF, TAGS_OF))]
    if "type" in roles and whole:
        return "Match either one segment per row (type and value) or all segments in one row, not both."
    return None


def make_row_parser(
    format: FileFormat, roles: Sequence[str] | None, notes: FileNotes, *, clear_empty: bool = True
) -> Callable[[Line], CustomerEntry]:
    """Return a function from a line to an entry that raises InvalidInput; `roles` are those of a CSV's columns.

    With `clear_empty`, an empty cell clears the field of the customer; otherwise it leaves it unchanged.
    """
    if not format.has_columns or roles is None:
        return lambda line: _json_entry(_checked_row(line))
    return CsvRows(roles, notes, clear_empty=clear_empty).entry


def _checked_row(line: Line) -> Any:
    if line.error:
        raise InvalidInput(iter([("", line.error)]), "the line")
    return line.row


def _json_entry(row: Any) -> CustomerEntry:
    profile = parse_profile(row)
    document_id, segments = profile.pop("document_id"), profile.pop("segments", None)
    return CustomerEntry(document_id, profile, segments)


class CsvRows:
    """Parses the rows of a CSV whose columns have these roles."""

    def __init__(self, roles: Sequence[str], notes: FileNotes, *, clear_empty: bool) -> None:
        positions = {role: position for position, role in enumerate(roles) if role != IGNORED}
        self.notes, self.clear_empty = notes, clear_empty
        self.document_id = positions.get("document_id", -1)
        self.profile = [(field, positions[field]) for field in PROFILE_FIELD_NAMES if field in positions]
        self.name_parts = [positions[part] for part in NAME_PARTS if part in positions]
        self.segments = positions.get("segments")
        self.pair = (positions["type"], positions["value"]) if "type" in positions else None
        self.typed = [
            (role.removeprefix(SEGMENT_OF), n) for role, n in positions.items() if role.startswith(SEGMENT_OF)
        ]
        self.tags = [(role.removeprefix(TAGS_OF), n) for role, n in positions.items() if role.startswith(TAGS_OF)]
        self.row = positions.get("row")

    def entry(self, line: Line) -> CustomerEntry:
        cells = _checked_row(line)
        if self.row is not None:
            return _json_entry(_json(unescape_cell(cells[self.row]), "row"))
        document_id = unescape_id(self._trim(cells[self.document_id]))
        profile = self._profile(cells)
        if not 0 < len(document_id) <= MAX_LENGTHS["document_id"] or any(
            value and len(value) > MAX_LENGTHS[field] for field, value in profile.items()
        ):
            if not document_id:
                raise InvalidInput(iter([("", "document_id is empty.")]), "the line")
            parse_profile({"document_id": document_id, **profile})  # raises InvalidInput with the reason
        return CustomerEntry(document_id, profile, self._segments(cells))

    def _profile(self, cells: list[str]) -> dict[str, str | None]:
        profile: dict[str, str | None] = {field: self._text(cells[n]) for field, n in self.profile}
        if self.name_parts:
            profile["name"] = " ".join(filter(None, (self._text(cells[n]) for n in self.name_parts))) or None
        if not self.clear_empty:
            return {field: value for field, value in profile.items() if value is not None}
        self.notes.emptied += list(profile.values()).count(None)
        self.notes.note_email(profile.get("email"))
        return profile

    def _text(self, cell: str) -> str | None:
        text = unescape_cell(self._trim(cell))
        if len(text) <= MAX_EMPTY_WORD_LENGTH and text.lower() in EMPTY_WORDS:
            self.notes.empty_words += 1
        return text or None

    def _trim(self, cell: str) -> str:
        trimmed = trim_cell(cell)
        if trimmed != cell:
            self.notes.trimmed += 1
        if "E+" in trimmed and _ROUNDED.fullmatch(trimmed):
            self.notes.rounded_numbers += 1
        return trimmed

    def _segments(self, cells: list[str]) -> Segments | None:
        if self.pair:
            type_, value = (unescape_cell(cells[n]) for n in self.pair)
            if bool(type_) != bool(value):
                error = "type and value go together; leave both empty for no segments."
                raise InvalidInput(iter([("value", error)]), "the line")
            return [{"type": type_, "value": value}] if type_ else []
        if self.segments is None and not self.typed and not self.tags:
            return None
        segments: Segments = []
        if self.segments is not None and cells[self.segments]:
            segments = parse_segments(_json(cells[self.segments], "segments"))
        typed = [{"type": type_, "value": unescape_cell(cells[n])} for type_, n in self.typed if cells[n]]
        tags = [{"type": type_, "value": tag} for type_, n in self.tags for tag in _split_tags(cells[n])]
        return segments + typed + tags


def _split_tags(cell: str) -> list[str]:
    """Split `VIP, Bogotá` or `"VIP","Bogotá"` at its commas; without any, `VIP; Bogotá` at its semicolons."""
    text = unescape_cell(cell)
    try:
        values = next(csv.reader([text], delimiter="," if "," in text else ";", skipinitialspace=True), [])
    except csv.Error:
        values = [cell]
    return [value.strip() for value in values if value.strip()]


def _json(text: str, column: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        shape = '[{"type": "…", "value": "…"}]' if column == "segments" else '{"document_id": "…"}'
        raise InvalidInput(iter([(column, f"Must be JSON: {shape}.")]), "the line") from None
