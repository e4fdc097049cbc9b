"""Differences between two lists of segments, and changes applied to another list."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from app.core.models.segments import SegmentPair, Segments


@dataclass(frozen=True)
class DiffEntry:
    """One segment of a difference."""

    sign: Literal["removed", "added", "unchanged"]
    type: str
    value: str


@dataclass(frozen=True)
class SegmentDiff:
    segments: list[DiffEntry]
    reordered: bool
    """Nothing was added or removed, but the order differs."""

    @property
    def changes(self) -> list[DiffEntry]:
        """Return the added and removed segments."""
        return [entry for entry in self.segments if entry.sign != "unchanged"]


def rebase_change(before: Segments, after: Segments, *, onto: Segments) -> Segments:
    """Return the segments `onto` after the same change: without what it removed, with what it added at the end."""
    old, new = _pairs(before), _pairs(after)
    removed = old - new
    unchanged = [segment for segment in onto if SegmentPair.of(segment) not in removed]
    known = old | _pairs(unchanged)
    return unchanged + [segment for segment in after if SegmentPair.of(segment) not in known]


def revert_change(before: Segments, after: Segments, *, current: Segments) -> Segments | None:
    """Return the `current` segments with a change from `before` to `after` taken back, type by type: contract §8.

    None for a conflict: one of the types was changed again since. Later changes of other types stay.
    """
    if current == after:
        return before
    changed, values = changed_types(before, after), _by_type(current)
    old, new = _by_type(before), _by_type(after)
    if all(values.get(type_) == old.get(type_) for type_ in changed):
        return current
    if any(values.get(type_) != new.get(type_) for type_ in changed):
        return None
    return merge_types(current, [segment for segment in before if segment["type"] in changed], changed)


def merge_types(current: Segments, new: Segments, types: Collection[str]) -> Segments:
    """Return `current` with its segments of `types` replaced by `new` (contract §8).

    The new segments fill, in their order, the places of those they replace; places left over close, segments left over
    come last.
    """
    remaining = iter(new)
    merged: Segments = []
    for segment in current:
        if segment["type"] not in types:
            merged.append(segment)
        elif (replacement := next(remaining, None)) is not None:
            merged.append(replacement)
    return [*merged, *remaining]


def merge_changes(base: Segments, mine: Segments, theirs: Segments) -> Segments | None:
    """Return two changes of the same `base` as one: `theirs`, with the types that `mine` changes as in `mine`.

    None if both change the same type, or if `mine` changes nothing but the order of types, which `theirs` decides.
    """
    changed = changed_types(base, mine)
    if not changed or changed & changed_types(base, theirs):
        return None
    return merge_types(theirs, [segment for segment in mine if segment["type"] in changed], changed)


def combine_changes(base: Segments, mine: Segments, theirs: Segments) -> Segments | None:
    """Return two changes of the same `base` as one: `theirs`, after the change that `mine` is.

    None if both replaced the same value of a type, each by another one: a customer would get both.
    """
    values = [_by_type(segments) for segments in (base, mine, theirs)]
    for type_ in changed_types(base, mine) & changed_types(base, theirs):
        before, one, other = ({*by_type.get(type_, ())} for by_type in values)
        if before - one - other and one - before - other and other - before - one:
            return None
    return rebase_change(base, mine, onto=theirs)


def changed_types(before: Segments, after: Segments) -> set[str]:
    """Return the types whose values, or the order of them, differ."""
    old, new = _by_type(before), _by_type(after)
    return {type_ for type_ in old.keys() | new.keys() if old.get(type_) != new.get(type_)}


def _by_type(segments: Segments) -> dict[str, list[str]]:
    """Return the values of each type, in their order."""
    values: dict[str, list[str]] = {}
    for segment in segments:
        values.setdefault(segment["type"], []).append(segment["value"])
    return values


def _pairs(segments: Segments) -> set[SegmentPair]:
    return {*map(SegmentPair.of, segments)}


def diff_segments(before: Segments, after: Segments) -> SegmentDiff:
    """Return the removed segments in their old order, then the others in their new order; equal pairs count each."""
    pairs_before, pairs_after = ([*map(SegmentPair.of, segments)] for segments in (before, after))
    unchanged = Counter(pairs_before) & Counter(pairs_after)
    removed = [DiffEntry("removed", *pair) for pair in (Counter(pairs_before) - unchanged).elements()]
    added = Counter(pairs_after) - unchanged
    current: list[DiffEntry] = []
    for pair in reversed(pairs_after):  # of equal pairs, the last ones are the added ones
        is_added = added[pair] > 0
        added[pair] -= is_added
        current.append(DiffEntry("added" if is_added else "unchanged", *pair))
    diff = SegmentDiff([*removed, *reversed(current)], reordered=False)
    return diff if diff.changes else replace(diff, reordered=pairs_before != pairs_after)
