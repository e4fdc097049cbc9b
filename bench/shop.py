"""A shop of any size, and what its nightly job sends."""

import random
from typing import Any

import orjson
import psycopg

MEMBERSHIPS = ("BRONZE", "SILVER", "GOLD", "PLATINUM")
AFFILIATIONS = ("NEW_CUSTOMER", "RECURRENT_CUSTOMER", "LOST_CUSTOMER")
STORES = tuple(f"STORE_{number:03}" for number in range(200))

Customers = list[dict[str, Any]]


def document_id(number: int) -> str:
    return f"{number:010}"


def segments(dice: random.Random) -> list[dict[str, str]]:
    return [
        {"type": "membership", "value": dice.choice(MEMBERSHIPS)},
        {"type": "affiliation", "value": dice.choice(AFFILIATIONS)},
        {"type": "store", "value": dice.choice(STORES)},
    ]


def fill(connection: psycopg.Connection[Any], customers: int, dice: random.Random) -> None:
    """Straight into the tables: the benchmark is about what comes after."""
    columns = "document_id, name, email, phone, segments"
    with connection.cursor().copy(f"COPY customers ({columns}) FROM STDIN") as copy:
        for number in range(customers):
            text = orjson.dumps(segments(dice)).decode()
            copy.write_row((document_id(number), f"Name {number}", f"{number}@example.com", f"+57{number:010}", text))
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE customers")
    connection.execute("CHECKPOINT")
    connection.autocommit = False


def nightly(stored: int, customers: int, dice: random.Random) -> Customers:
    """New segments for that many of the stored customers, drawn at random."""
    return [
        {"document_id": document_id(number), "segments": segments(dice)}
        for number in dice.sample(range(stored), customers)
    ]
