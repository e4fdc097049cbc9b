"""The predicate: whatever customers and filters there are, both databases find exactly those whom it names."""

import dataclasses
import json
import random
from collections.abc import Iterator
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url, select, text

from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, run_in_transaction
from app.core.models.customers import PROFILE_FIELD_NAMES
from app.core.models.segments import SegmentPair
from app.core.search import customers
from app.core.search.customers import Count, count_customers, iter_customers, iter_ids
from app.core.search.filters import Filter, Order
from tests.support.customers import TESTER, reset_database
from tests.support.databases import app_on
from tests.support.find_customers import BY_ID, PEOPLE, found_ids

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
    assert found_ids(filters) == expected
    assert found_ids(filters, Order("name", descending=True)) == found_ids(filters, Order("name"))[::-1]
    assert sorted(found_ids(filters, Order("name"))) == expected
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


@pytest.mark.parametrize("q", ["maria munoz", "munoz maria", "maria 3001112233", "ría uño 2233", "1-1 maria munoz"])
def test_every_word_must_match(app: Flask, q: str) -> None:
    names = {"1-1": "María Muñoz", "1-2": "María Herrera", "1-3": "José Muñoz"}
    phones = {"1-1": "300 111 2233", "1-2": "300 444 5566", "1-3": "300 111 2244"}
    rows = [
        {"document_id": id_, "name": names[id_], "phone": phones[id_], "email": None, "segments": []} for id_ in names
    ]
    store(rows)
    check_predicate(rows, Filter(q))
    assert found_ids(Filter(q)) == ["1-1"]


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
