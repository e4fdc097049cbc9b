"""By how many customers each change set made each segment grow or shrink.

A change set appends its deltas once, to the ledger of counts; compaction moves them here when it folds the ledger.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Index, Select, Subquery, case, func, insert, or_, select, tuple_, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.counts.segment_counts import SegmentCount, current_counts, is_recent
from app.core.database import Base, db
from app.core.models.change_sets import ChangeSetPart
from app.core.models.segments import SegmentPair

parts = ChangeSetPart.__table__.c


class SegmentDelta(Base):
    """By how many customers one part of a change set made one segment grow or shrink."""

    __tablename__ = "segment_deltas"
    __table_args__ = (Index("ix_segment_deltas_largest", "part_id", "magnitude"),)

    type: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    value: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    part_id: Mapped[int] = mapped_column(dialects.Id, primary_key=True, autoincrement=False)
    delta: Mapped[int] = mapped_column(dialects.Id)
    magnitude: Mapped[int] = mapped_column(dialects.Id)
    """The delta without its sign: the largest ones of a part are found by index."""


COLUMNS = ("part_id", "type", "value", "delta")


class Delta(NamedTuple):
    """A segment and by how many customers it grew or shrank."""

    type: str
    value: str
    customers: int


def archive_deltas(session: Session, rows: Iterable[Iterable[Any]]) -> None:
    """Store deltas, (part_id, type, value, delta), whose rows of the ledger are about to be compacted.

    A part of a large file is counted in batches: several rows may be of one segment.
    """
    sums: dict[tuple[Any, ...], int] = {}
    for *key, delta in rows:
        sums[tuple(key)] = sums.get(tuple(key), 0) + delta
    if sums:
        values = [
            {**dict(zip(COLUMNS, (*key, delta), strict=True)), "magnitude": abs(delta)} for key, delta in sums.items()
        ]
        session.execute(insert(SegmentDelta), values)


def all_deltas() -> Subquery:
    """Return the deltas of every part, those still in the ledger and those archived."""
    recent, archived = (
        select(*(getattr(model, name).label(name) for name in COLUMNS)) for model in (SegmentCount, SegmentDelta)
    )
    # Recent rows have an index of their own: without it, all rows that compaction has deleted are scanned, too.
    return union_all(recent.where(is_recent, SegmentCount.part_id.is_not(None)), archived).subquery("deltas")


def sizes_at(earlier: datetime, later: datetime) -> Select[Any]:
    """Return a query for (type, value, earlier, later): how many customers had each segment at two moments.

    The present counts without what changed since: exact for any moment whose later parts are still on record.
    """
    counts, deltas = current_counts(), all_deltas()
    now_ = select(counts.c.type, counts.c.value, counts.c.customers.label("earlier"), counts.c.customers.label("later"))
    since = (
        select(
            deltas.c.type,
            deltas.c.value,
            (-deltas.c.delta).label("earlier"),
            case((parts.at > later, -deltas.c.delta), else_=0).label("later"),
        )
        .join(ChangeSetPart, parts.id == deltas.c.part_id)
        .where(parts.at > earlier)
    )
    rows = union_all(now_, since).subquery("rows")
    sums = [func.sum(rows.c[name]).label(name) for name in ("earlier", "later")]
    grouped = select(rows.c.type, rows.c.value, *sums).group_by(rows.c.type, rows.c.value)
    return grouped.having(or_(*(total > 0 for total in sums)))


def change_sets_affecting(pair: SegmentPair) -> Select[Any]:
    """Return a query for the ids of the change sets that made this segment grow or shrink."""
    deltas = all_deltas()
    affecting = select(parts.change_set_id).join(deltas, deltas.c.part_id == parts.id)
    return affecting.where(deltas.c.type == pair.type, deltas.c.value == pair.value)


def recorded_changes(pairs: Collection[SegmentPair]) -> dict[SegmentPair, tuple[datetime, datetime]]:
    """Return the moments at which the sizes of these segments changed first and last, as far as that is on record."""
    recent, archived = SegmentCount.__table__.c, SegmentDelta.__table__.c
    in_ledger: Select[Any] = (
        select(recent.type, recent.value, func.min(parts.at), func.max(parts.at))
        .join(ChangeSetPart, parts.id == recent.part_id)
        .where(is_recent, tuple_(recent.type, recent.value).in_(list(pairs)))
        .group_by(recent.type, recent.value)
    )
    # By index: a segment has an archived delta of each change set that changed its size.
    pair = dialects.json_elements([list(pair) for pair in pairs]).c.value
    type_, value = pair[0].as_string(), pair[1].as_string()
    deltas = (archived.type == type_, archived.value == value)
    ends = (select(end(archived.part_id)).where(*deltas).scalar_subquery() for end in (func.min, func.max))
    moments = (select(parts.at).where(parts.id == part_id).scalar_subquery() for part_id in ends)
    found: dict[SegmentPair, list[datetime]] = {}
    for *segment, first, last in db.session.execute(union_all(in_ledger, select(type_, value, *moments))):
        found.setdefault(SegmentPair(*segment), []).extend(at for at in (first, last) if at)
    return {pair: (min(at), max(at)) for pair, at in found.items() if at}


def deltas_by_change_set(change_set_ids: list[int], *, limit: int | None = None) -> dict[int, list[Delta]]:
    """Return the deltas of each of these change sets, the largest first; at most the `limit` largest."""
    part_ids: dict[int, list[int]] = {change_set_id: [] for change_set_id in change_set_ids}
    for change_set_id, part_id in db.session.execute(
        select(parts.change_set_id, parts.id).where(parts.change_set_id.in_(change_set_ids))
    ):
        part_ids[change_set_id].append(part_id)
    single = [ids[0] for ids in part_ids.values() if len(ids) == 1] if limit else []
    found = _sums_of_parts([part_id for ids in part_ids.values() for part_id in ids if part_id not in single])
    if limit:
        found |= _largest_of_parts(single, limit)
    return {
        change_set_id: _merged([found.get(part_id, []) for part_id in ids])[:limit]
        for change_set_id, ids in part_ids.items()
    }


def _sums_of_parts(part_ids: list[int]) -> dict[int, list[Delta]]:
    deltas = all_deltas()
    query = select(deltas.c.part_id, deltas.c.type, deltas.c.value, func.sum(deltas.c.delta))
    query = query.where(deltas.c.part_id.in_(part_ids)).group_by(deltas.c.part_id, deltas.c.type, deltas.c.value)
    return _by_part(query) if part_ids else {}


def _largest_of_parts(part_ids: list[int], limit: int) -> dict[int, list[Delta]]:
    """Return the largest deltas of each part: by index where they are archived, else from the few recent rows."""
    recent = SegmentCount.__table__.c
    key, delta = (recent.part_id, recent.type, recent.value), func.sum(recent.delta)
    place = func.row_number().over(
        partition_by=recent.part_id, order_by=(func.abs(delta).desc(), recent.type, recent.value)
    )
    of_parts = select(*key, delta.label("delta"), place.label("place")).where(is_recent, recent.part_id.in_(part_ids))
    ranked = of_parts.group_by(*key).subquery().c
    largest = select(ranked.part_id, ranked.type, ranked.value, ranked.delta).where(ranked.place <= limit)
    found = _by_part(largest) if part_ids else {}
    archived = SegmentDelta.__table__.c
    columns = (archived.part_id, archived.type, archived.value, archived.delta)
    order = (archived.magnitude.desc(), archived.type, archived.value)
    each = [
        select(*columns).where(archived.part_id == part_id).order_by(*order).limit(limit).subquery()
        for part_id in part_ids
        if part_id not in found
    ]
    return found | _by_part(union_all(*(select(part) for part in each))) if each else found


def _by_part(query: Select[Any] | CompoundSelect[Any]) -> dict[int, list[Delta]]:
    found: dict[int, list[Delta]] = {}
    for part_id, type_, value, delta in db.session.execute(query):
        found.setdefault(part_id, []).append(Delta(type_, value, int(delta)))
    return found


def _merged(lists: list[list[Delta]]) -> list[Delta]:
    sums: Counter[SegmentPair] = Counter()
    for deltas in lists:
        for delta in deltas:
            sums[SegmentPair(delta.type, delta.value)] += delta.customers
    merged = (Delta(*pair, customers) for pair, customers in sums.items() if customers)
    return sorted(merged, key=lambda delta: (-abs(delta.customers), delta.type, delta.value))
