"""Differences between two lists of segments, and spellings that are similar."""

import pytest
from flask import Flask

from app.core.counts.segment_counts import SegmentSize
from app.core.history.segment_diff import diff_segments
from app.core.models.segments import SegmentPair
from app.core.search.similar_segments import find_similar
from tests.support.customers import GOLD, SILVER, WINE, set_segments


def similar_to(pair: SegmentPair) -> list[SegmentSize]:
    return find_similar([pair])[pair]


@pytest.mark.parametrize(
    ("value", "alike"),
    [
        ("gold", True),
        ("GOLDD", True),
        ("GOD", False),
        ("G OLD", True),
        ("Göld", True),
        ("BOLD", True),
        ("SILVER", False),
    ],
)
def test_which_spellings_are_similar(app: Flask, ana: str, value: str, alike: bool) -> None:
    set_segments(ana, [*GOLD, {"type": "store", "value": "STORE_001"}])
    assert bool(similar_to(SegmentPair("membership", value))) is alike
    assert similar_to(SegmentPair("store", "STORE_002")) == [], "digits tell things apart"
    assert similar_to(SegmentPair("membership", "GOLD")) == [], "a segment is not similar to itself"


def test_a_difference_lists_each_pair() -> None:
    diff = diff_segments([*GOLD, *WINE, *GOLD], [*GOLD, *SILVER])
    assert [(entry.sign, entry.value) for entry in diff.segments] == [
        ("removed", "GOLD"),
        ("removed", "WINE"),
        ("unchanged", "GOLD"),
        ("added", "SILVER"),
    ]
    assert diff_segments([*GOLD, *WINE], [*WINE, *GOLD]).reordered
    assert not diff_segments(GOLD, GOLD).reordered
