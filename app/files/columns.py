"""What each column of a CSV holds, and what a row, of a CSV or of JSON Lines, says about a customer."""

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
"""What a column may hold: a profile field, all segments as JSON, or the type and value of one segment (then a customer
has as many rows as segments); or, in a file of rejected rows, a JSON row."""

SYNONYMS = {
    "document_id": ("documentid", "document", "documento", "id", "customerid", "cedula", "dni", "cpf", "nit"),
    **{field.name: field.synonyms for field in PROFILE_FIELDS},
    "segments": ("segmentos",),
    "type": ("tipo", "segmenttype", "tipodesegmento"),
    "value": ("valor", "segmentvalue", "valordesegmento"),
}
_ADDED_TO_REJECTED = ("line", "error")
"""The columns that we add to a file of rejected rows."""


class CustomerEntry(NamedTuple):
    """What a file says about a customer; `segments` is None where it says nothing about them."""

    document_id: str
    profile: dict[str, str | None]
    segments: Segments | None


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
    return [IGNORED if name in _ADDED_TO_REJECTED else role for name, role in zip(plain, roles, strict=True)]


def validate_columns(roles: Sequence[str]) -> str | None:
    """Return why a file cannot be read with these roles; None if it can."""
    if "row" in roles:
        return None
    if "document_id" not in roles:
        return "Choose which column is the ID (document_id)."
    repeated = [role for role in {*roles} - {IGNORED} if roles.count(role) > 1]
    if repeated:
        segment_type = repeated[0].removeprefix(SEGMENT_OF)
        return f"Two columns are matched to {segment_type}."
    if ("type" in roles) != ("value" in roles):
        return "Match both a segment type and a segment value column."
    whole = [role for role in roles if role == "segments" or role.startswith(SEGMENT_OF)]
    if "type" in roles and whole:
        return "Match either one segment per row (type and value) or all segments in one row, not both."
    return None


def make_row_parser(format: FileFormat, roles: Sequence[str] | None) -> Callable[[Line], CustomerEntry]:
    """Return a function from a line to an entry that raises InvalidInput; `roles` are those of a CSV's columns."""
    if format.kind != "csv" or roles is None:
        return lambda line: _json_entry(_checked_row(line))
    return _CsvRows(roles).entry


def _checked_row(line: Line) -> Any:
    if line.error:
        raise InvalidInput(iter([("", line.error)]), "the line")
    return line.row


def _json_entry(row: Any) -> CustomerEntry:
    profile = parse_profile(row)
    document_id, segments = profile.pop("document_id"), profile.pop("segments", None)
    return CustomerEntry(document_id, profile, segments)


class _CsvRows:
    """Parses the rows of a CSV whose columns have these roles."""

    def __init__(self, roles: Sequence[str]) -> None:
        positions = {role: position for position, role in enumerate(roles) if role != IGNORED}
        self.document_id = positions.get("document_id", -1)
        self.profile = [(field, positions[field]) for field in PROFILE_FIELD_NAMES if field in positions]
        self.segments = positions.get("segments")
        self.pair = (positions["type"], positions["value"]) if "type" in positions else None
        self.typed = [(role.removeprefix(SEGMENT_OF), n) for role, n in positions.items() if SEGMENT_OF in role]
        self.row = positions.get("row")

    def entry(self, line: Line) -> CustomerEntry:
        cells = _checked_row(line)
        if self.row is not None:
            return _json_entry(_json(unescape_formula(cells[self.row]), "row"))
        # An empty cell empties the field.
        profile = {field: unescape_formula(cells[n]) or None for field, n in self.profile}
        document_id = unescape_formula(cells[self.document_id])
        if not 0 < len(document_id) <= MAX_LENGTHS["document_id"] or any(
            value and len(value) > MAX_LENGTHS[field] for field, value in profile.items()
        ):
            parse_profile({"document_id": document_id, **profile})  # raises InvalidInput with the reason
        return CustomerEntry(document_id, profile, self._segments(cells))

    def _segments(self, cells: list[str]) -> Segments | None:
        if self.pair:
            type_, value = (unescape_formula(cells[n]) for n in self.pair)
            if bool(type_) != bool(value):
                error = "type and value go together; leave both empty for no segments."
                raise InvalidInput(iter([("value", error)]), "the line")
            return [{"type": type_, "value": value}] if type_ else []
        if self.segments is None and not self.typed:
            return None
        segments: Segments = []
        if self.segments is not None and cells[self.segments]:
            parsed = _json(cells[self.segments], "segments")
            segments = parse_profile({"document_id": "1", "segments": parsed})["segments"]
        return segments + [{"type": type_, "value": unescape_formula(cells[n])} for type_, n in self.typed if cells[n]]


def _json(text: str, column: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        shape = '[{"type": "…", "value": "…"}]' if column == "segments" else '{"document_id": "…"}'
        raise InvalidInput(iter([(column, f"Must be JSON: {shape}.")]), "the line") from None
