"""What a change did to somebody's segments, as it is told: which went, which came, which stayed."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
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
    """Nothing came and nothing went, but the order is another."""

    @property
    def moved(self) -> list[DiffEntry]:
        return [told for told in self.segments if told.sign != "unchanged"]


def rebase_change(before: Segments, after: Segments, *, onto: Segments) -> Segments:
    """The same change made to somebody else's segments: what it took away goes, what it brought comes at the end."""
    gone = [segment for segment in before if segment not in after]
    staying = [segment for segment in onto if segment not in gone]
    return staying + [segment for segment in after if segment not in before and segment not in staying]


def revert_change(before: Segments, after: Segments, *, current: Segments) -> Segments | None:
    """Return the `current` segments with a change from `before` to `after` taken back, type by type: contract §8.

    None for a conflict: a type that the change touched was touched since. Later changes of other types stay.
    """
    if current == after:
        return before
    touched = {type_ for type_ in _types(before) | _types(after) if _of_type(before, type_) != _of_type(after, type_)}
    if all(_of_type(current, type_) == _of_type(before, type_) for type_ in touched):
        return current
    if any(_of_type(current, type_) != _of_type(after, type_) for type_ in touched):
        return None
    return replace_types(current, touched, [segment for segment in before if segment["type"] in touched])


def replace_types(segments: Segments, types: Collection[str], new: Segments) -> Segments:
    """Return the segments with those of the `types` replaced by `new` ones, which fill their places in order.

    Places left over close; new segments left over go to the end: contract §8.
    """
    remaining = iter(new)
    replaced: Segments = []
    for segment in segments:
        if segment["type"] not in types:
            replaced.append(segment)
        elif (following := next(remaining, None)) is not None:
            replaced.append(following)
    return [*replaced, *remaining]


def _types(segments: Segments) -> set[str]:
    return {segment["type"] for segment in segments}


def _of_type(segments: Segments, type_: str) -> list[str]:
    return [segment["value"] for segment in segments if segment["type"] == type_]


def diff_segments(before: Segments, after: Segments) -> SegmentDiff:
    """Those that went in their old order, then the new ones in theirs; a pair held twice counts twice."""
    pairs_before, pairs_after = ([*map(SegmentPair.of, segments)] for segments in (before, after))
    staying = Counter(pairs_before) & Counter(pairs_after)
    gone = [DiffEntry("removed", *pair) for pair in (Counter(pairs_before) - staying).elements()]
    fresh = Counter(pairs_after) - staying
    told = list(gone)
    for pair in reversed(pairs_after):  # of equal pairs, the last ones are the new ones
        if fresh[pair]:
            fresh[pair] -= 1
            told.insert(len(gone), DiffEntry("added", *pair))
        else:
            told.insert(len(gone), DiffEntry("unchanged", *pair))
    changed = any(one.sign != "unchanged" for one in told)
    return SegmentDiff(told, reordered=not changed and pairs_before != pairs_after)
