"""The change sets, newest first: listed, filtered, and told customer by customer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Row, func, select

from app.core.counts.segment_deltas import change_sets_affecting
from app.core.database import db
from app.core.history.timeline import timeline
from app.core.models.change_sets import ChangeSet, SegmentChange
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair

sets = ChangeSet.__table__.c
changes = SegmentChange.__table__.c


@dataclass(frozen=True)
class ChangeSetFilter:
    """Which change sets: all conditions must hold."""

    source: str | None = None
    actor: str | None = None
    document_id: str | None = None
    segment: SegmentPair | None = None
    """Those after which more or fewer customers held it."""
    since: datetime | None = None
    until: datetime | None = None


def list_change_sets(chosen: ChangeSetFilter, *, before: int | None = None, most: int) -> list[ChangeSet]:
    """The next ones, newest first, older than the one with the id `before`. Raises CustomerNotFound."""
    if chosen.document_id is not None:
        return _of_customer(chosen, before, most)
    query = select(ChangeSet).order_by(ChangeSet.id.desc()).limit(most)
    if before is not None:
        query = query.where(ChangeSet.id < before)
    if chosen.source:
        query = query.where(ChangeSet.source == chosen.source)
    if chosen.actor:
        query = query.where(ChangeSet.actor == chosen.actor)
    if chosen.since:
        query = query.where(ChangeSet.at >= chosen.since)
    if chosen.until:
        query = query.where(ChangeSet.at < chosen.until)
    if chosen.segment:
        query = query.where(ChangeSet.id.in_(change_sets_affecting(chosen.segment)))
    return list(db.session.scalars(query))


def _of_customer(chosen: ChangeSetFilter, before: int | None, most: int) -> list[ChangeSet]:
    """Walked along her timeline, which is a chain and not an index."""
    assert chosen.document_id is not None
    moved: set[int] | None = None
    if chosen.segment:
        moved = {*db.session.scalars(change_sets_affecting(chosen.segment))}
    found: list[ChangeSet] = []
    steps = timeline(chosen.document_id, most=most, before=before)
    while steps and len(found) < most:
        found += [step.change_set for step in steps if _matches(step.change_set, chosen, moved)]
        steps = timeline(chosen.document_id, most=most, before=steps[-1].change_set.id)
    return found[:most]


def _matches(change_set: ChangeSet, chosen: ChangeSetFilter, moved: set[int] | None) -> bool:
    return (
        chosen.source in (None, change_set.source)
        and chosen.actor in (None, change_set.actor)
        and (chosen.since is None or change_set.at >= chosen.since)
        and (chosen.until is None or change_set.at < chosen.until)
        and (moved is None or change_set.id in moved)
    )


def list_segment_changes(change_set_id: int, *, after: str = "", most: int) -> list[Row[Any]]:
    """What a change set did: document_id, before, after, and the customer's name; by document_id."""
    query = (
        select(changes.document_id, changes.before, changes.after, Customer.name)
        .outerjoin(Customer, Customer.document_id == changes.document_id)
        .where(changes.change_set_id == change_set_id, changes.document_id > after)
        .order_by(changes.document_id)
        .limit(most)
    )
    return list(db.session.execute(query).all())


def list_reverts(change_set_id: int) -> list[ChangeSet]:
    """The change sets that undid this one, the newest first."""
    return list(
        db.session.scalars(select(ChangeSet).where(ChangeSet.reverts == change_set_id).order_by(ChangeSet.id.desc()))
    )


def list_actors(*, most: int) -> list[str]:
    """Who has changed anything, by name. A walk from name to name along the index: there may be few in many rows."""
    actors: list[str] = []
    actor = db.session.scalar(select(func.min(ChangeSet.actor)))
    while actor is not None and len(actors) < most:
        actors.append(actor)
        actor = db.session.scalar(select(func.min(ChangeSet.actor)).where(ChangeSet.actor > actor))
    return actors


def count_changed_by_source(since: datetime) -> list[tuple[str, int, int]]:
    """(source, change sets, customers changed) since then, the most first."""
    changed = func.sum(ChangeSet.changed)
    query = (
        select(ChangeSet.source, func.count(), changed)
        .where(ChangeSet.at >= since)
        .group_by(ChangeSet.source)
        .order_by(changed.desc(), ChangeSet.source)
    )
    return [(source, sets, int(n)) for source, sets, n in db.session.execute(query)]


def count_changed_by_day(since: datetime, days: int) -> list[int]:
    """How many customers were changed in each of the days that begin at `since`."""
    starts = [since + timedelta(days=n) for n in range(days + 1)]
    sums = [
        func.coalesce(func.sum(ChangeSet.changed).filter(ChangeSet.at >= start, ChangeSet.at < end), 0)
        for start, end in pairwise(starts)
    ]
    return [int(changed) for changed in db.session.execute(select(*sums).where(ChangeSet.at >= since)).one()]
