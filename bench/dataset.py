"""A shop of any size, and what its nightly job sends."""

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
"""One customer in a thousand; one in four is GOLD, one in a hundred goes to each store."""
GIVEN = ("Ana", "Camila", "Carlos", "Diego", "Isabela", "João", "José", "Lucía", "María", "Mateo")
FAMILIES = ("Gómez", *(f"Family{chr(ord('a') + number)}" for number in range(19)))
"""One customer in twenty is a Gómez."""
TODAY = datetime.now(UTC).date().isoformat()

Segments = list[dict[str, str]]
Customers = list[dict[str, Any]]

KINDS: list[Segments] = [
    [
        {"type": "membership", "value": membership},
        {"type": "affiliation", "value": affiliation},
        {"type": "store", "value": store},
    ]
    for membership, affiliation, store in product(MEMBERSHIPS, AFFILIATIONS, STORES)
]


def document_id(number: int) -> str:
    return f"{number:010}"


def segments(dice: random.Random) -> Segments:
    return dice.choice(KINDS)


def facts(number: int) -> dict[str, str]:
    given, family = GIVEN[number * 7919 % 101 % 10], FAMILIES[number * 104_729 % 10_007 % 20]
    return {"name": f"{given} {family}", "email": f"c{number}@example.com", "phone": f"+57 3{number:09}"}


def fill(engine: Engine, customers: int, dice: random.Random) -> None:
    """Straight into the tables: the benchmarks are about what comes after."""
    held: Counter[int] = Counter()
    tables = {
        "customers (document_id, name, email, phone, segments, previous_segments)": _customers(customers, dice, held),
        "customer_search (document_id, email, name, words)": _search(customers),
        "segment_counts (day, actor, type, value, delta)": _counts(held),
        "customer_totals (day, customers, carrying)": iter([(TODAY, customers, customers)]),
    }
    with closing(engine.raw_connection()) as connection:
        if engine.dialect.name == "postgresql":
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
    """By COPY, with the secondary indexes made afterwards: ten million customers in minutes."""
    cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE indexname ~ '^ix_customer'")
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    cursor.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
    for table, rows in tables.items():
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            while lines := ["\t".join(map(str, row)) + "\n" for row in islice(rows, 10_000)]:
                copy.write("".join(lines))
    for _, definition in indexes:
        cursor.execute(definition)
    cursor.execute("RESET session_replication_role; RESET maintenance_work_mem")
    cursor.execute("VACUUM ANALYZE")
    cursor.execute("CHECKPOINT")


def _carried(number: int, kind: int) -> Segments:
    return [*KINDS[kind], VIP] if number % 1000 == 0 else KINDS[kind]


def _customers(customers: int, dice: random.Random, held: Counter[int]) -> Iterator[tuple[Any, ...]]:
    texts = [orjson.dumps(kind).decode() for kind in KINDS]
    for number in range(customers):
        kind = int(dice.random() * len(KINDS))
        held[kind] += 1
        carried = orjson.dumps(_carried(number, kind)).decode() if number % 1000 == 0 else texts[kind]
        # As wide as when they have been changed before, as customers have after a first night.
        yield (document_id(number), *facts(number).values(), carried, texts[-1 - kind])
    held[-1] = (customers + 999) // 1000


def _counts(held: Counter[int]) -> Iterator[tuple[Any, ...]]:
    pairs: Counter[tuple[str, str]] = Counter()
    for kind, customers in held.items():
        for one in [VIP] if kind < 0 else KINDS[kind]:
            pairs[one["type"], one["value"]] += customers
    for pair, customers in pairs.items():
        yield (TODAY, "bench", *pair, customers)


def _search(customers: int) -> Iterator[tuple[Any, ...]]:
    """As `app.core.search.terms` would have it, which takes too long ten million times; some are compared with it."""
    for number in range(customers):
        told = facts(number)
        name, n = _folded(told["name"]), f"{number:09}"
        id_ = document_id(number)
        words = f" {name} 57 3{n} {id_} 573{n} 73{n} {n} c{number} example com"
        assert number % 100_000 or words == index_terms(id_, told), (words, index_terms(id_, told))
        yield (id_, told["email"], name, words)


_folded = cache(sort_name)


def nightly(stored: int, customers: int, dice: random.Random) -> Customers:
    """New segments for that many of the stored customers, drawn at random."""
    return [
        {"document_id": document_id(number), "segments": segments(dice)}
        for number in dice.sample(range(stored), customers)
    ]
