"""Finding customers: the same ones on both databases, in the same order, each once."""

from itertools import pairwise

import pytest
from flask import Flask

from app.core.changes.profiles import upsert_customers
from app.core.database import db, run_in_transaction
from app.core.models.segments import SegmentPair
from app.core.search import customers
from app.core.search.customers import Count, Filter, Order, count_customers, find_customers, find_previous_page
from app.demo_data import fill_demo
from tests.support.customers import GOLD, SILVER, add_customers, reset_database, set_segments

PEOPLE = [
    {"document_id": "1232-2323", "name": "Ana Gómez", "email": "Ana@Example.com", "phone": "+57 300 123 4567"},
    {"document_id": "b/7", "name": "Luís Gómes-Núñez", "email": "luis@shop.co", "phone": "(601) 745-1234"},
    {"document_id": "c", "name": "İpek O'Neil", "email": None, "phone": None},
    {"document_id": "--", "name": None, "email": "ana.maria@shop.co", "phone": "573109998877"},
    {"document_id": "d", "name": "李小龍", "email": None, "phone": None},
]


@pytest.fixture(autouse=True)
def people(app: Flask) -> None:
    run_in_transaction(lambda session: upsert_customers(session, PEOPLE))


BY_ID = Order()


def ids(filters: Filter, order: Order = BY_ID) -> list[str]:
    db.session.rollback()
    return [found.document_id for found in find_customers(filters, order, limit=50)]


@pytest.mark.parametrize("walked", [True, False])
@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("gomez", ["1232-2323"]),
        ("GÓMEZ", ["1232-2323"]),
        ("góme", ["1232-2323", "b/7"]),
        ("nunez luis", ["b/7"]),
        ("gomez luis", []),
        ("ipek", ["c"]),
        ("neil", ["c"]),
        ("李小", ["d"]),
        ("1232-2323", ["1232-2323"]),
        ("12322323", ["1232-2323"]),
        ("2323", ["1232-2323"]),
        ("b/7", ["b/7"]),
        ("--", ["--"]),
        ("ana@example.com", ["1232-2323"]),
        ("ANA@ex", ["1232-2323"]),
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
        ("  ", ["--", "1232-2323", "b/7", "c", "d"]),
    ],
)
def test_it_finds(q: str, expected: list[str], walked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not walked:
        monkeypatch.setattr(customers, "_is_selective", lambda *_: True)
    assert ids(Filter(q)) == expected


def test_what_is_not_true_any_more_finds_nothing(app: Flask) -> None:
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "c", "name": "Ada"}]))
    assert (ids(Filter("ipek")), ids(Filter("ada"))) == ([], ["c"])
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "c", "phone": "12345"}]))
    assert ids(Filter("ada 12345")) == ["c"]


def test_filters_hold_together(app: Flask) -> None:
    set_segments("c", [*GOLD, *SILVER])
    set_segments("d", GOLD)
    gold, silver = SegmentPair.of(GOLD[0]), SegmentPair.of(SILVER[0])
    assert ids(Filter(segments=(gold,))) == ["c", "d"]
    assert ids(Filter(segments=(gold, silver))) == ["c"]
    assert ids(Filter(segments=(gold,), without=(silver,))) == ["d"]
    assert ids(Filter(has="any")) == ["c", "d"]
    assert ids(Filter(has="none")) == ["--", "1232-2323", "b/7"]
    assert ids(Filter(q="ipek", segments=(gold,))) == ["c"]
    assert ids(Filter(q="gomez", segments=(gold,))) == []


def test_by_name_without_case_and_accents_the_nameless_last(app: Flask) -> None:
    add_customers("e", name="ángel")
    by_name = Order("name")
    assert ids(Filter(), by_name) == ["1232-2323", "e", "c", "b/7", "d", "--"]
    assert ids(Filter(), Order("name", descending=True)) == ["--", "d", "b/7", "c", "e", "1232-2323"]
    assert ids(Filter("gome"), by_name) == ["1232-2323", "b/7"]


FILTERS = [
    Filter(),
    Filter("gomez"),
    Filter(segments=(SegmentPair("membership", "GOLD"),)),
    Filter("ana", segments=(SegmentPair("activity", "ACTIVE"),), without=(SegmentPair("membership", "SILVER"),)),
    Filter(has="none"),
]


@pytest.mark.parametrize("order", [Order(by, descending) for by in ("id", "name") for descending in (False, True)])
def test_pages_follow_one_another_and_lead_back(app: Flask, order: Order) -> None:
    fill_shop()
    for filters in FILTERS:
        whole = find_customers(filters, order, limit=10_000)
        pages = [find_customers(filters, order, limit=25)]
        while len(pages[-1]) == 25:
            pages.append(find_customers(filters, order, after=order.cursor_of(pages[-1][-1]), limit=25))
        assert [found.document_id for page in pages for found in page] == [found.document_id for found in whole]
        assert len({found.document_id for found in whole}) == len(whole) > 3
        for page, following in pairwise(page for page in pages if page):
            assert find_previous_page(filters, order, order.cursor_of(following[0]), limit=25) == page
        assert count_customers(filters, limit=10_000) == Count(len(whole), exact=True)


def fill_shop() -> None:
    reset_database()
    fill_demo(300, lambda _done: None)


def test_walking_and_collecting_find_the_same(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_shop()
    walked = [ids(filters) for filters in FILTERS]
    monkeypatch.setattr(customers, "_is_selective", lambda *_: True)
    assert [ids(filters) for filters in FILTERS] == walked
    monkeypatch.setattr(customers, "_is_selective", lambda *_: False)
    monkeypatch.setattr(customers, "_scan_budget", lambda _: 10)  # gives up early, and collects
    assert [ids(filters) for filters in FILTERS] == walked


def test_a_count_says_whether_it_is_exact(app: Flask) -> None:
    assert count_customers(Filter("gome"), limit=1) == Count(1, exact=False)
    assert count_customers(Filter("gome"), limit=2) == Count(2, exact=True)
    assert count_customers(Filter(), limit=1) == Count(5, exact=True)  # known without counting
