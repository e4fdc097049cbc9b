"""How the number of customers with a segment came about, day by day, read from the ledger of counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select, tuple_

from app.core.counts.segment_counts import Pair, ledger
from app.core.database import db, now

DAYS = 90


@dataclass(frozen=True)
class Trend:
    """Of one segment: how many customers held it at the end of each of the last days, and when it was seen."""

    customers: list[int]
    first_seen: date
    """The day, or the month if that is long past, in which somebody held it first."""
    last_moved: date
    """The day on which more or fewer customers came to hold it."""

    @property
    def grown(self) -> int:
        return self.customers[-1] - self.customers[0]


def days() -> list[date]:
    """The days of a trend, the last one today, in UTC."""
    today = now().date()
    return [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]


def trends(pairs: Iterable[Pair]) -> dict[Pair, Trend]:
    """The trend of each of these segments; none for one that nobody ever held."""
    wanted = list(pairs)
    query = (
        select(ledger.c.type, ledger.c.value, ledger.c.day, func.sum(ledger.c.delta))
        .where(tuple_(ledger.c.type, ledger.c.value).in_(wanted))
        .group_by(ledger.c.type, ledger.c.value, ledger.c.day)
        .order_by(ledger.c.day)
    )
    moves: dict[Pair, dict[date, int]] = {}
    for type_, value, day, delta in db.session.execute(query):
        moves.setdefault((type_, value), {})[day] = int(delta)
    shown = days()
    return {pair: _trend(by_day, shown) for pair, by_day in moves.items()}


def _trend(by_day: dict[date, int], shown: list[date]) -> Trend:
    held = sum(delta for day, delta in by_day.items() if day < shown[0])
    customers = []
    for day in shown:
        held += by_day.get(day, 0)
        customers.append(held)
    return Trend(customers, first_seen=min(by_day), last_moved=max(by_day))
