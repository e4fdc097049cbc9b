"""Finding customers: the same ones on both databases, in the same order, each once."""

import dataclasses
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any, get_args, get_type_hints

import flask_migrate
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url, select, text

from app.core.changes.document_ids import rename_customer
from app.core.changes.erasure import erase_customers
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, now, run_in_transaction
from app.core.history.retention import prune
from app.core.models.change_sets import ChangeSetPart
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer
from app.core.models.segments import SegmentPair
from app.core.search import customers, last_updated
from app.core.search.customers import (
    Count,
    count_customers,
    find_customers,
    find_previous_page,
    iter_customers,
    iter_ids,
)
from app.core.search.filters import Filter, Order
from app.demo_data import fill_demo
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, profile, reset_database, set_segments
from tests.support.databases import app_on

PEOPLE = [
    {"document_id": "1232-2323", **profile(name="Ana Gómez", email="Ana@Example.com", phone="+57 300 123 4567")},
    {"document_id": "b/7", **profile(name="Luís Gómes-Núñez", email="luis@shop.co", phone="(601) 745-1234")},
    {"document_id": "c", **profile(name="İpek O'Neil")},
    {"document_id": "--", **profile(email="ana.maria@shop.co", phone="573109998877")},
    {"document_id": "d", **profile(name="王小明", phone="320 555 1234")},
    {
        "document_id": "V12345678",
        **profile(name="Andrés Díaz", email="andre\u0301s@diaz.co", phone="0057 315 222 3344"),
    },
    {"document_id": "12345678-K", **profile(name="Stanisław Żółć", phone="+44 (0)20 7946 0958")},
    {"document_id": "id@shop.test", **profile(name="Søren Đặng", email="\u200bsoren@shop.dk", phone="03105556677")},
    {"document_id": "e 100%_\\", **profile(name="Gina D´Angelo 😀")},
]
ALL_IDS = sorted(person["document_id"] or "" for person in PEOPLE)


@pytest.fixture
def people(app: Flask) -> None:
    run_in_transaction(lambda session: upsert_customers(session, PEOPLE))


BY_ID = Order()


def ids(filters: Filter, order: Order = BY_ID) -> list[str]:
    db.session.rollback()
    return [found.document_id for found in find_customers(filters, order, limit=50)]


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
    assert ids(Filter(q)) == expected


def test_search_follows_changed_profiles(people: None) -> None:
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "c", "name": "Ada"}]))
    assert (ids(Filter("ipek")), ids(Filter("ada"))) == ([], ["c"])
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "c", "phone": "12345"}]))
    assert ids(Filter("ada 12345")) == ["c"]


def test_all_filters_must_match(people: None) -> None:
    set_segments("c", [*GOLD, *SILVER])
    set_segments("d", GOLD)
    gold, silver = SegmentPair.of(GOLD[0]), SegmentPair.of(SILVER[0])
    assert ids(Filter(segments=(gold,))) == ["c", "d"]
    assert ids(Filter(segments=(gold, silver))) == ["c"]
    assert ids(Filter(segments=(gold,), without=(silver,))) == ["d"]
    assert ids(Filter(has="any")) == ["c", "d"]
    assert ids(Filter(has="none")) == [id_ for id_ in ALL_IDS if id_ not in "cd"]
    assert ids(Filter(q="ipek", segments=(gold,))) == ["c"]
    assert ids(Filter(q="gomez", segments=(gold,))) == []
    assert ids(Filter(q="--", segments=(gold,))) == []


def test_order_by_name_ignores_case_and_accents_and_puts_unnamed_customers_last(people: None) -> None:
    add_customers("e", name="ángel")
    by_name = ids(Filter(), Order("name"))
    assert by_name[:3] == ["1232-2323", "V12345678", "e"]
    assert by_name[-1] == "--"
    assert ids(Filter(), Order("name", descending=True)) == by_name[::-1]
    assert ids(Filter("gome"), Order("name")) == ["1232-2323", "b/7"]


FILTERS = [
    Filter(),
    Filter("gomez"),
    Filter(segments=(SegmentPair("membership", "GOLD"),)),
    Filter("ana", segments=(SegmentPair("activity", "ACTIVE"),), without=(SegmentPair("membership", "SILVER"),)),
    Filter(has="none"),
]


ORDERS = [Order(by, descending) for by in get_args(get_type_hints(Order)["by"]) for descending in (False, True)]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_continue_one_another_in_both_directions(app: Flask, order: Order) -> None:
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


def by_update(descending: bool) -> list[str]:
    """Return all customers as sorted in Python: by the position and number of their newest change, or none."""
    parts = db.session.execute(select(ChangeSetPart.id, ChangeSetPart.position))
    places = {part.id: part.position for part in parts}
    found = db.session.execute(select(Customer.document_id, Customer.part_id, Customer.entry_number)).all()
    keys = sorted(((places.get(part_id, 0), number or 0, id_) for id_, part_id, number in found), reverse=descending)
    return [id_ for _position, _number, id_ in keys]


@pytest.mark.parametrize(("chunk", "chunks"), [(500, 6), (7, 1_000), (7, 2)])
@pytest.mark.parametrize("descending", [True, False])
def test_customers_updated_last_come_first(
    app: Flask, descending: bool, chunk: int, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the record while it lasts, and by sorting: across changes of a few, a rename, deletions and retention."""
    monkeypatch.setattr(last_updated, "CHUNK", chunk)
    monkeypatch.setattr(last_updated, "MAX_CHUNKS", chunks)
    fill_shop()
    first = ids(Filter())[:30]
    rename_customer(first[0], "new-id", TESTER)
    for document_id in ("new-id", first[3], first[3], first[1]):
        set_segments(document_id, [{"type": "t", "value": str(now())}])
    erase_customers([first[2]], TESTER)
    order = Order("updated", descending)
    expected = by_update(descending)
    assert by_update(True)[:3] == [first[1], first[3], "new-id"]
    for _ in range(2):
        found = find_customers(Filter(), order, limit=20)
        while len(page := find_customers(Filter(), order, after=order.cursor_of(found[-1]), limit=20)):
            found += page
        assert [row.document_id for row in found] == expected
        prune(now() - timedelta(days=30))


def fill_shop() -> None:
    reset_database()
    fill_demo(300, lambda _done: None)


def test_scanning_and_matching_by_index_find_the_same(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_shop()
    scanned = [ids(filters) for filters in FILTERS]
    monkeypatch.setattr(customers, "_is_selective", lambda *_: True)
    assert [ids(filters) for filters in FILTERS] == scanned
    monkeypatch.setattr(customers, "_is_selective", lambda *_: False)
    monkeypatch.setattr(customers, "_scan_budget", lambda _: 10)  # ends early, and matches by index
    assert [ids(filters) for filters in FILTERS] == scanned


def test_count_states_whether_it_is_exact(people: None) -> None:
    assert count_customers(Filter("gome"), limit=1) == Count(1, exact=False)
    assert count_customers(Filter("gome"), limit=2) == Count(2, exact=True)
    assert count_customers(Filter(), limit=1) == Count(len(PEOPLE), exact=True)  # known without counting


# The predicate: whatever customers and filters there are, both databases find exactly those whom it names.

PAIRS = [SegmentPair("t", "a"), SegmentPair("t", "b"), SegmentPair("u", 'a"'), SegmentPair("", "")]
ALPHABET = st.sampled_from([*"aAbBzZ019 -+.()@_%'\\\"", "á", "a\u0301", "ł", "ß", "İ", "ı", "小", "明", "\u200b", "😀"])
WORDS = st.one_of(
    st.lists(ALPHABET, max_size=8).map("".join),
    st.sampled_from(["ana", "Ana María", "D'Angelo", "+57 310 999 8877", "0310 999 8877", "00573109998877", "a@b.co"]),
)
CUSTOMERS = st.lists(
    st.fixed_dictionaries(
        {"document_id": st.lists(ALPHABET, min_size=1, max_size=6).map("".join)}
        | {name: st.one_of(st.none(), WORDS) for name in PROFILE_FIELD_NAMES}
        | {"segments": st.lists(st.sampled_from(PAIRS), max_size=3)}
    ),
    max_size=8,
    unique_by=lambda row: row["document_id"],
)
FIELDS: dict[str, Any] = {
    "q": st.one_of(st.just(""), WORDS, st.lists(WORDS, max_size=3).map(" ".join)),
    "segments": st.lists(st.sampled_from(PAIRS), max_size=2, unique=True).map(tuple),
    "without": st.lists(st.sampled_from(PAIRS), max_size=2, unique=True).map(tuple),
    "has": st.sampled_from([None, None, "any", "none"]),
}
ANY_FILTER = st.builds(Filter, **{field.name: FIELDS.get(field.name, ...) for field in dataclasses.fields(Filter)})
"""Fields that are not in FIELDS have any value of their type."""
FEW_EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def store(rows: list[dict[str, Any]]) -> None:
    reset_database()
    profiles = [{name: row[name] for name in ("document_id", *PROFILE_FIELD_NAMES)} for row in rows]
    run_in_transaction(lambda session: upsert_customers(session, profiles))
    replace_segments({row["document_id"]: [pair.to_dict() for pair in row["segments"]] for row in rows}, TESTER)


def check_predicate(rows: list[dict[str, Any]], filters: Filter) -> None:
    """Assert that list, count, export and bulk edits find the customers that the predicate names."""
    stored = {row["document_id"]: [pair.to_dict() for pair in row["segments"]] for row in rows}
    expected = sorted(id_ for row in rows if filters.matches(id_ := row["document_id"], row, stored[id_]))
    assert ids(filters) == expected
    assert ids(filters, Order("name", descending=True)) == ids(filters, Order("name"))[::-1]
    assert sorted(ids(filters, Order("name"))) == expected
    matched = customers._load_rows(customers._match_by_index(filters, BY_ID, None), BY_ID, 50)
    scanned = customers._load_rows(customers._scan_in_order(filters, BY_ID, None, 1_000), BY_ID, 50)
    assert [row.document_id for row in matched] == [row.document_id for row in scanned] == expected
    assert count_customers(filters, limit=100) == Count(len(expected), exact=True)
    assert [row["document_id"] for row in iter_customers(filters)] == expected
    assert list(iter_ids(filters)) == expected
    assert Filter.from_dict(json.loads(json.dumps(filters.to_dict()))) == filters
    assert bool(filters) or expected == sorted(stored)


@given(rows=CUSTOMERS, several=st.lists(ANY_FILTER, min_size=1, max_size=6))
@FEW_EXAMPLES
def test_list_count_export_and_bulk_edits_hold_to_the_predicate(
    app: Flask, rows: list[dict[str, Any]], several: list[Filter]
) -> None:
    store(rows)
    for filters in several:
        check_predicate(rows, filters)


@pytest.fixture
def app_without_extension(database_urls: dict[str, str]) -> Iterator[Flask]:
    """Yield the application on a PostgreSQL whose owner may not create the extension pg_trgm."""
    url = make_url(database_urls["postgresql"])
    name = f"{url.database}_plain"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"DROP ROLE IF EXISTS {name}"))
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'plain'"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    plain = create_engine(url.set(database=name), isolation_level="AUTOCOMMIT")
    with plain.connect() as connection:
        connection.execute(text(f"GRANT CREATE ON SCHEMA public TO {name}"))
    plain.dispose()
    own_url = url.set(database=name, username=name, password="plain").render_as_string(hide_password=False)
    with app_on(own_url, LOG_FORMAT="json") as app:
        flask_migrate.upgrade()
        yield app
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        connection.execute(text(f"DROP ROLE {name}"))
    engine.dispose()


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_without_trigrams_the_same_is_found(app: Flask, app_without_extension: Flask) -> None:
    indexes = select(text("count(*)")).select_from(text("pg_indexes")).where(text("indexname ~ 'search_terms'"))
    rng = random.Random(7)
    rows = [{**person, "segments": rng.sample(PAIRS, 2)} for person in PEOPLE]
    with app_without_extension.app_context():
        assert db.session.scalar(indexes) == 0
        store(rows)
        for q in ("iaz", "8877", "gomez ana", "小明", "+57 310 999 8877", "--", "😀", "zzz"):
            check_predicate(rows, Filter(q))
    with app.app_context():
        assert db.session.scalar(indexes) == 1


def test_members_of_a_segment_are_the_customers_who_have_it(people: None) -> None:
    set_segments("c", GOLD)
    assert ids(Filter(segments=(SegmentPair.of(GOLD[0]),))) == ["c"]
    assert db.session.scalars(select(Customer.document_id).where(Customer.segments != [])).all() == ["c"]
