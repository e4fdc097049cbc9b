"""Segments that may be one and the same in two spellings. Only ever pointed out, never changed by itself."""

from app.core.counts.segment_counts import SegmentSize, largest_segments
from app.core.models.segments import SegmentPair
from app.core.search.terms import fold_accents

MAX_SIMILAR = 20_000
"""Segments looked through: a catalogue larger than that is not one of spellings."""

MIN_LENGTH = 4
"""In shorter texts, one letter is all the difference there is."""

MAX_LENGTH = 100
"""What is longer is no name: to have each of 900 letters left out once, for thousands of texts, takes gigabytes."""


def find_similar(segment: SegmentPair) -> list[SegmentSize]:
    """Segments that customers hold and whose spelling is close to this one, the most held first; itself not."""
    mine = _normalize(segment.type), _normalize(segment.value)
    found = []
    for other in largest_segments(limit=MAX_SIMILAR):
        theirs = _normalize(other.type), _normalize(other.value)
        alike = theirs == mine or (theirs[0] == mine[0] and within_one_edit(mine[1], theirs[1]))
        if alike and other.pair != segment:
            found.append(other)
    return found


def spelling_key(pair: SegmentPair) -> tuple[str, str]:
    """Return what is equal for spellings that differ only by case, accents, spaces and punctuation."""
    return _normalize(pair.type), _normalize(pair.value)


def find_all_similar() -> list[list[SegmentSize]]:
    """Groups of segments that may be one and the same, the most held first in each, the largest groups first.

    Alike without case, accents, blanks and signs, or one letter off in a value of the same type.
    """
    groups: dict[tuple[str, str], list[SegmentSize]] = {}
    for held in largest_segments(limit=MAX_SIMILAR):
        groups.setdefault((_normalize(held[0]), _normalize(held[1])), []).append(held)
    joined = _clusters(list(groups))
    found = [[held for key in keys for held in groups[key]] for keys in joined]
    alike = [sorted(group, key=lambda held: -held[2]) for group in found if len(group) > 1]
    return sorted(alike, key=lambda group: -sum(held[2] for held in group))


def _clusters(keys: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The keys, those of one type and one letter off together.

    Texts one letter apart share what is left when one letter is taken out: only those that do are compared.
    """
    group_of = {key: [key] for key in keys}
    rests: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key in keys:
        type_, value = key
        for rest in {value, *(value[:n] + value[n + 1 :] for n in range(len(value)) if len(value) <= MAX_LENGTH)}:
            for other in rests.setdefault((type_, rest), []):
                if group_of[other] is not group_of[key] and within_one_edit(value, other[1]):
                    group_of[other].extend(group_of[key])
                    for moved in group_of[key]:
                        group_of[moved] = group_of[other]
            rests[type_, rest].append(key)
    return list({id(group): group for group in group_of.values()}.values())


def _normalize(text: str) -> str:
    """Without case, accents, blanks and signs."""
    return "".join(character for character in fold_accents(text) if character.isalnum()) or text


def within_one_edit(one: str, other: str) -> bool:
    """One letter more, less, or another one; digits tell things apart, and are no misspelling."""
    if (
        min(len(one), len(other)) < MIN_LENGTH
        or max(len(one), len(other)) > MAX_LENGTH
        or abs(len(one) - len(other)) > 1
    ):
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rests = {len(one): one[start:], len(other): other[start:]}
    odd = one[start : start + 1] + other[start : start + 1]
    if any(character.isdigit() for character in odd):
        return False
    if len(rests) == 1:
        return one[start + 1 :] == other[start + 1 :]
    longer, shorter = rests[max(rests)], rests[min(rests)]
    return longer[1:] == shorter
