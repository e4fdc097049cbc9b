"""The change feed: every change of every customer's segments, oldest first, none skipped and none twice.

Ids are given out before commit: a reader that remembers the last id it saw loses what commits later with a lower one.
PostgreSQL's transaction numbers are no better: of two that changed one customer, the lower may be the later. The feed
goes by the position that a change set takes as its last act, and ends where all positions are settled.
"""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.database import db
from app.core.errors import NoLongerRetained
from app.core.models.change_sets import ChangeSet, RetentionHorizon, SegmentChange

sets = ChangeSet.__table__.c
changes = SegmentChange.__table__.c


@dataclass(frozen=True, order=True)
class FeedPosition:
    """A place in the feed: just after this customer's change in the change set at this position."""

    position: int = 0
    document_id: str = ""


START = FeedPosition()

FeedEntry = Row[Any]
"""id, at, actor, source and position of the change set; document_id, before and after of the customer."""


def read_feed(after: FeedPosition = START, *, most: int) -> tuple[list[FeedEntry], FeedPosition]:
    """The next changes, and where to go on from. Raises NoLongerKnown where changes after `after` were pruned."""
    settled = dialects.settled_position(cast(Session, db.session))
    pruned = db.session.get(RetentionHorizon, 1)
    if pruned and START != after < FeedPosition(pruned.position):
        raise NoLongerRetained("Changes after this cursor are no longer kept. Read the feed from its start again.")
    found = _next_changes(_set_at(after.position), most, beyond=after.document_id) if after.document_id else []
    for group in _next_change_sets(after.position, settled, most - len(found)):
        found += _next_changes(group, most - len(found))
    return found, FeedPosition(found[-1].position, found[-1].document_id) if found else after


def _set_at(position: int) -> list[int]:
    return list(db.session.scalars(select(sets.id).where(sets.position == position)))


def _next_change_sets(after: int, settled: int, most: int) -> list[list[int]]:
    """The change sets that come next: first those whose changes fit as a whole, then the one to be told in part.

    Those that changed no segments are passed over: a page full of them would tell nothing, and never be left.
    """
    query = (
        select(sets.id, sets.changed)
        .where(sets.position > after, sets.position <= settled, sets.changed > 0)
        .order_by(sets.position)
        .limit(most)
    )
    whole: list[int] = []
    for id_, changed in db.session.execute(query):
        if changed > most:
            return [whole, [id_]]
        whole.append(id_)
        most -= changed
    return [whole]


def _next_changes(change_sets: list[int], most: int, beyond: str = "") -> list[FeedEntry]:
    if not change_sets or not most:
        return []
    # One change set's changes come in the order of their key: a page of a large one must not sort all that is left.
    order = (sets.position, changes.document_id) if len(change_sets) > 1 else (changes.document_id,)
    query = (
        select(
            sets.id,
            sets.at,
            sets.actor,
            sets.source,
            sets.position,
            changes.document_id,
            changes.before,
            changes.after,
        )
        .join(SegmentChange, changes.change_set_id == sets.id)
        .where(changes.change_set_id.in_(change_sets), changes.document_id > beyond)
        .order_by(*order)
        .limit(most)
    )
    found: list[FeedEntry] = list(db.session.execute(query).all())  # type: ignore[arg-type]
    return found
