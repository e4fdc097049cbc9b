"""A generated shop of any size, and the requests of its nightly job."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from itertools import islice, product
from typing import Any

import orjson
from sqlalchemy import Engine

from app.core.search.terms import index_terms, sort_name

MEMBERSHIPS = ("BRONZE", "SILVER", "GOLD", "PLATINUM")
AFFILIATIONS = ("NEW_CUSTOMER", "RECURRENT_CUSTOMER", "LOST_CUSTOMER")
STORES = tuple(f"STORE_{number:03}" for number in range(100))

VIP = {"type": "vip", "value": "YES"}
"""One customer in a thousand has it. One in four is GOLD; one in a hundred belongs to each store."""
GIVEN_NAMES = ("Ana", "Camila", "Carlos", "Diego", "Isabela", "João", "José", "Lucía", "María", "Mateo")
FAMILY_NAMES = ("Gómez", *(f"Family{chr(ord('a') + number)}" for number in range(19)))
"""One customer in twenty is called Gómez."""
TODAY = datetime.now(UTC).date().isoformat()

Segments = list[dict[str, str]]
CustomerList = list[dict[str, Any]]

SEGMENT_SETS: list[Segments] = [
    [
        {"type": "membership", "value": membership},
        {"type": "affiliation", "value": affiliation},
        {"type": "store", "value": store},
    ]
    for membership, affiliation, store in product(MEMBERSHIPS, AFFILIATIONS, STORES)
]


_CUSTOMERS = "customers (document_id, name, email, phone, segments, previous_segments)"


def document_id(number: int) -> str:
    return f"{number:010}"


def segments(rng: random.Random, sets: list[Segments] = SEGMENT_SETS) -> Segments:
    return rng.choice(sets)


def sets_of_stores(stores: int) -> list[Segments]:
    """Return one set of segments for each of so many stores; one set in four is GOLD."""
    return [
        [{"type": "membership", "value": MEMBERSHIPS[n % 4]}, {"type": "store", "value": f"STORE_{n:05}"}]
        for n in range(stores)
    ]


def profile(number: int) -> dict[str, str]:
    given, family = GIVEN_NAMES[number * 7919 % 101 % 10], FAMILY_NAMES[number * 104_729 % 10_007 % 20]
    return {"name": f"{given} {family}", "email": f"c{number}@example.com", "phone": f"+57 3{number:09}"}


def fill(engine: Engine, customers: int, rng: random.Random, sets: list[Segments] = SEGMENT_SETS) -> None:
    """Write customers directly into the tables, because the benchmarks measure what happens afterwards."""
    set_counts: Counter[int] = Counter()
    tables = {
        "customers (id, document_id, name, email, phone, segments, previous_segments)": _customer_rows(
            customers, rng, sets, set_counts
        ),
        "customer_search (id, document_id, email, name, terms)": _search_rows(customers),
        "segment_counts (day, actor, type, value, delta)": _count_rows(sets, set_counts),
        "customer_totals (day, customers, with_segments)": iter([(TODAY, customers, customers)]),
    }
    with closing(engine.raw_connection()) as connection:
        if engine.dialect.name == "postgresql":
            connection.driver_connection.answer_timeout = None  # an index over millions of customers takes minutes
            _copy(connection.cursor(), tables)
        else:
            _insert(connection.cursor(), tables)


def _insert(cursor: Any, tables: dict[str, Iterator[tuple[Any, ...]]]) -> None:
    cursor.execute("BEGIN")
    for table, rows in tables.items():
        places = ", ".join("?" * (table.count(",") + 1))
        cursor.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
    cursor.execute("COMMIT")
    cursor.execute("ANALYZE")


def _copy(cursor: Any, tables: dict[str, Iterator[tuple[Any, ...]]]) -> None:
    """Load by COPY and create the secondary indexes afterwards: ten million customers take minutes."""
    cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE indexname ~ '^ix_customer'")
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    cursor.execute(
        "SET session_replication_role = replica; SET maintenance_work_mem = '1GB'; SET statement_timeout = 0"
    )
    for table, rows in tables.items():
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            while lines := ["\t".join(map(str, row)) + "\n" for row in islice(rows, 10_000)]:
                copy.write("".join(lines))
    for _, definition in indexes:
        cursor.execute(definition)
    cursor.execute("SELECT setval('customers_id_seq', (SELECT max(id) FROM customers))")
    cursor.execute("RESET session_replication_role; RESET maintenance_work_mem; RESET statement_timeout")
    cursor.execute("VACUUM ANALYZE")
    cursor.execute("CHECKPOINT")


def _customer_rows(
    customers: int, rng: random.Random, sets: list[Segments], set_counts: Counter[int]
) -> Iterator[tuple[Any, ...]]:
    texts = [orjson.dumps(segments_).decode() for segments_ in sets]
    vip_texts = [orjson.dumps([*segments_, VIP]).decode() for segments_ in sets]
    for number in range(customers):
        index = int(rng.random() * len(sets))
        set_counts[index] += 1
        current = (vip_texts if number % 1000 == 0 else texts)[index]
        # previous_segments is filled, so that the rows are as wide as after a first nightly run.
        yield (number + 1, document_id(number), *profile(number).values(), current, texts[-1 - index])
    set_counts[-1] = (customers + 999) // 1000


def _count_rows(sets: list[Segments], set_counts: Counter[int]) -> Iterator[tuple[Any, ...]]:
    pairs: Counter[tuple[str, str]] = Counter()
    for index, customers in set_counts.items():
        for segment in [VIP] if index < 0 else sets[index]:
            pairs[segment["type"], segment["value"]] += customers
    for pair, customers in pairs.items():
        yield (TODAY, "bench", *pair, customers)


def _search_rows(customers: int) -> Iterator[tuple[Any, ...]]:
    """Yield search rows as `app.core.search.terms` makes them, but faster; one in 100,000 is compared with it."""
    for number in range(customers):
        fields = profile(number)
        name, n = _folded(fields["name"]), f"{number:09}"
        id_ = document_id(number)
        terms = f" {id_} {name} c{number}examplecom 573{n} #573{n}# "
        assert number % 100_000 or terms == index_terms(id_, fields), (terms, index_terms(id_, fields))
        yield (number + 1, id_, fields["email"], name, terms)


_folded = cache(sort_name)


def nightly(stored: int, customers: int, rng: random.Random, sets: list[Segments] = SEGMENT_SETS) -> CustomerList:
    """Return new segments for `customers` of the stored customers, drawn at random."""
    return [
        {"document_id": document_id(number), "segments": segments(rng, sets)}
        for number in rng.sample(range(stored), customers)
    ]
