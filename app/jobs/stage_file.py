"""Reading a file into the staging: every row checked, the valid ones kept, the others rejected with the reason."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.core.errors import InvalidInput
from app.core.models.segment_limit import limit_text
from app.core.models.segment_rules import NO_RULES, NOT_LISTED, TWO_VALUES, SegmentRules
from app.core.models.segments import SegmentPair, Segments
from app.files.cells import trim_cell, unescape_id
from app.files.columns import CustomerEntry, detect_columns, make_row_parser, validate_columns
from app.files.formats import UnreadableFile
from app.files.lines import Line
from app.files.notes import FileNotes
from app.files.reading import Source
from app.files.staging import Staging

Progress = Callable[[int], None]

PROGRESS_INTERVAL = 200
"""Lines."""


@dataclass(frozen=True)
class StagingOptions:
    roles: list[str] | None = None
    """What each column of a CSV holds; detected from the names of the columns if None."""
    clear_empty: bool = True
    """Whether an empty cell clears the field."""
    needs_segments: bool = False
    """Whether a row without segments is invalid."""
    only_profiles: bool = False
    """Whether a row with segments is invalid."""
    types: Collection[str] = ()
    """Segments of other types are invalid; empty for all."""
    max_rejected: float = float("inf")
    rules: SegmentRules = NO_RULES
    """Rows with segments that break them are invalid."""
    adds: bool = False
    """Whether the segments are added to those that customers have."""
    max_segments: int | None = None
    """Customers with more segments are rejected."""


@contextmanager
def stage_file(source: Source, progress: Progress, options: StagingOptions = StagingOptions()) -> Iterator[Staging]:
    """Check every row and stage the valid ones.

    Raises UnreadableFile, also for more than `max_rejected` rows with errors.
    """
    roles = options.roles
    if source.columns is not None and roles is None:
        roles = detect_columns(source.columns)
    error = _column_error(roles, source.columns)
    if error:
        raise UnreadableFile(f"Not valid JSON; read as CSV: {error}")
    parse_row = make_row_parser(source.format, roles, source.notes, clear_empty=options.clear_empty)
    id_column = roles.index("document_id") if roles and "document_id" in roles else None
    with Staging(source.notes, row_per_segment="type" in (roles or ())) as staging:
        rejected = 0
        for count, line in enumerate(source.lines):
            if count % PROGRESS_INTERVAL == 0:
                progress(source.position())
            try:
                staging.add(line, _checked(parse_row(line), options, source.notes))
            except InvalidInput as invalid:
                error = "; ".join(f"{path}: {text}" if path else text for path, text in invalid.details)
                staging.reject(line.number, error, line.raw, _cell(line, id_column))
                rejected += 1
                if rejected > options.max_rejected:
                    message = f"More than {options.max_rejected:,} rows have errors; the last one: {error}"
                    raise UnreadableFile(message) from None
        staging.finish(options.rules.single_types, options.max_segments)
        yield staging


def _column_error(roles: list[str] | None, columns: list[str] | None) -> str | None:
    if roles is None or columns is None:
        return None
    if len(roles) != len(columns):
        return f"The file has {len(columns)} columns, and {len(roles)} are named."
    return validate_columns(roles)


def _checked(entry: CustomerEntry, options: StagingOptions, notes: FileNotes) -> CustomerEntry:
    if options.needs_segments and entry.segments is None:
        raise InvalidInput(iter([("segments", "Required.")]), "the line")
    if options.only_profiles and entry.segments is not None:
        raise InvalidInput(iter([("segments", "Are changed by the actions replace, merge and remove.")]), "the line")
    if options.types:
        _check_types(entry.segments or [], options.types)
    _check_rules(entry.segments or [], options, notes)
    return entry


def _check_types(segments: Segments, types: Collection[str]) -> None:
    numbers = [n for n, pair in enumerate(segments) if pair["type"] not in types]
    if numbers:
        message = "Is not one of the types that the job may change."
        raise InvalidInput(((f"segments[{n}].type", message) for n in numbers), "the line")


def _check_rules(segments: Segments, options: StagingOptions, notes: FileNotes) -> None:
    """Raise InvalidInput for segments that break the rules of their type; note those that are not listed."""
    rules, errors = options.rules, []
    for n, pair in enumerate(map(SegmentPair.of, segments if rules.by_type else [])):
        if rules.is_refused(pair):
            errors.append((f"segments[{n}].value", NOT_LISTED))
        elif options.adds and pair.type in rules.single_types:
            errors.append((f"segments[{n}].type", "Takes one value: replace it, do not add to it."))
        notes.unlisted_segments += rules.is_unlisted(pair)
    if options.max_segments is not None and len(segments) > options.max_segments:
        errors.append(("segments", limit_text(options.max_segments)))
    if rules.with_two_values(segments):
        errors.append(("segments", TWO_VALUES))
    if errors:
        raise InvalidInput(iter(errors), "the line")


def _cell(line: Line, position: int | None) -> str | None:
    if position is None or not isinstance(line.row, list) or position >= len(line.row):
        return None
    return unescape_id(trim_cell(str(line.row[position])))
