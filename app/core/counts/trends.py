"""The number of customers with a segment, day by day, read from the ledger of counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select, tuple_, union_all

from app.core.counts.segment_counts import is_folded, is_recent, ledger
from app.core.database import db, now
from app.core.models.segments import SegmentPair

DAYS = 90


@dataclass(frozen=True)
class Trend:
    """The history of one segment's count."""

    customers: list[int]
    """How many customers held it at the end of each of the last `DAYS` days."""
    first_seen: date
    """The day on which a customer held it first, or the first of that month if that is long past."""
    last_changed: date
    """The day on which the count changed last."""

    @property
    def growth(self) -> int:
        return self.customers[-1] - self.customers[0]


def no_trend() -> Trend:
    """Return the trend of a segment that no customer ever held."""
    today = now().date()
    return Trend([0] * DAYS, first_seen=today, last_changed=today)


def days() -> list[date]:
    """Return the days of a trend in UTC, today last."""
    today = now().date()
    return [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]


def trends(pairs: Iterable[SegmentPair]) -> dict[SegmentPair, Trend]:
    """Return the trend of each of these segments, without those that no customer ever held."""
    among = tuple_(ledger.c.type, ledger.c.value).in_(list(pairs))
    columns = (ledger.c.type, ledger.c.value, ledger.c.day, ledger.c.delta)
    rows = union_all(*(select(*columns).where(state, among) for state in (is_folded, is_recent))).subquery("rows")
    query = (
        select(rows.c.type, rows.c.value, rows.c.day, func.sum(rows.c.delta))
        .group_by(rows.c.type, rows.c.value, rows.c.day)
        .order_by(rows.c.day)
    )
    deltas: dict[SegmentPair, dict[date, int]] = {}
    for type_, value, day, delta in db.session.execute(query):
        deltas.setdefault(SegmentPair(type_, value), {})[day] = int(delta)
    shown = days()
    return {pair: _trend(by_day, shown) for pair, by_day in deltas.items()}


def _trend(by_day: dict[date, int], shown: list[date]) -> Trend:
    count = sum(delta for day, delta in by_day.items() if day < shown[0])
    customers = []
    for day in shown:
        count += by_day.get(day, 0)
        customers.append(count)
    return Trend(customers, first_seen=min(by_day), last_changed=max(by_day))
