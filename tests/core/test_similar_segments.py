"""Similar spellings: an index finds the few pairs that are compared."""

import pytest

from app.core.counts.segment_counts import SegmentSize
from app.core.models.segments import SegmentPair
from app.core.search import similar_segments
from app.core.search.similar_segments import find_all_similar, find_similar

MANY = 20_000


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that grows with every comparison, on a catalogue of MANY values and a few misspelled ones."""
    names = [f"campaign {n * 7919 % MANY:05} summer" for n in range(MANY - 3)]
    values = [*names, "premium", "Prémium", "premiun"]
    sizes = [SegmentSize("type", value, n) for n, value in enumerate(values)]
    compared: list[object] = []
    is_similar = similar_segments._is_similar
    monkeypatch.setattr(similar_segments, "largest_segments", lambda *, limit: sizes[-limit:])
    monkeypatch.setattr(similar_segments, "_is_similar", lambda *pair: compared.append(pair) or is_similar(*pair))
    return compared


def test_groups_of_a_large_catalogue_take_few_comparisons(comparisons: list[object]) -> None:
    (group,) = find_all_similar()
    assert [size.value for size in group] == ["premiun", "Prémium", "premium"]
    assert len(comparisons) < MANY


def test_many_new_segments_take_one_pass_of_the_catalogue(comparisons: list[object]) -> None:
    new = [SegmentPair("type", f"campaign {n:05} winter") for n in range(2_000)]
    similar = find_similar([*new, SegmentPair("type", "premiumm"), SegmentPair("type", "premium")])
    assert {pair.value: [size.value for size in sizes] for pair, sizes in similar.items() if sizes} == {
        "premiumm": ["premium", "Prémium"]
    }
    assert len(comparisons) < MANY
