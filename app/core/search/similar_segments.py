"""Segments that may be one and the same in two spellings. They are pointed out, never changed automatically.

Two spellings are similar if they differ only by case, accents, spaces and punctuation, or by one letter in a value of
the same type. Values one letter apart have a text in common when that letter is taken out of each: an index of these
texts names the few pairs that are compared, so the work grows with the number of segments, not with its square.
(rapidfuzz compares two texts fast, but has no such index, and does not tell letters from digits.)
"""

from collections.abc import Iterable, Iterator

from app.core.counts.segment_counts import SegmentSize, largest_segments
from app.core.models.segments import SegmentPair
from app.core.search.terms import fold_accents

MAX_SIMILAR = 20_000
"""Segments compared: a larger catalogue holds data, not spellings."""

MIN_LENGTH = 4
"""Shorter values often differ by one letter on purpose."""

MAX_LENGTH = 100
"""Longer values are no names; taking each letter out of thousands of them would need gigabytes."""

SpellingKey = tuple[str, str]


def find_similar(segments: Iterable[SegmentPair]) -> dict[SegmentPair, list[SegmentSize]]:
    """Return, for each of these segments, the others that customers hold and that are similar, the largest first.

    A segment that customers hold under this very spelling has none: nothing is new about it.
    """
    similar: dict[SegmentPair, list[SegmentSize]] = {pair: [] for pair in segments}
    by_key: dict[SpellingKey, list[SegmentPair]] = {}
    for pair in similar:
        for key in _index_keys(spelling_key(pair)):
            by_key.setdefault(key, []).append(pair)
    types = {type_ for type_, _ in by_key}
    known = set()
    for size in largest_segments(limit=MAX_SIMILAR):
        known.add(size.pair)
        spelling = spelling_key(size.pair)
        if spelling[0] not in types:
            continue
        for pair in {pair for key in _index_keys(spelling) for pair in by_key.get(key, ())}:
            if _is_similar(spelling, spelling_key(pair)):
                similar[pair].append(size)
    return {pair: [] if pair in known else sizes for pair, sizes in similar.items()}


def find_all_similar() -> list[list[SegmentSize]]:
    """Return groups of similar segments, the largest segment first in each, the largest group first."""
    sizes_by_spelling: dict[SpellingKey, list[SegmentSize]] = {}
    for size in largest_segments(limit=MAX_SIMILAR):
        sizes_by_spelling.setdefault(spelling_key(size.pair), []).append(size)
    clusters = _clusters(list(sizes_by_spelling))
    found = [[size for spelling in cluster for size in sizes_by_spelling[spelling]] for cluster in clusters]
    groups = [sorted(group, key=lambda size: -size.customers) for group in found if len(group) > 1]
    return sorted(groups, key=lambda group: -sum(size.customers for size in group))


def spelling_key(pair: SegmentPair) -> SpellingKey:
    """Return what is equal for spellings that differ only by case, accents, spaces and punctuation."""
    return _normalize(pair.type), _normalize(pair.value)


def within_one_edit(first: str, second: str) -> bool:
    """Return whether one letter is missing, added or replaced. A digit tells values apart and is no misspelling."""
    shorter, longer = sorted((first, second), key=len)
    if len(shorter) < MIN_LENGTH or len(longer) > MAX_LENGTH or len(longer) - len(shorter) > 1:
        return False
    start = 0
    while start < len(shorter) and shorter[start] == longer[start]:
        start += 1
    if any(map(str.isdigit, shorter[start : start + 1] + longer[start : start + 1])):
        return False
    return shorter[start + (len(shorter) == len(longer)) :] == longer[start + 1 :]


def _is_similar(first: SpellingKey, second: SpellingKey) -> bool:
    return first == second or (first[0] == second[0] and within_one_edit(first[1], second[1]))


def _index_keys(spelling: SpellingKey) -> Iterator[SpellingKey]:
    """Yield the spelling, and what is left of it without each of its letters."""
    yield spelling
    type_, value = spelling
    if MIN_LENGTH <= len(value) <= MAX_LENGTH:
        rests = {value[:n] + value[n + 1 :] for n, letter in enumerate(value) if not letter.isdigit()}
        yield from ((type_, rest) for rest in rests)


def _clusters(spellings: list[SpellingKey]) -> list[list[SpellingKey]]:
    """Return the spellings, similar ones together."""
    cluster_of = {spelling: [spelling] for spelling in spellings}
    by_key: dict[SpellingKey, list[SpellingKey]] = {}
    for spelling in spellings:
        for key in _index_keys(spelling):
            for other in by_key.setdefault(key, []):
                second, first = sorted((cluster_of[other], cluster_of[spelling]), key=len)
                if first is not second and _is_similar(spelling, other):
                    first.extend(second)
                    cluster_of.update(dict.fromkeys(second, first))
            by_key[key].append(spelling)
    return list({id(cluster): cluster for cluster in cluster_of.values()}.values())


def _normalize(text: str) -> str:
    """Return the letters and digits alone, without case and accents; the text itself if it has none."""
    return "".join(filter(str.isalnum, fold_accents(text))) or text
