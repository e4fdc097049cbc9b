"""What a change did to somebody's segments, as it is told: which went, which came, which stayed."""

from collections import Counter
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
