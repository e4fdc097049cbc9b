"""Plausible customers and segments for an empty database: the same ones each time."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import open_change_set
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import now, run_in_transaction
from app.core.errors import DatabaseNotEmpty
from app.core.models.change_sets import Actor
from app.core.models.customers import has_customers
from app.core.models.segments import Segments

EXAMPLE = "1232-2323"
"""The customer who exists in the endpoint's document (contract §1). Its other one, 222-133, is never invented."""

BATCH = 5_000

NIGHTLY_RUNS = (120, 87, 80, 73, 66, 59, 52, 45, 38, 31, 24, 17, 13, 12, 11, 10, 9, 8, 6, 5, 4, 3, 2, 1, 0)
"""Days ago on which the shop's nightly job sent something, the first of them everything."""

GIVEN_NAMES = (
    "Ana",
    "Beatriz",
    "Camila",
    "Carlos",
    "Daniela",
    "Diego",
    "Isabela",
    "João",
    "José",
    "Lucía",
    "María",
    "Mateo",
)
FAMILY_NAMES = (
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


def fill_demo(customers: int, progress: Callable[[int], None]) -> None:
    """Invent that many customers and what happened to them, in one transaction. Raises AlreadyFilled."""
    if has_customers():
        raise DatabaseNotEmpty("The database has customers already; the demo only fills an empty one.")

    def work(session: Session) -> None:
        dice = random.Random(1232)  # noqa: S311 - the same shop each time
        last_night = now().replace(hour=2, minute=10, second=0, microsecond=0)
        nights = [
            last_night - timedelta(days=days) for days in NIGHTLY_RUNS if last_night - timedelta(days=days) <= now()
        ]
        carried: dict[str, Segments] = {}
        note = "Invented by flask demo"
        with open_change_set(session, Actor("demo", "command"), note=note, at=nights[0]) as change_set:
            for batch in _batches(customers, dice):
                upsert_customers(session, batch, change_set)
                wanted = {row["document_id"]: row["segments"] for row in batch if row["segments"]}
                replace_segments_in(change_set, PreparedUpdate.of(wanted))
                carried |= wanted
                progress(min(customers, change_set.changed + change_set.unchanged))
        for night in nights[1:]:
            with open_change_set(session, Actor("token crm-nightly", "api"), note=note, at=night) as change_set:
                moved = {
                    document_id: _changed_segments(carried[document_id], dice) for document_id in _sample(carried, dice)
                }
                replace_segments_in(change_set, PreparedUpdate.of(moved))
                carried |= moved
        progress(customers)

    run_in_transaction(work)


def _sample(carried: dict[str, Segments], dice: random.Random) -> list[str]:
    return dice.sample(sorted(carried), len(carried) * dice.randint(2, 7) // 100)


def _changed_segments(segments: Segments, dice: random.Random) -> Segments:
    """A new membership or activity, more often a better one: the shop does well."""
    better = {
        "BRONZE": "SILVER",
        "SILVER": "GOLD",
        "GOLD": "PLATINUM",
        "LAPSED": "ACTIVE",
        "NEW_CUSTOMER": "RECURRENT_CUSTOMER",
    }
    worse = {up: down for down, up in better.items() if down != "NEW_CUSTOMER"}
    turn = better if dice.random() < 0.62 else worse
    at = dice.randrange(3)
    return [
        {"type": one["type"], "value": turn.get(one["value"], one["value"])} if n == at else one
        for n, one in enumerate(segments)
    ]


def _batches(customers: int, dice: random.Random) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, customers, BATCH):
        yield [_customer(n, dice) for n in range(start, min(start + BATCH, customers))]


def _customer(n: int, dice: random.Random) -> dict[str, Any]:
    given, family = dice.choice(GIVEN_NAMES), dice.choice(FAMILY_NAMES)
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
