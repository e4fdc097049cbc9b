"""Which customers an update leaves alone because they changed since what `as_of` names."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.changes.replace_segments import ReplaceResult, replace_segments
from app.core.changes.segment_updates import AsOf, MomentExcept, Version
from app.core.database import db, now
from app.core.history.feed import current_position, read_feed
from app.core.models.change_sets import FeedPosition
from app.core.models.customers import Customer
from tests.support.customers import GOLD, SILVER, TESTER, WINE, add_customers, all_segments, set_segments
from tests.support.dates import date

MOMENT = now() - timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


def replace(as_of: AsOf, *document_ids: str) -> ReplaceResult:
    return replace_segments(dict.fromkeys(document_ids, WINE), TESTER, as_of=as_of)


@pytest.mark.parametrize(
    ("as_of", "stale"), [(MOMENT - MICROSECOND, ["ana"]), (MOMENT, []), (MOMENT + MICROSECOND, [])]
)
def test_a_change_at_the_moment_itself_is_no_later_change(app: Flask, as_of: AsOf, stale: list[str]) -> None:
    add_customers("ana")
    set_segments("ana", GOLD)
    date(1, MOMENT)
    assert replace(as_of, "ana").stale == stale


def test_changes_of_excepted_change_sets_are_no_later_changes(app: Flask) -> None:
    add_customers(*"abcd")
    for document_id in "abcd":
        set_segments(document_id, GOLD)
    date(1, MOMENT)
    result = replace(MomentExcept(MOMENT, (2, 3)), *"abcd")
    assert (result.changed, result.stale) == (3, ["d"])
    assert all_segments() == {"a": WINE, "b": WINE, "c": WINE, "d": GOLD}


@pytest.mark.parametrize(("number", "stale"), [(1, ["b", "c", "d"]), (2, ["c", "d"]), (3, ["d"])])
def test_a_place_within_a_change_set_is_exact(app: Flask, number: int, stale: list[str]) -> None:
    add_customers("early", *"abcd")
    set_segments("early", GOLD)
    replace_segments(dict.fromkeys("abc", GOLD), TESTER)
    set_segments("d", GOLD)
    entries, _ = read_feed(limit=10)
    entry = next(entry for entry in entries if entry.change_set_id == 2 and entry.number == number)
    place = FeedPosition(entry.position, entry.number, entry.tag)
    result = replace(place, "early", *"abcd")
    assert (result.stale, result.changed) == (stale, 5 - len(stale))
    assert replace(current_position(), *"abcd").stale == []


def test_a_version_is_that_of_the_customer(app: Flask) -> None:
    add_customers("ana")
    assert replace(Version(None), "ana").changed == 1
    assert replace(Version(None), "ana").stale == ["ana"]
    version = db.session.scalars(select(Customer.part_id)).one()
    set_segments("ana", SILVER)
    assert replace(Version(version), "ana").stale == ["ana"]


def test_a_stale_customer_is_not_counted_as_having_too_many(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    add_customers("same", "stale", "over")
    set_segments("same", WINE)
    as_of = current_position()
    set_segments("stale", GOLD)
    monkeypatch.setitem(app.config, "MAX_SEGMENTS_PER_CUSTOMER", 1)
    segments = {"same": WINE, "stale": [*GOLD, *WINE], "over": [*GOLD, *WINE]}
    result = replace_segments(segments, TESTER, as_of=as_of)
    assert (result.unchanged, result.stale, result.too_many) == (1, ["stale"], ["over"])
