"""Finding customers: the same ones on both databases, in the same order, each once."""

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.changes.profiles import upsert_customers
from app.core.database import db, run_in_transaction
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair
from app.core.search import customers
from app.core.search.customers import Count, count_customers
from app.core.search.filters import Filter, Order
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.find_customers import ALL_IDS, FILTERS, PEOPLE, fill_shop, found_ids


@pytest.fixture
def people(app: Flask) -> None:
    run_in_transaction(lambda session: upsert_customers(session, PEOPLE))


@pytest.mark.parametrize("scanned", [True, False])
@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("gomez", ["1232-2323"]),
        ("GÓMEZ", ["1232-2323"]),
        ("góme", ["1232-2323", "b/7"]),
        ("nunez luis", ["b/7"]),
        ("luis nunez", ["b/7"]),
        ("gomez luis", []),
        ("ana zzz", []),
        ("ipek", ["c"]),
        ("neil", ["c"]),
        ("1232-2323", ["1232-2323"]),
        ("12322323", ["1232-2323"]),
        ("2323", ["1232-2323"]),
        ("b/7", ["b/7"]),
        ("--", ["--"]),
        ("ana@example.com", ["1232-2323"]),
        ("ANA@ex", ["1232-2323"]),
        ("ana@exact.com", []),
        ("ana.maria", ["--"]),
        ("shop.co", ["--", "b/7"]),
        ("+57 300 123 4567", ["1232-2323"]),
        ("3001234567", ["1232-2323"]),
        ("300 1234567", ["1232-2323"]),
        ("310 999 8877", ["--"]),
        ("6017451234", ["b/7"]),
        ("zzz", []),
        ('\' OR "x"* & | ! ( ) : *', []),
        ("!!!", []),
        ("  ", ALL_IDS),
        ("\u200b", ALL_IDS),
        # parts
        ("34567", ["1232-2323", "12345678-K", "V12345678"]),
        ("8877", ["--"]),
        ("iaz", ["V12345678"]),
        ("45678", ["12345678-K", "V12345678"]),
        ("32-23", ["1232-2323"]),
        ("xample", ["1232-2323"]),
        ("小明", ["d"]),
        ("明", ["d"]),
        ("po", []),
        # ids with letters and any punctuation
        ("V-12.345.678", ["V12345678"]),
        ("v 12345678", ["V12345678"]),
        ("12345678K", ["12345678-K"]),
        ("12.345.678-k", ["12345678-K"]),
        ("id@shop.test", ["id@shop.test"]),
        ("100%_", ["e 100%_\\"]),
        ("%", ["e 100%_\\"]),
        ("_", ["e 100%_\\"]),
        ("\\", ["e 100%_\\"]),
        # phones by their digits
        ("0057 310 999 8877", ["--"]),
        ("+57 310 999 8877", ["--"]),
        ("+573205551234", ["d"]),
        ("573205551234", ["d"]),
        ("00573205551234", ["d"]),
        ("+57320", ["d"]),
        ("03205551234", ["d"]),
        ("+57 315 222 3344", ["V12345678"]),
        ("3152223344", ["V12345678"]),
        ("+573105556677", ["id@shop.test"]),
        ("3105556677", ["id@shop.test"]),
        ("+44 20 7946 0958", ["12345678-K"]),
        ("020 7946 0958", ["12345678-K"]),
        ("+44 (0)20 7946 0958", ["12345678-K"]),
        ("diaz +57 315 222 3344", ["V12345678"]),
        ("ana +57 315 222 3344", []),
        # letters that have no accent to lose, and signs that are not seen
        ("zolc", ["12345678-K"]),
        ("stanislaw", ["12345678-K"]),
        ("Stanisław", ["12345678-K"]),
        ("soren dang", ["id@shop.test"]),
        ("dangelo", ["e 100%_\\"]),
        ("D'Angelo", ["e 100%_\\"]),
        ("go\u200bmez", ["1232-2323"]),
        ("andrés@diaz.co", ["V12345678"]),
        ("andre\u0301s@diaz.co", ["V12345678"]),
        ("soren@shop.dk", ["id@shop.test"]),
        ("gina 😀", ["e 100%_\\"]),
        ("😀", ["e 100%_\\"]),
        ("ana & gomez", ["1232-2323"]),
        ("ana ana ana ana ana ana ana ana ana zzz", []),
        ("ana" * 30, []),
    ],
)
def test_search_finds(
    people: None, q: str, expected: list[str], scanned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not scanned:
        monkeypatch.setattr(customers, "_is_selective", lambda *_: True)
    assert found_ids(Filter(q)) == expected


def test_search_follows_changed_profiles(people: None) -> None:
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "c", "name": "Ada"}]))
    assert (found_ids(Filter("ipek")), found_ids(Filter("ada"))) == ([], ["c"])
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "c", "phone": "12345"}]))
    assert found_ids(Filter("ada 12345")) == ["c"]


def test_all_filters_must_match(people: None) -> None:
    set_segments("c", [*GOLD, *SILVER])
    set_segments("d", GOLD)
    gold, silver = SegmentPair.of(GOLD[0]), SegmentPair.of(SILVER[0])
    assert found_ids(Filter(segments=(gold,))) == ["c", "d"]
    assert found_ids(Filter(segments=(gold, silver))) == ["c"]
    assert found_ids(Filter(segments=(gold,), without=(silver,))) == ["d"]
    assert found_ids(Filter(has="any")) == ["c", "d"]
    assert found_ids(Filter(has="none")) == [id_ for id_ in ALL_IDS if id_ not in "cd"]
    assert found_ids(Filter(q="ipek", segments=(gold,))) == ["c"]
    assert found_ids(Filter(q="gomez", segments=(gold,))) == []
    assert found_ids(Filter(q="--", segments=(gold,))) == []


def test_order_by_name_ignores_case_and_accents_and_puts_unnamed_customers_last(people: None) -> None:
    add_customers("e", name="ángel")
    by_name = found_ids(Filter(), Order("name"))
    assert by_name[:3] == ["1232-2323", "V12345678", "e"]
    assert by_name[-1] == "--"
    assert found_ids(Filter(), Order("name", descending=True)) == by_name[::-1]
    assert found_ids(Filter("gome"), Order("name")) == ["1232-2323", "b/7"]


def test_scanning_and_matching_by_index_find_the_same(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_shop()
    scanned = [found_ids(filters) for filters in FILTERS]
    monkeypatch.setattr(customers, "_is_selective", lambda *_: True)
    assert [found_ids(filters) for filters in FILTERS] == scanned
    monkeypatch.setattr(customers, "_is_selective", lambda *_: False)
    monkeypatch.setattr(customers, "_scan_budget", lambda _: 10)  # ends early, and matches by index
    assert [found_ids(filters) for filters in FILTERS] == scanned


def test_count_states_whether_it_is_exact(people: None) -> None:
    assert count_customers(Filter("gome"), limit=1) == Count(1, exact=False)
    assert count_customers(Filter("gome"), limit=2) == Count(2, exact=True)
    assert count_customers(Filter(), limit=1) == Count(len(PEOPLE), exact=True)  # known without counting


def test_members_of_a_segment_are_the_customers_who_have_it(people: None) -> None:
    set_segments("c", GOLD)
    assert found_ids(Filter(segments=(SegmentPair.of(GOLD[0]),))) == ["c"]
    assert db.session.scalars(select(Customer.document_id).where(Customer.segments != [])).all() == ["c"]
