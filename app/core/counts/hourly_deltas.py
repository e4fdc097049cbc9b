"""By how many customers each actor's changes made each segment grow or shrink, by hour, for the last 24 hours.

Summed when the ledger of counts is compacted: with a hundred requests in a night, what changed since yesterday is not
read from the deltas of each of them.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, func, select, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.counts.segment_counts import SegmentCount, is_recent
from app.core.database import Base, UtcDateTime, db, now
from app.core.days import start_of_hour
from app.core.models.change_sets import ChangeSetPart

RETENTION = timedelta(days=1)


class HourlyDelta(Base):
    """By how many customers one actor's changes of one hour made one segment grow or shrink."""

    __tablename__ = "hourly_deltas"

    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    """The moment at which the hour begins."""
    actor: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    value: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    delta: Mapped[int] = mapped_column(dialects.Id)


hours, parts = HourlyDelta.__table__, ChangeSetPart.__table__.c


class ActorDelta(NamedTuple):
    """A segment and by how many customers one actor's changes made it grow or shrink."""

    actor: str
    type: str
    value: str
    customers: int


def add_to_hours(session: Session, recent: Sequence[Row[Any]]) -> None:
    """Add rows of the ledger that are about to be compacted to their hours, and delete the hours that are over.

    Rows without a part, as those of a recount, are no changes.
    """
    oldest = start_of_hour(now() - RETENTION)
    of_parts = [row for row in recent if row.part_id is not None]
    first = min((row.part_id for row in of_parts), default=0)
    dated = session.execute(select(parts.id, parts.at).where(parts.id >= first, parts.at >= oldest))
    moments: dict[int, datetime] = dict(dated.all())
    added: Counter[tuple[datetime, str, str, str]] = Counter()
    for row in of_parts:
        if row.part_id in moments:
            added[start_of_hour(moments[row.part_id]), row.actor, row.type, row.value] += row.delta
    keys = ("hour", "actor", "type", "value")
    # In one order, so that two compactions at once do not wait for each other in a circle.
    rows = [{**dict(zip(keys, key, strict=True)), "delta": delta} for key, delta in sorted(added.items()) if delta]
    dialects.upsert_sums(session, hours, "delta", rows)
    session.execute(delete(hours).where(hours.c.hour < oldest))


def largest_deltas(since: datetime, *, limit: int) -> list[ActorDelta]:
    """Return the largest deltas of the changes since the beginning of the hour of `since`, by actor and segment.

    `since` is at most a day ago.
    """
    first = start_of_hour(since)
    summed = select(hours.c.actor, hours.c.type, hours.c.value, hours.c.delta).where(hours.c.hour >= first)
    deltas = SegmentCount.__table__.c
    recent = (
        select(deltas.actor, deltas.type, deltas.value, deltas.delta)
        .join(ChangeSetPart, parts.id == deltas.part_id)
        .where(is_recent, parts.at >= first)
    )
    rows = union_all(summed, recent).subquery("rows")
    customers = func.sum(rows.c.delta)
    query = (
        select(rows.c.actor, rows.c.type, rows.c.value, customers)
        .group_by(rows.c.actor, rows.c.type, rows.c.value)
        .having(customers != 0)
        .order_by(func.abs(customers).desc(), rows.c.type, rows.c.value, rows.c.actor)
        .limit(limit)
    )
    return [ActorDelta(actor, type_, value, int(delta)) for actor, type_, value, delta in db.session.execute(query)]
