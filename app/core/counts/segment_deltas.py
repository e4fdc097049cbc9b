"""By how many customers each change set made each segment grow or shrink.

A change set notes it once, in the ledger of counts; when the ledger is folded, its notes come to rest here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Subquery, func, insert, select, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.counts.segment_counts import SegmentCount
from app.core.database import Base, db
from app.core.models.change_sets import ChangeSet


class SegmentDelta(Base):
    """A change set's note about one segment."""

    __tablename__ = "segment_movements"

    type: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    value: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    change_set_id: Mapped[int] = mapped_column(dialects.Id, primary_key=True, autoincrement=False, index=True)
    delta: Mapped[int] = mapped_column(dialects.Id)


COLUMNS = ("change_set_id", "type", "value", "delta")


def archive_deltas(session: Session, rows: Iterable[Iterable[Any]]) -> None:
    """Keep notes, (change_set_id, type, value, delta), that are about to be folded.

    A change set of a large file counts in parts: one segment may be noted several times.
    """
    sums: dict[tuple[Any, ...], int] = {}
    for *key, delta in rows:
        sums[tuple(key)] = sums.get(tuple(key), 0) + delta
    if sums:
        values = [dict(zip(COLUMNS, (*key, delta), strict=True)) for key, delta in sums.items()]
        session.execute(insert(SegmentDelta), values)


def _all_deltas() -> Subquery:
    fresh, kept = (
        select(*(getattr(model, name).label(name) for name in COLUMNS)) for model in (SegmentCount, SegmentDelta)
    )
    return union_all(fresh.where(SegmentCount.change_set_id.is_not(None)), kept).subquery("noted")


def change_sets_affecting(type_: str, value: str) -> Select[Any]:
    """The change sets after which more or fewer customers held this segment."""
    noted = _all_deltas()
    return select(noted.c.change_set_id).where(noted.c.type == type_, noted.c.value == value)


Delta = tuple[str, str, int]
"""A segment's type and value, and how many customers more (or fewer) hold it."""


def deltas_by_change_set(change_set_ids: list[int]) -> dict[int, list[Delta]]:
    """What each change set moved, the largest movement first."""
    noted = _all_deltas()
    delta = func.sum(noted.c.delta)
    query = (
        select(noted.c.change_set_id, noted.c.type, noted.c.value, delta)
        .where(noted.c.change_set_id.in_(change_set_ids))
        .group_by(noted.c.change_set_id, noted.c.type, noted.c.value)
        .having(delta != 0)
        .order_by(func.abs(delta).desc(), noted.c.type, noted.c.value)
    )
    found: dict[int, list[Delta]] = {change_set_id: [] for change_set_id in change_set_ids}
    for change_set_id, type_, value, moved in db.session.execute(query):
        found[change_set_id].append((type_, value, int(moved)))
    return found


def largest_deltas(since: datetime, *, most: int) -> list[tuple[str, str, str, int]]:
    """The largest movements since then, as (actor, type, value, delta)."""
    noted = _all_deltas()
    delta = func.sum(noted.c.delta)
    query = (
        select(ChangeSet.actor, noted.c.type, noted.c.value, delta)
        .join(noted, noted.c.change_set_id == ChangeSet.id)
        .where(ChangeSet.at >= since)
        .group_by(ChangeSet.actor, noted.c.type, noted.c.value)
        .having(delta != 0)
        .order_by(func.abs(delta).desc(), noted.c.type, noted.c.value)
        .limit(most)
    )
    return [(actor, type_, value, int(moved)) for actor, type_, value, moved in db.session.execute(query)]
