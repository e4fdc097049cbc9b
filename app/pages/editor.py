"""The form of the segment editor: rows of type and value."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict

from app.core.changes.segment_updates import Version
from app.core.counts.segment_counts import SegmentSize
from app.core.history.segment_diff import diff_segments
from app.core.limits import MAX_SEGMENT_TEXT_LENGTH
from app.core.models.customers import is_storable
from app.core.models.segment_limit import is_over_limit, segment_limit
from app.core.models.segment_rules import SegmentRules
from app.core.models.segments import SegmentPair, Segments
from app.core.search.similar_segments import find_similar
from app.pages.list_query import InvalidRequest
from app.pages.template_filters import number

MAX_DIGITS = 18
MAX_SIMILAR = 3


@dataclass
class EditorRow:
    """One segment in the form."""

    type: str = ""
    value: str = ""
    original_index: int | None = None
    """Its index in the segments from which the form was made; None for a new row."""
    removed: bool = False
    """Whether saving removes the segment: until then the row stays visible."""
    error: str = ""
    similar: list[SegmentSize] = field(default_factory=list)
    """Existing segments with almost the same spelling."""
    unlisted: bool = False
    """Whether the value is not in the list of its type, which is to be confirmed."""


@dataclass
class Editor:
    rows: list[EditorRow]
    base: Segments
    """The segments from which the form was made."""
    version: Version
    error: str = ""
    """What is wrong with the segments as a whole."""

    @property
    def base_json(self) -> str:
        return orjson.dumps(self.base).decode()

    @property
    def version_text(self) -> str:
        return "" if self.version.part_id is None else str(self.version.part_id)

    @property
    def changed(self) -> bool:
        return self.segments() != self.base

    def segments(self) -> Segments:
        """Return the edited segments. An untouched segment is returned as it was, line breaks included."""
        return [self.segment(row) for row in self.rows if not (row.removed or self._is_blank(row))]

    def segment(self, row: EditorRow) -> dict[str, str]:
        original = self.original(row)
        if original and (strip_newlines(original["type"]), strip_newlines(original["value"])) == (row.type, row.value):
            return original
        return {"type": row.type, "value": row.value}

    def original(self, row: EditorRow) -> dict[str, str] | None:
        """Return the segment from which a row was made; None for a new row."""
        index = row.original_index
        return self.base[index] if index is not None and index < len(self.base) else None

    def _is_blank(self, row: EditorRow) -> bool:
        return not (row.type or row.value or self.original(row))

    def _new_rows(self) -> list[EditorRow]:
        """Return the rows whose segment is not among the original ones."""
        rows = [row for row in self.rows if not (row.removed or self._is_blank(row))]
        original = {*map(SegmentPair.of, self.base)}
        return [row for row in rows if SegmentPair.of(self.segment(row)) not in original]

    @property
    def summary(self) -> str:
        """Return `1 added, 2 removed`; an empty text if only the order differs, or nothing."""
        signs = Counter(entry.sign for entry in diff_segments(self.base, self.segments()).changes)
        added, removed = signs["added"], signs["removed"]
        parts = (
            (added, ngettext("{count} added", "{count} added", added)),
            (removed, ngettext("{count} removed", "{count} removed", removed)),
        )
        return ", ".join(text.replace("{count}", number(count)) for count, text in parts if count)

    @property
    def repeated(self) -> set[int]:
        """Return the indexes of the rows that repeat the segment of an earlier one."""
        seen: set[SegmentPair] = set()
        repeated = set()
        for index, row in enumerate(self.rows):
            if row.removed or self._is_blank(row):
                continue
            pair = SegmentPair.of(self.segment(row))
            if pair in seen:
                repeated.add(index)
            seen.add(pair)
        return repeated

    def validate(self) -> bool:
        """Return whether the form can be saved; invalid rows have an `error` afterwards."""
        for row in self._new_rows():
            if not (row.type and row.value):
                row.error = _("Enter both a type and a value.")
            elif len(row.type) > MAX_SEGMENT_TEXT_LENGTH or len(row.value) > MAX_SEGMENT_TEXT_LENGTH:
                row.error = _("At most %(count)s characters.", count=number(MAX_SEGMENT_TEXT_LENGTH))
            elif not (is_storable(row.type) and is_storable(row.value)):
                row.error = _("Contains an invalid character.")
        return not any(row.error for row in self.rows)

    def obeys(self, rules: SegmentRules) -> bool:
        """Return whether the form obeys the rules; rows that break them have an `error` afterwards."""
        two_values = rules.with_two_values(self.segments())
        for row in self._new_rows():
            pair = SegmentPair.of(self.segment(row))
            if rules.is_refused(pair):
                row.error = _("Choose one of: %(values)s", values=", ".join(rules.by_type[pair.type].allowed_values))
            elif pair.type in two_values:
                row.error = _("A customer can have only one value of this type.")
        return not any(row.error for row in self.rows)

    def fits(self, current: Segments) -> bool:
        """Return whether the customer may have so many segments; otherwise the editor has an `error` afterwards."""
        if is_over_limit(current, self.segments()):
            self.error = _("A customer can have at most %(count)s segments.", count=number(segment_limit() or 0))
        return not self.error

    def needs_confirmation(self, rules: SegmentRules) -> bool:
        """Return whether a new segment resembles an existing one, or is not in the list of its type."""
        for row in self._new_rows():
            row.unlisted = rules.is_unlisted(SegmentPair.of(self.segment(row)))
        return self.find_similar() or any(row.unlisted for row in self.rows)

    def find_similar(self) -> bool:
        """Return whether a new segment resembles an existing one; such rows have `similar` afterwards."""
        pairs = [(row, SegmentPair.of(self.segment(row))) for row in self._new_rows()]
        found = find_similar(pair for _, pair in pairs)
        for row, pair in pairs:
            row.similar = found[pair][:MAX_SIMILAR]
        return any(row.similar for row in self.rows)

    def apply_action(self, action: str) -> None:
        """Apply the button of a row: `add`, `remove-3`, `keep-3`, `up-3`, `down-3`, or `use-3-0` for a similar segment.

        A new row that is removed disappears. Unknown actions and rows are ignored.
        """
        name, _, argument = action.partition("-")
        if name == "add":
            self.rows.append(EditorRow())
            return
        row_number, _, choice = argument.partition("-")
        index = _parse_number(row_number)
        if index is None or index >= len(self.rows):
            return
        if name == "remove" and self.original(self.rows[index]) is None:
            del self.rows[index]
        elif name in ("remove", "keep"):
            self.rows[index].removed = name == "remove"
        elif name == "use":
            self._use_similar(self.rows[index], _parse_number(choice))
        elif name in ("up", "down"):
            target = index + (1 if name == "down" else -1)
            if 0 <= target < len(self.rows):
                self.rows[index], self.rows[target] = self.rows[target], self.rows[index]

    def _use_similar(self, row: EditorRow, choice: int | None) -> None:
        self.find_similar()
        if choice is not None and choice < len(row.similar):
            row.type, row.value, _ = row.similar[choice]
            row.similar = []


def similar_if_new(segment: SegmentPair) -> list[SegmentSize]:
    """Return existing segments that resemble a new one; none if a customer has exactly this one."""
    return find_similar([segment])[segment][:MAX_SIMILAR]


def strip_newlines(text: str) -> str:
    """Return the text as a browser submits it from a single-line field: without line breaks."""
    return text.replace("\r", "").replace("\n", "")


def make_editor(segments: Segments, part_id: int | None) -> Editor:
    rows = [
        EditorRow(strip_newlines(segment["type"]), strip_newlines(segment["value"]), index)
        for index, segment in enumerate(segments)
    ]
    return Editor(rows, segments, Version(part_id))


def rebase_editor(segments: Segments, current: Segments, part_id: int | None) -> Editor:
    """Return an editor with these segments, based on those that the customer has now."""
    rows = make_editor(segments, None).rows
    indexes = {SegmentPair.of(segment): index for index, segment in reversed([*enumerate(current)])}
    for row, segment in zip(rows, segments, strict=True):
        row.original_index = indexes.get(SegmentPair.of(segment))
    return Editor(rows, current, Version(part_id))


def parse_editor(form: MultiDict[str, str]) -> Editor:
    """Return the submitted editor. Raises InvalidRequest for a form that is incomplete or was forged."""
    fields = [form.getlist(name) for name in ("type", "value", "original_index")]
    fields.append(form.getlist("removed") or [""] * len(fields[0]))  # a page from before an update has none
    if len({len(values) for values in fields}) > 1:
        raise _incomplete()
    rows = [
        EditorRow(type_, value, _parse_number(index), removed == "yes")
        for type_, value, index, removed in zip(*fields, strict=True)
    ]
    return Editor(rows, _parse_base(form.get("base")), _parse_version(form.get("version")))


def _parse_base(text: str | None) -> Segments:
    try:
        base = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        raise _incomplete() from None
    if not (isinstance(base, list) and all(map(_is_segment, base))):
        raise _incomplete()
    return base


def _is_segment(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"type", "value"}
        and all(isinstance(part, str) and is_storable(part) for part in value.values())
    )


def _parse_version(text: str | None) -> Version:
    number = _parse_number(text or "")
    if text is None or (text and number is None):
        raise _incomplete()
    return Version(number)


def _parse_number(text: str) -> int | None:
    """Return the number, or None for any other text and for numbers that a database cannot hold."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None


def _incomplete() -> InvalidRequest:
    return InvalidRequest(_("Part of the form is missing. Reload the page and try again."))
