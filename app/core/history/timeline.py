"""One customer's history: the timeline, the segments at a moment, and where each current pair came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.core.database import db
from app.core.errors import CustomerNotFound, NoLongerRetained, NotFound
from app.core.history.chains import chain_key, read_chain
from app.core.models.change_sets import ChangeSet, RetentionHorizon
from app.core.models.customer_changes import CustomerChange, EntryKey
from app.core.models.customers import Customer
from app.core.models.segments import Segments, distinct_pairs

PAGE_SIZE = 100


@dataclass(frozen=True)
class TimelineEntry:
    """One change of a customer's segments: by which change set, when, from what, to what."""

    change_set: ChangeSet
    at: datetime
    key: EntryKey
    before: Segments
    after: Segments
    previous: EntryKey | None


def timeline(document_id: str, *, limit: int, before: EntryKey | None = None) -> list[TimelineEntry]:
    """Return the changes of a customer's segments, newest first; those older than the entry `before`.

    They are a chain, each with a pointer to the one before, and walked by key. The chain ends where older entries are
    no longer kept. Raises CustomerNotFound.
    """
    start = _newest(document_id) if before is None else _previous(before)
    if start is None:
        return []
    rows = read_chain(document_id, start, limit)
    return [_timeline_entry(change_set, part.at, entry) for change_set, part, entry in rows]


def _timeline_entry(change_set: ChangeSet, at: datetime, entry: CustomerChange) -> TimelineEntry:
    previous = chain_key(entry.previous_part_id, entry.previous_number)
    return TimelineEntry(change_set, at, (entry.part_id, entry.number), entry.before, entry.after, previous)


def get_entry(document_id: str, change_set_id: int) -> TimelineEntry:
    """Return the newest change that a change set made to a customer. Raises CustomerNotFound and NotFound."""
    for entry in iter_timeline(document_id):
        if entry.change_set.id == change_set_id:
            return entry
    raise NotFound("This change of the customer is not on record, or no longer kept.")


def _newest(document_id: str) -> EntryKey | None:
    query = select(Customer.part_id, Customer.entry_number).where(Customer.document_id == document_id)
    found = db.session.execute(query).one_or_none()
    if found is None:
        raise CustomerNotFound("No customer has this document_id.")
    return chain_key(*found)


def _previous(key: EntryKey) -> EntryKey | None:
    entry = db.session.get(CustomerChange, key)
    return chain_key(entry.previous_part_id, entry.previous_number) if entry else None


def iter_timeline(document_id: str) -> Iterator[TimelineEntry]:
    """Yield the whole timeline, newest first, read a page at a time. Raises CustomerNotFound."""
    page = timeline(document_id, limit=PAGE_SIZE)
    while page:
        yield from page
        page = timeline(document_id, limit=PAGE_SIZE, before=page[-1].key) if len(page) == PAGE_SIZE else []


def retained_since() -> datetime | None:
    """Return the moment before which the record is incomplete; None if nothing was ever removed."""
    horizon = db.session.get(RetentionHorizon, 1)
    return horizon.until if horizon else None


def check_retained(moment: datetime) -> None:
    """Raise NoLongerRetained for a moment before the record begins."""
    until = retained_since()
    if until and moment < until:
        raise NoLongerRetained(f"Changes before {until:%Y-%m-%d %H:%M} UTC are no longer kept.")


def segments_at(document_id: str, moment: datetime) -> Segments:
    """Return a customer's segments at a moment.

    Raises CustomerNotFound, and NoLongerRetained for a moment before the record begins.
    """
    earliest: TimelineEntry | None = None
    for entry in iter_timeline(document_id):
        if entry.at <= moment:
            return entry.after
        earliest = entry
    if earliest and earliest.previous is None:
        return earliest.before
    customer = db.session.get_one(Customer, document_id)
    if customer.changed_at is None or customer.changed_at <= moment:
        return customer.segments
    until = retained_since()
    if earliest and until and moment >= until:
        return earliest.before
    raise NoLongerRetained(
        f"Changes before {until:%Y-%m-%d %H:%M} UTC are no longer kept." if until else "This is no longer kept."
    )


@dataclass(frozen=True)
class SegmentProvenance:
    """A pair that a customer holds, and the change that gave it; None where that is no longer on record."""

    type: str
    value: str
    since: ChangeSet | None


def provenance(document_id: str) -> list[SegmentProvenance]:
    """Return each distinct pair that a customer holds, in their order, and since when. Raises CustomerNotFound."""
    _newest(document_id)
    query = select(Customer.segments).where(Customer.document_id == document_id)
    pairs = distinct_pairs(db.session.scalars(query).one())
    since: dict[tuple[str, str], ChangeSet] = {}
    for entry in iter_timeline(document_id):
        had = set(distinct_pairs(entry.before))
        for pair in pairs:
            if pair not in had:
                since.setdefault(pair, entry.change_set)
        if len(since) == len(pairs):
            break
    return [SegmentProvenance(*pair, since.get(pair)) for pair in pairs]
