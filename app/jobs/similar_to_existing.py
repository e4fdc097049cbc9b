"""New segments of a file whose spelling is close to an existing one."""

from app.core.changes.preview import ChangePreview
from app.core.counts.segment_counts import SegmentSize, largest_segments
from app.core.search.similar_segments import MAX_SIMILAR, spelling_key

MAX_REPORTED = 20


def similar_to_existing(preview: ChangePreview) -> list[list[str | int]]:
    """Return rows of [type, value, similar type, similar value, customers of the similar segment].

    A segment is new if no customer has it. Only spellings that differ by case, accents, spaces or punctuation count
    here; the list of possible duplicates also has those that differ by a letter.
    """
    gained = [pair for pair, delta in preview.deltas.items() if delta > 0]
    if not gained:
        return []
    existing = largest_segments(limit=MAX_SIMILAR)
    known = {segment.pair for segment in existing}
    by_key: dict[tuple[str, str], SegmentSize] = {}
    for segment in existing:
        by_key.setdefault(spelling_key(segment.pair), segment)
    found: list[list[str | int]] = []
    for pair in sorted(pair for pair in gained if pair not in known):
        similar = by_key.get(spelling_key(pair))
        if similar:
            found.append([*pair, similar.type, similar.value, similar.customers])
    return found[:MAX_REPORTED]
