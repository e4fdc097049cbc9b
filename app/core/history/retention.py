"""Retention: forgetting changes of long ago, without touching what is."""

from datetime import datetime
from typing import cast

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.counts.segment_deltas import SegmentDelta
from app.core.database import db, run_in_transaction
from app.core.models.change_sets import ChangeSet, RetentionHorizon, SegmentChange
from app.core.models.profile_changes import ProfileChange

BATCH_SIZE = 10_000
"""Customers' changes deleted in one transaction, about: others get their turn in between."""


def prune(until: datetime) -> tuple[int, int]:
    """Delete the change sets made before that moment, oldest first: how many, and how many customers' changes.

    Only from the feed's beginning, so that what is kept has no holes: a change set before `until` is kept while one
    ahead of it in the feed is not older. Every batch notes how far it went; cut short, it goes on at the next call.

    Raises Unavailable.
    """
    change_sets = changes = 0
    settled = dialects.settled_position(cast(Session, db.session))  # nothing can come to stand before it any more
    while done := run_in_transaction(lambda session: _prune_batch(session, until, settled)):
        change_sets += done[0]
        changes += done[1]
    return change_sets, changes


def _prune_batch(session: Session, until: datetime, settled: int) -> tuple[int, int] | None:
    old = _oldest(session, until, settled)
    if not old:
        return None
    ids = [change_set.id for change_set in old]
    changes = session.execute(delete(SegmentChange).where(SegmentChange.change_set_id.in_(ids)))
    session.execute(delete(ProfileChange).where(ProfileChange.change_set_id.in_(ids)))
    session.execute(delete(SegmentDelta).where(SegmentDelta.change_set_id.in_(ids)))
    session.execute(delete(ChangeSet).where(ChangeSet.id.in_(ids)))
    horizon = session.get(RetentionHorizon, 1) or RetentionHorizon(id=1, until=old[0].at)
    horizon.until = max(horizon.until, *(change_set.at for change_set in old))
    horizon.position = old[-1].position
    session.add(horizon)
    return len(ids), changes.rowcount  # type: ignore[attr-defined]


def _oldest(session: Session, until: datetime, settled: int) -> list[ChangeSet]:
    """The first change sets of the feed that are old enough, with BATCH changes among them, or one that has more."""
    first_to_keep = session.scalar(select(func.min(ChangeSet.position)).where(ChangeSet.at >= until))
    beyond = settled + 1 if first_to_keep is None else min(first_to_keep, settled + 1)
    query = select(ChangeSet).where(ChangeSet.position < beyond).order_by(ChangeSet.position).limit(BATCH_SIZE)
    old: list[ChangeSet] = []
    changes = 0
    for change_set in session.scalars(query):
        changes += change_set.changed + change_set.created + change_set.updated
        if old and changes > BATCH_SIZE:
            break
        old.append(change_set)
    return old
