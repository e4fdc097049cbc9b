"""Change sets, newest first: listed, filtered, and shown customer by customer."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise

from sqlalchemy import func, select, tuple_

from app.core.counts.segment_deltas import change_sets_affecting
from app.core.database import db
from app.core.history.feed import FeedEntry, select_entries
from app.core.history.timeline import iter_timeline
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.core.models.customer_changes import CustomerChange, EntryKey, Kind
from app.core.models.customers import Customer, CustomerSearch
from app.core.models.segments import SegmentPair, Segments

parts, entries = ChangeSetPart.__table__.c, CustomerChange.__table__.c

START: EntryKey = (0, 0)


@dataclass(frozen=True)
class ChangeSetFilter:
    """Which change sets: all conditions must hold."""

    source: str | None = None
    actors: tuple[str, ...] = ()
    """By any of them; by anyone, if empty."""
    document_id: str | None = None
    segment: SegmentPair | None = None
    """Only those that made the segment grow or shrink."""
    since: datetime | None = None
    until: datetime | None = None


def list_change_sets(filters: ChangeSetFilter, *, before: int | None = None, limit: int) -> list[ChangeSet]:
    """Return the next change sets, newest first, after the one with the id `before`. Raises CustomerNotFound."""
    if filters.document_id is not None:
        return list(islice(_iter_of_customer(filters.document_id, filters, before), limit))
    query = select(ChangeSet).order_by(ChangeSet.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ChangeSet.id < before)
    if filters.source:
        query = query.where(ChangeSet.source == filters.source)
    if filters.actors:
        query = query.where(ChangeSet.actor.in_(filters.actors))
    if filters.since:
        query = query.where(ChangeSet.at >= filters.since)
    if filters.until:
        query = query.where(ChangeSet.at < filters.until)
    if filters.segment:
        query = query.where(ChangeSet.id.in_(change_sets_affecting(filters.segment)))
    return list(db.session.scalars(query))


def _iter_of_customer(document_id: str, filters: ChangeSetFilter, before: int | None) -> Iterator[ChangeSet]:
    """Yield the change sets of a customer's timeline, which is walked: it is a chain and has no index."""
    affecting: set[int] | None = None
    if filters.segment:
        affecting = {*db.session.scalars(change_sets_affecting(filters.segment))}
    seen: set[int] = set()
    reached = before is None
    for entry in iter_timeline(document_id):
        change_set = entry.change_set
        if change_set.id in seen:
            continue
        seen.add(change_set.id)
        if reached and _matches(change_set, filters, affecting):
            yield change_set
        reached = reached or change_set.id == before


def _matches(change_set: ChangeSet, filters: ChangeSetFilter, affecting: set[int] | None) -> bool:
    return (
        filters.source in (None, change_set.source)
        and (not filters.actors or change_set.actor in filters.actors)
        and (filters.since is None or change_set.at >= filters.since)
        and (filters.until is None or change_set.at < filters.until)
        and (affecting is None or change_set.id in affecting)
    )


@dataclass(frozen=True)
class SegmentChange:
    """What a change set did to the segments of a customer, and the customer's name now."""

    part_id: int
    number: int
    document_id: str
    """The id that the customer had then."""
    before: Segments
    after: Segments
    name: str | None


def list_segment_changes(change_set_id: int, *, after: EntryKey = START, limit: int) -> list[SegmentChange]:
    """Return changes of segments by a change set, in its order, after an entry."""
    query = (
        select(CustomerChange)
        .join(ChangeSetPart, parts.id == entries.part_id)
        .where(parts.change_set_id == change_set_id, entries.kind == "segments")
        .where(tuple_(entries.part_id, entries.number) > after)
        .order_by(entries.part_id, entries.number)
        .limit(limit)
    )
    changes = db.session.scalars(query).all()
    names = _current_names({change.customer_id for change in changes})
    return [
        SegmentChange(
            change.part_id,
            change.number,
            change.document_id,
            change.before,
            change.after,
            names.get(change.customer_id),
        )
        for change in changes
    ]


def _current_names(customer_ids: Collection[int]) -> dict[int, str | None]:
    """Return the names of customers, by their internal numbers; another statement, because Citus refuses the join."""
    query = (
        select(CustomerSearch.id, Customer.name)
        .join(Customer, Customer.document_id == CustomerSearch.document_id)
        .where(CustomerSearch.id.in_(customer_ids))
    )
    return {row.id: row.name for row in db.session.execute(query)} if customer_ids else {}


def list_entries(
    change_set_id: int, kinds: Collection[Kind] = (), *, after: EntryKey = START, limit: int
) -> list[FeedEntry]:
    """Return the entries of a change set, of all or some kinds, in the order of the feed.

    `after` is the position and number of an entry.
    """
    query = select_entries().where(parts.change_set_id == change_set_id, tuple_(parts.position, entries.number) > after)
    if kinds:
        query = query.where(entries.kind.in_(kinds))
    return list(db.session.execute(query.order_by(parts.position, entries.number).limit(limit)).all())


def list_reverts(change_set_id: int) -> list[ChangeSet]:
    """Return the change sets that reverted this one, the newest first."""
    return list(
        db.session.scalars(select(ChangeSet).where(ChangeSet.reverts == change_set_id).order_by(ChangeSet.id.desc()))
    )


def list_actors(*, limit: int) -> list[str]:
    """Return the names of the actors, walked from name to name along the index: few names in many rows."""
    actors: list[str] = []
    actor = db.session.scalar(select(func.min(ChangeSet.actor)))
    while actor is not None and len(actors) < limit:
        actors.append(actor)
        actor = db.session.scalar(select(func.min(ChangeSet.actor)).where(ChangeSet.actor > actor))
    return actors


def count_changed_by_source(since: datetime) -> list[tuple[str, int, int]]:
    """Return (source, change sets, customers changed) since a moment, the largest first."""
    changed = func.sum(ChangeSet.changed)
    query = (
        select(ChangeSet.source, func.count(), changed)
        .where(ChangeSet.at >= since)
        .group_by(ChangeSet.source)
        .order_by(changed.desc(), ChangeSet.source)
    )
    return [(source, sets, int(n)) for source, sets, n in db.session.execute(query)]


def count_changed_between(starts: list[datetime]) -> list[int]:
    """Return how many customers changed from each moment until the next one, in ascending order."""
    sums = [
        func.coalesce(func.sum(ChangeSet.changed).filter(ChangeSet.at >= start, ChangeSet.at < end), 0)
        for start, end in pairwise(starts)
    ]
    return [int(changed) for changed in db.session.execute(select(*sums).where(ChangeSet.at >= starts[0])).one()]
