"""One customer's past: timeline, segments at a moment, and where each pair came from."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.core.errors import CustomerNotFound, NoLongerRetained
from app.core.history import timeline as timeline_module
from app.core.history.retention import prune
from app.core.history.timeline import provenance, segments_at, timeline
from app.core.models.change_sets import Actor
from tests.support.customers import GOLD, SILVER, WINE, add_customers, all_segments, set_segments
from tests.support.dates import date

LUIS = Actor("operator luis@example.com", "page")
NIGHTLY = Actor("token crm-nightly", "api")
START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
def past(app: Flask, ana: str) -> str:
    """Day 1: GOLD by the nightly job. 2: GOLD and WINE by Luis. 3: WINE alone. 4: WINE and GOLD, by the job."""
    add_customers("never changed")
    set_segments(ana, GOLD, NIGHTLY)
    set_segments(ana, [*GOLD, *WINE], LUIS)
    set_segments(ana, WINE, NIGHTLY)
    set_segments(ana, [*WINE, *GOLD], NIGHTLY)
    for number in (1, 2, 3, 4):
        date(number, day(number))
    return ana


def test_timeline_is_newest_first(past: str) -> None:
    entries = timeline(past, limit=10)
    assert [step.after for step in entries] == [[*WINE, *GOLD], WINE, [*GOLD, *WINE], GOLD]
    assert [step.before for step in entries] == [WINE, [*GOLD, *WINE], GOLD, []]
    assert [step.change_set.actor for step in entries][2] == LUIS.name
    assert timeline("never changed", limit=10) == []


def test_timeline_is_paged(past: str) -> None:
    first = timeline(past, limit=3)
    assert [step.change_set.id for step in first] == [4, 3, 2]
    assert [step.change_set.id for step in timeline(past, limit=3, before=first[-1].key)] == [1]
    assert timeline(past, limit=3, before=timeline(past, limit=4)[-1].key) == []


@pytest.mark.parametrize(
    ("moment", "segments"),
    [(0.5, []), (1, GOLD), (1.5, GOLD), (2.5, [*GOLD, *WINE]), (3.5, WINE), (99, [*WINE, *GOLD])],
)
def test_segments_at_a_moment(past: str, moment: float, segments: object) -> None:
    assert segments_at(past, day(moment)) == segments
    assert segments_at("never changed", day(moment)) == []


def test_provenance_has_time_and_actor(past: str) -> None:
    """GOLD was taken and given back: it counts from the last time."""
    wine, gold = provenance(past)
    assert (wine.value, gold.value) == ("WINE", "GOLD")
    assert wine.since
    assert (wine.since.actor, wine.since.at) == (LUIS.name, day(2))
    assert gold.since
    assert (gold.since.actor, gold.since.at) == (NIGHTLY.name, day(4))
    assert provenance("never changed") == []


def test_a_long_past_is_walked_to_its_end(app: Flask, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_module, "PAGE_SIZE", 3)
    set_segments(ana, WINE)
    for number in range(10):
        set_segments(ana, [*WINE, {"type": "n", "value": str(number)}])
    date(1, day(1))
    assert provenance(ana)[0].since
    assert provenance(ana)[0].since.at == day(1)  # type: ignore[union-attr]
    assert segments_at(ana, day(1)) == WINE
    assert segments_at(ana, day(0)) == []


def test_unknown_customers(app: Flask) -> None:
    for read in (lambda: timeline("x", limit=1), lambda: segments_at("x", START), lambda: provenance("x")):
        with pytest.raises(CustomerNotFound):
            read()


def test_pruned_moments_are_no_longer_known(past: str) -> None:
    before = all_segments()
    assert prune(day(2.5)) == (2, 2)
    assert all_segments() == before
    assert [step.change_set.id for step in timeline(past, limit=10)] == [4, 3]
    wine, gold = provenance(past)
    assert wine.since is None, "longer ago than the record goes back"
    assert gold.since
    assert segments_at(past, day(2.2)) == [*GOLD, *WINE]
    with pytest.raises(NoLongerRetained, match="2026-01-03"):
        segments_at(past, day(1.5))
    assert segments_at("never changed", day(1.5)) == []


def test_whole_timeline_may_be_pruned(past: str) -> None:
    set_segments("never changed", SILVER)
    assert prune(day(50)) == (4, 4)
    assert timeline(past, limit=10) == []
    assert segments_at(past, day(51)) == [*WINE, *GOLD]
    with pytest.raises(NoLongerRetained):
        segments_at(past, day(3.5))
