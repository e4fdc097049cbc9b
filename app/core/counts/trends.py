"""The number of customers with a segment, day by day, read from the ledger of counts.

The compacted ledger knows the day of a change in UTC, which is enough for the small trends of a list: their days have
no labels. Days of another time zone are summed from the deltas of the parts
(`app.core.history.past_catalogue.sizes_at_moments`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal, get_args

from sqlalchemy import func, select, tuple_, union_all

from app.core.counts.segment_counts import is_compacted, is_recent, ledger
from app.core.counts.segment_deltas import recorded_changes
from app.core.database import db, now
from app.core.models.segments import SegmentPair

DAYS = 90
MONTHS = 12
Period = Literal["month", "quarter", "year"]
PERIODS: tuple[Period, ...] = get_args(Period)


@dataclass(frozen=True)
class Trend:
    """The history of one segment's count."""

    customers: list[int]
    """How many customers held it at the end of each of the days."""
    first_seen: date
    """The day on which a customer held it first, or the first of that month if that is long past."""
    last_changed: date
    """The day on which the count changed last."""

    @property
    def growth(self) -> int:
        return self.customers[-1] - self.customers[0]


def days(period: Period = "quarter", today: date | None = None) -> list[date]:
    """Return the days of a trend, today last; of a year the last day of each month. Today in UTC, unless given."""
    today = today or now().date()
    if period != "year":
        return [today - timedelta(days=ago) for ago in range((30 if period == "month" else DAYS) - 1, -1, -1)]
    ends = [today]
    while len(ends) <= MONTHS:
        ends.append(ends[-1].replace(day=1) - timedelta(days=1))
    return ends[::-1]


def trends(pairs: Collection[SegmentPair], trend_days: list[date], zone: tzinfo = UTC) -> dict[SegmentPair, Trend]:
    """Return the trend of each of these segments on these days, without those that no customer ever held.

    The sizes are those of days of UTC; the days of the first and the last change are of `zone`, if they are on record.
    """
    among = tuple_(ledger.c.type, ledger.c.value).in_(list(pairs))
    columns = (ledger.c.type, ledger.c.value, ledger.c.day, ledger.c.delta)
    rows = union_all(*(select(*columns).where(state, among) for state in (is_compacted, is_recent))).subquery("rows")
    query = (
        select(rows.c.type, rows.c.value, rows.c.day, func.sum(rows.c.delta))
        .group_by(rows.c.type, rows.c.value, rows.c.day)
        .order_by(rows.c.day)
    )
    deltas: dict[SegmentPair, dict[date, int]] = {}
    for type_, value, day, delta in db.session.execute(query):
        deltas.setdefault(SegmentPair(type_, value), {})[day] = int(delta)
    recorded = recorded_changes(deltas)
    return {pair: _trend(by_day, trend_days, recorded.get(pair, (None, None)), zone) for pair, by_day in deltas.items()}


def _trend(
    by_day: dict[date, int], trend_days: list[date], recorded: tuple[datetime | None, datetime | None], zone: tzinfo
) -> Trend:
    deltas = sorted(by_day.items(), reverse=True)
    count, customers = 0, []
    for day in trend_days:
        while deltas and deltas[-1][0] <= day:
            count += deltas.pop()[1]
        customers.append(count)
    first, last = recorded
    return Trend(customers, _local_day(min(by_day), first, zone), _local_day(max(by_day), last, zone))


def _local_day(day: date, moment: datetime | None, zone: tzinfo) -> date:
    """Return the day of `zone` on which a change of this day of UTC happened, if its moment is still on record."""
    return moment.astimezone(zone).date() if moment and moment.date() == day else day
