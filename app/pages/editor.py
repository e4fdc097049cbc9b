"""The segment editor's form: rows of type and value, read as the operator left them."""

from dataclasses import dataclass, field

import orjson
from werkzeug.datastructures import MultiDict

from app.core.changes.segment_updates import Version
from app.core.counts.segment_counts import SegmentSize
from app.core.models.customers import is_storable
from app.core.models.segments import SegmentPair, Segments
from app.core.search.similar_segments import find_similar

MAX_LENGTH = 1000


@dataclass
class EditorRow:
    """One segment as it stands in the form."""

    type: str = ""
    value: str = ""
    was: str = ""
    """Its number among the segments that the form was made from; empty for a new one."""
    problem: str = ""
    near: list[SegmentSize] = field(default_factory=list)
    """Segments that customers hold already, spelled almost like this one."""


@dataclass
class Editor:
    rows: list[EditorRow]
    base: Segments
    """What the customer had when the form was made."""
    version: Version

    @property
    def base_text(self) -> str:
        return orjson.dumps(self.base).decode()

    @property
    def version_text(self) -> str:
        return "" if self.version.part_id is None else str(self.version.part_id)

    @property
    def changed(self) -> bool:
        return self.segments() != self.base

    def segments(self) -> Segments:
        """What the customer would have. A segment that was not touched is as it was, line breaks and all."""
        return [self._segment(row) for row in self.rows if not self._is_blank(row)]

    def _segment(self, row: EditorRow) -> dict[str, str]:
        was = self._was(row)
        if was and (strip_newlines(was["type"]), strip_newlines(was["value"])) == (row.type, row.value):
            return was
        return {"type": row.type, "value": row.value}

    def _was(self, row: EditorRow) -> dict[str, str] | None:
        return self.base[int(row.was)] if row.was.isdecimal() and int(row.was) < len(self.base) else None

    def _is_blank(self, row: EditorRow) -> bool:
        return not (row.type or row.value or self._was(row))

    def check(self) -> bool:
        """Whether this can be saved; otherwise the rows tell their problems."""
        for row in self.rows:
            if self._is_blank(row) or self._segment(row) in self.base:
                continue
            if not (row.type and row.value):
                row.problem = "A segment needs a type and a value."
            elif len(row.type) > MAX_LENGTH or len(row.value) > MAX_LENGTH:
                row.problem = f"At most {MAX_LENGTH} characters."
            elif not (is_storable(row.type) and is_storable(row.value)):
                row.problem = "This contains a character that cannot be stored."
        return not any(row.problem for row in self.rows)

    def look_alikes(self) -> bool:
        """Whether a new segment that nobody holds is spelled almost like one that customers hold."""
        base = {*map(SegmentPair.of, self.base)}
        pairs = [(row, SegmentPair.of(self._segment(row))) for row in self.rows if not self._is_blank(row)]
        similar = find_similar(pair for _, pair in pairs if pair not in base)
        for row, pair in pairs:
            row.near = similar.get(pair, [])[:3]
        return any(row.near for row in self.rows)

    def act(self, action: str) -> None:
        """Add a row, or remove or move one: `add`, `remove-3`, `up-3`, `down-3`, or `use-3-0` a near segment."""
        verb, _, number = action.partition("-")
        if verb == "add":
            self.rows.append(EditorRow())
            return
        index, _, choice = number.partition("-")
        at = int(index) if index.isdecimal() else len(self.rows)
        if at >= len(self.rows):
            return
        if verb == "remove":
            del self.rows[at]
        elif verb == "use":
            self.look_alikes()
            row = self.rows[at]
            if choice.isdecimal() and int(choice) < len(row.near):
                row.type, row.value, _ = row.near[int(choice)]
                row.near = []
        elif verb in ("up", "down"):
            to = at + (1 if verb == "down" else -1)
            if 0 <= to < len(self.rows):
                self.rows[at], self.rows[to] = self.rows[to], self.rows[at]


def similar_if_new(segment: SegmentPair) -> list[SegmentSize]:
    return find_similar([segment])[segment][:3]


def strip_newlines(text: str) -> str:
    """As a field of one line gives it back: browsers take line breaks out."""
    return text.replace("\r", "").replace("\n", "")


def make_editor(segments: Segments, part_id: int | None) -> Editor:
    rows = [
        EditorRow(strip_newlines(one["type"]), strip_newlines(one["value"]), str(n)) for n, one in enumerate(segments)
    ]
    return Editor(rows, segments, Version(part_id))


def parse_editor(form: MultiDict[str, str]) -> Editor | None:
    """The form as it was sent; None if it cannot be one of ours."""
    try:
        base = orjson.loads(form["base"])
        assert all(one.keys() == {"type", "value"} and is_storable("".join(one.values())) for one in base)
        version = Version(int(form["version"]) if form["version"] else None)
    except (KeyError, ValueError, AssertionError, AttributeError, TypeError):
        return None
    fields = (form.getlist(name) for name in ("type", "value", "was"))
    return Editor([EditorRow(*row) for row in zip(*fields, strict=False)], base, version)
