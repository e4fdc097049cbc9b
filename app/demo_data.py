"""Sample customers and segments for an empty database, the same ones each time."""

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
from app.core.limits import BATCH_SIZE
from app.core.models.change_sets import Actor
from app.core.models.customers import has_customers
from app.core.models.segments import Segments

EXAMPLE = "1232-2323"
"""The customer who exists in the endpoint's document (contract §1). Its other one, 222-133, is never created."""


NIGHTLY_RUNS = (120, 87, 80, 73, 66, 59, 52, 45, 38, 31, 24, 17, 13, 12, 11, 10, 9, 8, 6, 5, 4, 3, 2, 1, 0)
"""Days ago of the runs of the nightly job; the first run sends all customers."""

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
    """Create sample customers and their history in one transaction. Raises DatabaseNotEmpty."""
    if has_customers():
        raise DatabaseNotEmpty("The database has customers already; the demo only fills an empty one.")

    def work(session: Session) -> None:
        rng = random.Random(1232)  # noqa: S311 - the same shop each time
        last_run = now().replace(hour=2, minute=10, second=0, microsecond=0)
        runs = [last_run - timedelta(days=days) for days in NIGHTLY_RUNS if last_run - timedelta(days=days) <= now()]
        current: dict[str, Segments] = {}
        note = "Sample data"
        with open_change_set(session, Actor("demo", "command"), note=note, at=runs[0]) as change_set:
            for batch in _batches(customers, rng):
                upsert_customers(session, batch, change_set)
                new_segments = {row["document_id"]: row["segments"] for row in batch if row["segments"]}
                replace_segments_in(change_set, PreparedUpdate.of(new_segments))
                current |= new_segments
                progress(min(customers, change_set.changed + change_set.unchanged))
        for run in runs[1:]:
            with open_change_set(session, Actor("token crm-nightly", "api"), note=note, at=run) as change_set:
                changed = {
                    document_id: _changed_segments(current[document_id], rng) for document_id in _sample(current, rng)
                }
                replace_segments_in(change_set, PreparedUpdate.of(changed))
                current |= changed
        progress(customers)

    run_in_transaction(work)


def _sample(current: dict[str, Segments], rng: random.Random) -> list[str]:
    return rng.sample(sorted(current), len(current) * rng.randint(2, 7) // 100)


def _changed_segments(segments: Segments, rng: random.Random) -> Segments:
    """Return the segments with one value changed, more often to a better one than to a worse one."""
    better = {
        "BRONZE": "SILVER",
        "SILVER": "GOLD",
        "GOLD": "PLATINUM",
        "LAPSED": "ACTIVE",
        "NEW_CUSTOMER": "RECURRENT_CUSTOMER",
    }
    worse = {up: down for down, up in better.items() if down != "NEW_CUSTOMER"}
    step = better if rng.random() < 0.62 else worse
    place = rng.randrange(3)
    return [
        {"type": segment["type"], "value": step.get(segment["value"], segment["value"])} if number == place else segment
        for number, segment in enumerate(segments)
    ]


def _batches(customers: int, rng: random.Random) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, customers, BATCH_SIZE):
        yield [_customer(n, rng) for n in range(start, min(start + BATCH_SIZE, customers))]


def _customer(n: int, rng: random.Random) -> dict[str, Any]:
    given, family = rng.choice(GIVEN_NAMES), rng.choice(FAMILY_NAMES)
    login = unicodedata.normalize("NFKD", f"{given}.{family}").encode("ascii", "ignore").decode().lower()
    return {
        # Multiples of a prime are not in order and do not repeat.
        "document_id": EXAMPLE
        if n == 0
        else "{:04}-{:04}".format(*divmod(12_322_323 + n * 7_368_787 % 80_000_000, 10_000)),
        "name": f"{given} {family}",
        "email": f"{login}{n}@example.com",
        "phone": f"+57 3{rng.randrange(10**9):09}",
        "segments": _segments(rng),
    }


def _segments(rng: random.Random) -> Segments:
    if rng.random() < 0.08:
        return []
    pairs = [
        ("affiliation", _pick(AFFILIATION, rng)),
        ("membership", _pick(MEMBERSHIP, rng)),
        ("activity", _pick(ACTIVITY, rng)),
        *(("interest", interest) for interest in rng.sample(INTERESTS, rng.choice([0, 0, 1, 1, 2]))),
    ]
    return [{"type": type_, "value": value} for type_, value in pairs]


def _pick(weights: dict[str, int], rng: random.Random) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]
