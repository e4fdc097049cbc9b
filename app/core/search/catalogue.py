"""The catalogue of segments: searched, sorted, and summed up by type.

A search folds accents and case as the search of customers does. The database narrows the segments to those that
contain the words, or letters that are not ASCII; `_matches` decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from app.core.counts.segment_counts import (
    SegmentSize,
    all_sizes,
    largest_segments,
    sizes_by_type,
    type_totals,
)
from app.core.search.terms import fold_accents

CatalogueOrder = Literal["name", "size"]


@dataclass(frozen=True)
class TypeTotal:
    """How many values a type has, and how often customers have them."""

    type: str
    values: int
    assignments: int
    """The sum of the customers of each value."""


@dataclass(frozen=True)
class CataloguePage:
    rows: list[SegmentSize]
    """By type; within a type by value, or the largest first."""
    types: list[TypeTotal]
    """Of all segments that match, also those of other pages and types."""
    has_more: bool


def search_catalogue(
    query: str = "", *, type_: str | None = None, order: CatalogueOrder = "name", start: int = 0, limit: int
) -> CataloguePage:
    """Return the segments that contain each word of the query in type or value, from the one at `start` on."""
    words = fold_accents(query).split()
    if not words:
        rows = sizes_by_type(type_, largest_first=order == "size", start=start, limit=limit + 1)
        return CataloguePage(rows[:limit], [TypeTotal(*total) for total in type_totals()], len(rows) > limit)
    found = [size for size in all_sizes(words) if _matches(size, words)]
    totals = [_total(type_, list(sizes)) for type_, sizes in groupby(found, key=lambda size: size.type)]
    if type_ is not None:
        found = [size for size in found if size.type == type_]
    if order == "size":
        found.sort(key=lambda size: (size.type, -size.customers))
    return CataloguePage(found[start : start + limit], totals, len(found) > start + limit)


def find_segments(query: str, *, limit: int, whole_value: bool = False) -> list[SegmentSize]:
    """Return the largest segments that contain each word of the query, or whose value is the query."""
    folded = fold_accents(query)
    words = folded.replace(":", " ").split()
    if not words:
        return largest_segments(limit=limit)
    found = [size for size in all_sizes(words) if _matches(size, words)]
    if whole_value:
        found = [size for size in found if fold_accents(size.value) == folded]
    return sorted(found, key=lambda size: -size.customers)[:limit]


def _matches(size: SegmentSize, words: Iterable[str]) -> bool:
    text = fold_accents(f"{size.type} {size.value}")
    return all(word in text for word in words)


def _total(type_: str, sizes: list[SegmentSize]) -> TypeTotal:
    return TypeTotal(type_, len(sizes), sum(size.customers for size in sizes))
