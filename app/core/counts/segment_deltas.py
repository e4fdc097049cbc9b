"""By how many customers each change set made each segment grow or shrink.

A change set appends its deltas once, to the ledger of counts; compaction moves them here when it folds the ledger.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, Subquery, func, insert, select, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.counts.segment_counts import SegmentCount
from app.core.database import Base, db
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.core.models.segments import SegmentPair

parts = ChangeSetPart.__table__.c


class SegmentDelta(Base):
    """By how many customers one part of a change set made one segment grow or shrink."""

    __tablename__ = "segment_deltas"

    type: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    value: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    part_id: Mapped[int] = mapped_column(dialects.Id, primary_key=True, autoincrement=False, index=True)
    delta: Mapped[int] = mapped_column(dialects.Id)


COLUMNS = ("part_id", "type", "value", "delta")


class Delta(NamedTuple):
    """A segment and by how many customers it grew or shrank."""

    type: str
    value: str
    customers: int


class ActorDelta(NamedTuple):
    """A segment and by how many customers one actor's changes made it grow or shrink."""

    actor: str
    type: str
    value: str
    customers: int


def archive_deltas(session: Session, rows: Iterable[Iterable[Any]]) -> None:
    """Store deltas, (part_id, type, value, delta), whose rows of the ledger are about to be folded.

    A part of a large file is counted in batches: several rows may be of one segment.
    """
    sums: dict[tuple[Any, ...], int] = {}
    for *key, delta in rows:
        sums[tuple(key)] = sums.get(tuple(key), 0) + delta
    if sums:
        values = [dict(zip(COLUMNS, (*key, delta), strict=True)) for key, delta in sums.items()]
        session.execute(insert(SegmentDelta), values)


def _all_deltas() -> Subquery:
    """Return the deltas of every part, those still in the ledger and those archived."""
    recent, archived = (
        select(*(getattr(model, name).label(name) for name in COLUMNS)) for model in (SegmentCount, SegmentDelta)
    )
    return union_all(recent.where(SegmentCount.part_id.is_not(None)), archived).subquery("deltas")


def change_sets_affecting(pair: SegmentPair) -> Select[Any]:
    """Return a query for the ids of the change sets that made this segment grow or shrink."""
    deltas = _all_deltas()
    affecting = select(parts.change_set_id).join(deltas, deltas.c.part_id == parts.id)
    return affecting.where(deltas.c.type == pair.type, deltas.c.value == pair.value)


def deltas_by_change_set(change_set_ids: list[int]) -> dict[int, list[Delta]]:
    """Return the deltas of each of these change sets, the largest first."""
    deltas = _all_deltas()
    customers = func.sum(deltas.c.delta)
    query = (
        select(parts.change_set_id, deltas.c.type, deltas.c.value, customers)
        .join(deltas, deltas.c.part_id == parts.id)
        .where(parts.change_set_id.in_(change_set_ids))
        .group_by(parts.change_set_id, deltas.c.type, deltas.c.value)
        .having(customers != 0)
        .order_by(func.abs(customers).desc(), deltas.c.type, deltas.c.value)
    )
    found: dict[int, list[Delta]] = {change_set_id: [] for change_set_id in change_set_ids}
    for change_set_id, type_, value, delta in db.session.execute(query):
        found[change_set_id].append(Delta(type_, value, int(delta)))
    return found


def largest_deltas(since: datetime, *, limit: int) -> list[ActorDelta]:
    """Return the largest deltas since a moment, summed by actor and segment."""
    deltas = _all_deltas()
    customers = func.sum(deltas.c.delta)
    query = (
        select(ChangeSet.actor, deltas.c.type, deltas.c.value, customers)
        .join(ChangeSetPart, parts.change_set_id == ChangeSet.id)
        .join(deltas, deltas.c.part_id == parts.id)
        .where(parts.at >= since)
        .group_by(ChangeSet.actor, deltas.c.type, deltas.c.value)
        .having(customers != 0)
        .order_by(func.abs(customers).desc(), deltas.c.type, deltas.c.value, ChangeSet.actor)
        .limit(limit)
    )
    return [ActorDelta(actor, type_, value, int(delta)) for actor, type_, value, delta in db.session.execute(query)]
