"""Segments: one pair as a value, and a customer's list as it is stored."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Segments = list[dict[str, str]]
"""`[{"type": "membership", "value": "GOLD"}, …]`, as JSON: in the order and spelling sent, equal pairs kept."""


class SegmentPair(NamedTuple):
    """One segment by itself: hashable and ordered, unlike its JSON object."""

    type: str
    value: str

    @classmethod
    def of(cls, segment: Mapping[str, str]) -> "SegmentPair":
        """Return the pair of a JSON object `{"type", "value"}`."""
        return cls(segment["type"], segment["value"])

    def to_dict(self) -> dict[str, str]:
        """Return the pair as an element of `Segments`."""
        return {"type": self.type, "value": self.value}


def distinct_pairs(segments: Iterable[Mapping[str, str]]) -> list[SegmentPair]:
    """Return the pairs of a customer's segments in their order, each once."""
    return list(dict.fromkeys(map(SegmentPair.of, segments)))


def add_segments(before: Segments, added: Segments) -> Segments:
    """Return a customer's segments with those added at the end that they do not have, each once."""
    existing = set(map(SegmentPair.of, before))
    return [*before, *(pair.to_dict() for pair in distinct_pairs(added) if pair not in existing)]


def remove_segments(before: Segments, removed: Segments) -> Segments:
    """Return a customer's segments without these."""
    pairs = set(map(SegmentPair.of, removed))
    return [segment for segment in before if SegmentPair.of(segment) not in pairs]
