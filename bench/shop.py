"""A shop of any size, and what its nightly job sends."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Engine

from app.core.words import sort_name, words_of

MEMBERSHIPS = ("BRONZE", "SILVER", "GOLD", "PLATINUM")
AFFILIATIONS = ("NEW_CUSTOMER", "RECURRENT_CUSTOMER", "LOST_CUSTOMER")
STORES = tuple(f"STORE_{number:03}" for number in range(200))

VIP = {"type": "vip", "value": "YES"}
"""One customer in a thousand."""
GIVEN = ("Ana", "Camila", "Carlos", "Diego", "Isabela", "João", "José", "Lucía", "María", "Mateo")
FAMILIES = ("Gómez", *(f"Family{chr(ord('a') + number)}" for number in range(19)))
"""One customer in twenty is a Gómez."""
TODAY = datetime.now(UTC).date().isoformat()

Customers = list[dict[str, Any]]


def document_id(number: int) -> str:
    return f"{number:010}"


def segments(dice: random.Random) -> list[dict[str, str]]:
    return [
        {"type": "membership", "value": dice.choice(MEMBERSHIPS)},
        {"type": "affiliation", "value": dice.choice(AFFILIATIONS)},
        {"type": "store", "value": dice.choice(STORES)},
    ]


def fill(engine: Engine, customers: int, dice: random.Random) -> None:
    """Straight into the tables: the benchmarks are about what comes after."""
    held: Counter[tuple[str, str]] = Counter()
    tables = {
        "customers (document_id, name, email, phone, segments)": _customers(customers, dice, held),
        "customer_search (document_id, email, name, words)": _search(customers),
        "segment_counts (day, actor, type, value, delta)": _counts(held),
        "customer_totals (day, customers, carrying)": iter([(TODAY, customers, customers)]),
    }
    connection = engine.raw_connection()
    for table, rows in tables.items():
        if engine.dialect.name == "postgresql":
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join("?" * (table.count(",") + 1))
            connection.cursor().executemany(f"INSERT INTO {table} VALUES ({places})", rows)
    connection.commit()
    connection.close()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as autocommit:
        for statement in ("VACUUM ANALYZE", "CHECKPOINT") if engine.dialect.name == "postgresql" else ("ANALYZE",):
            autocommit.exec_driver_sql(statement)


def _facts(number: int) -> dict[str, str]:
    dice = random.Random(number)
    name = f"{dice.choice(GIVEN)} {dice.choice(FAMILIES)}"
    return {"name": name, "email": f"c{number}@example.com", "phone": f"+57 3{number:09}"}


def _customers(customers: int, dice: random.Random, held: Counter[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    for number in range(customers):
        carried = segments(dice) + ([VIP] if number % 1000 == 0 else [])
        held.update((one["type"], one["value"]) for one in carried)
        yield (document_id(number), *_facts(number).values(), orjson.dumps(carried).decode())


def _counts(held: Counter[tuple[str, str]]) -> Iterator[tuple[str | int, ...]]:
    for (type_, value), customers in held.items():
        yield (TODAY, "bench", type_, value, customers)


def _search(customers: int) -> Iterator[tuple[str, ...]]:
    for number in range(customers):
        facts = _facts(number)
        words = words_of(document_id(number), facts)
        yield (document_id(number), facts["email"], sort_name(facts["name"]), words)


def nightly(stored: int, customers: int, dice: random.Random) -> Customers:
    """New segments for that many of the stored customers, drawn at random."""
    return [
        {"document_id": document_id(number), "segments": segments(dice)}
        for number in dice.sample(range(stored), customers)
    ]
