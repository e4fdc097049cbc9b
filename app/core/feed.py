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
from app.core.changes import ChangeSet, Pruning, SegmentChange
from app.core.database import db
from app.core.errors import NoLongerKnown

sets = ChangeSet.__table__.c
changes = SegmentChange.__table__.c


@dataclass(frozen=True, order=True)
class Place:
    """A place in the feed: just after this customer's change in the change set at this position."""

    position: int = 0
    document_id: str = ""


START = Place()

Change = Row[Any]
"""id, at, actor, source and position of the change set; document_id, before and after of the customer."""


def read_feed(after: Place = START, *, most: int) -> tuple[list[Change], Place]:
    """The next changes, and where to go on from. Raises NoLongerKnown where changes after `after` were pruned."""
    settled = dialects.settled_position(cast(Session, db.session))
    pruned = db.session.get(Pruning, 1)
    if pruned and START != after < Place(pruned.position):
        raise NoLongerKnown("Changes after this cursor are no longer kept. Read the feed from its start again.")
    found = _changes_in([after.position], most, beyond=after.document_id) if after.document_id else []
    for group in _that_fit(after.position, settled, most - len(found)):
        found += _changes_in(group, most - len(found))
    return found, Place(found[-1].position, found[-1].document_id) if found else after


def _that_fit(after: int, settled: int, most: int) -> list[list[int]]:
    """The positions that come next: first those whose changes fit as a whole, then the one to be told in part."""
    query = (
        select(sets.position, sets.changed)
        .where(sets.position > after, sets.position <= settled)
        .order_by(sets.position)
        .limit(most)
    )
    whole: list[int] = []
    for position, changed in db.session.execute(query):
        if changed > most:
            return [whole, [position]]
        whole.append(position)
        most -= changed
    return [whole]


def _changes_in(positions: list[int], most: int, beyond: str = "") -> list[Change]:
    if not positions or not most:
        return []
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
        .where(sets.position.in_(positions), changes.document_id > beyond)
        .order_by(sets.position, changes.document_id)
        .limit(most)
    )
    return list(db.session.execute(query))
