"""Plausible customers and segments for an empty database: the same ones each time."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.orm import Session

from app.core.changes import Actor
from app.core.customers import Segments, any_customer, save_customers
from app.core.database import in_transaction
from app.core.errors import AlreadyFilled
from app.core.segments import recording, replace_in

EXAMPLE = "1232-2323"
"""The customer who exists in the endpoint's document (contract §1). Its other one, 222-133, is never invented."""

BATCH = 5_000

GIVEN = ("Ana", "Beatriz", "Camila", "Carlos", "Daniela", "Diego", "Isabela", "João", "José", "Lucía", "María", "Mateo")
FAMILY = (
    "Almeida",
    "Castro",
    "Díaz",
    "Gómez",
    "Herrera",
    "Lima",
    "Muñoz",
    "Núñez",
    "Pérez",
    "Rojas",
    "Santos",
    "Silva",
)
MEMBERSHIP = {"BRONZE": 60, "SILVER": 28, "GOLD": 10, "PLATINUM": 2}
AFFILIATION = {"NEW_CUSTOMER": 35, "RECURRENT_CUSTOMER": 65}
ACTIVITY = {"ACTIVE": 55, "LAPSED": 45}
INTERESTS = ["COFFEE", "GARDEN", "KITCHEN", "MUSIC", "TOYS", "WINE"]


def fill(customers: int, progress: Callable[[int], None]) -> None:
    """Invent that many customers, in one transaction. Raises AlreadyFilled."""
    if any_customer():
        raise AlreadyFilled("The database has customers already; the demo only fills an empty one.")

    def work(session: Session) -> None:
        with recording(session, Actor("demo", "command"), note="Invented by flask demo") as change_set:
            done = 0
            for batch in _batches(customers):
                save_customers(session, batch)
                replace_in(change_set, {row["document_id"]: row["segments"] for row in batch if row["segments"]})
                done += len(batch)
                progress(done)

    in_transaction(work)


def _batches(customers: int) -> Iterator[list[dict[str, Any]]]:
    dice = random.Random(1232)  # noqa: S311 - the same shop each time
    for start in range(0, customers, BATCH):
        yield [_customer(n, dice) for n in range(start, min(start + BATCH, customers))]


def _customer(n: int, dice: random.Random) -> dict[str, Any]:
    given, family = dice.choice(GIVEN), dice.choice(FAMILY)
    login = unicodedata.normalize("NFKD", f"{given}.{family}").encode("ascii", "ignore").decode().lower()
    return {
        # Numbers apart by a prime do not run in order, and none comes twice.
        "document_id": EXAMPLE
        if n == 0
        else "{:04}-{:04}".format(*divmod(12_322_323 + n * 7_368_787 % 80_000_000, 10_000)),
        "name": f"{given} {family}",
        "email": f"{login}{n}@example.com",
        "phone": f"+57 3{dice.randrange(10**9):09}",
        "segments": _segments(dice),
    }


def _segments(dice: random.Random) -> Segments:
    if dice.random() < 0.08:
        return []
    pairs = [
        ("affiliation", _pick(AFFILIATION, dice)),
        ("membership", _pick(MEMBERSHIP, dice)),
        ("activity", _pick(ACTIVITY, dice)),
        *(("interest", interest) for interest in dice.sample(INTERESTS, dice.choice([0, 0, 1, 1, 2]))),
    ]
    return [{"type": type_, "value": value} for type_, value in pairs]


def _pick(weights: dict[str, int], dice: random.Random) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]
