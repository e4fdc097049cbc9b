"""One customer's past: her timeline, her segments at a moment, and where each pair she holds came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import cast, literal, select

from app.core.database import db
from app.core.errors import CustomerNotFound, NoLongerRetained, NotFound
from app.core.models.change_sets import ChangeSet, RetentionHorizon, SegmentChange
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair, Segments, distinct_pairs

PAGE_SIZE = 100


@dataclass(frozen=True)
class TimelineEntry:
    """A change of her segments: by which change set, from what, to what."""

    change_set: ChangeSet
    before: Segments
    after: Segments
    previous_change_set_id: int | None


def timeline(document_id: str, *, most: int, before: int | None = None) -> list[TimelineEntry]:
    """Her changes, newest first; those older than the change set `before`, to go on from there.

    She is a chain of changes, each of which names the one before: it is walked, one look-up by key a step. Ends where
    older ones are no longer kept. Raises CustomerNotFound.
    """
    start = _newest(document_id) if before is None else _previous(document_id, before)
    if start is None:
        return []
    first = cast(literal(start), ChangeSet.id.type)
    walk = select(first.label("change_set_id"), literal(1).label("n")).cte("walk", recursive=True)
    walk = walk.union_all(
        select(SegmentChange.previous_change_set_id, walk.c.n + 1)
        .join(walk, SegmentChange.change_set_id == walk.c.change_set_id)
        .where(SegmentChange.document_id == document_id, walk.c.n < most)
    )
    query = (
        select(ChangeSet, SegmentChange.before, SegmentChange.after, SegmentChange.previous_change_set_id)
        .join(walk, ChangeSet.id == walk.c.change_set_id)
        .join(SegmentChange, SegmentChange.change_set_id == ChangeSet.id)
        .where(SegmentChange.document_id == document_id)
        .order_by(walk.c.n)
    )
    return [TimelineEntry(*row) for row in db.session.execute(query)]


def get_entry(document_id: str, change_set_id: int) -> TimelineEntry:
    """One change of hers. Raises NotFound."""
    query = (
        select(ChangeSet, SegmentChange.before, SegmentChange.after, SegmentChange.previous_change_set_id)
        .join(SegmentChange, SegmentChange.change_set_id == ChangeSet.id)
        .where(SegmentChange.document_id == document_id, SegmentChange.change_set_id == change_set_id)
    )
    found = db.session.execute(query).one_or_none()
    if found is None:
        raise NotFound("This change of the customer is not on record, or no longer kept.")
    return TimelineEntry(*found)


def _newest(document_id: str) -> int | None:
    found = db.session.execute(select(Customer.change_set_id).where(Customer.document_id == document_id)).one_or_none()
    if found is None:
        raise CustomerNotFound("No customer has this document_id.")
    return found[0]


def _previous(document_id: str, change_set_id: int) -> int | None:
    change = db.session.get(SegmentChange, (change_set_id, document_id))
    return change.previous_change_set_id if change else None


def _entries(document_id: str) -> Iterator[TimelineEntry]:
    """Her whole timeline, as far as it is asked for."""
    page = timeline(document_id, most=PAGE_SIZE)
    while page:
        yield from page
        page = timeline(document_id, most=PAGE_SIZE, before=page[-1].change_set.id) if len(page) == PAGE_SIZE else []


def retained_since() -> datetime | None:
    """The moment before which the record is incomplete; None if nothing was ever pruned."""
    pruned = db.session.get(RetentionHorizon, 1)
    return pruned.until if pruned else None


def segments_at(document_id: str, moment: datetime) -> Segments:
    """Her segments at that moment. Raises CustomerNotFound, and NoLongerKnown for one that is no longer on record."""
    kept = retained_since()
    earliest: TimelineEntry | None = None
    for step in _entries(document_id):
        if step.change_set.at <= moment:
            return step.after
        earliest = step
    if earliest and earliest.previous_change_set_id is None:
        return earliest.before
    newest = _newest(document_id)
    if newest is not None and kept and moment < kept:
        raise NoLongerRetained(f"Changes before {kept:%Y-%m-%d %H:%M} UTC are no longer kept.")
    return earliest.before if earliest else _current(document_id)


def _current(document_id: str) -> Segments:
    return db.session.scalars(select(Customer.segments).where(Customer.document_id == document_id)).one()


@dataclass(frozen=True)
class SegmentProvenance:
    """A pair she holds, and the change that gave it to her; None where that is no longer on record."""

    type: str
    value: str
    since: ChangeSet | None


def provenance(document_id: str) -> list[SegmentProvenance]:
    """Each different pair she holds, in her order, and since when and by whom. Raises CustomerNotFound."""
    _newest(document_id)
    pairs = distinct_pairs(_current(document_id))
    since: dict[SegmentPair, ChangeSet] = {}
    for step in _entries(document_id):
        had = {*distinct_pairs(step.before)}
        for pair in pairs:
            if pair not in had:
                since.setdefault(pair, step.change_set)
        if len(since) == len(pairs):
            break
    return [SegmentProvenance(*pair, since.get(pair)) for pair in pairs]
