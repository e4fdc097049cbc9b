"""Change sets that a killed command left unfinished."""

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Select, and_, exists, not_, or_, select
from sqlalchemy.orm import Session

from app.core.changes.batched_change import LEASE, BatchedChange, end_early
from app.core.database import db, now, run_in_transaction
from app.core.leases import is_free
from app.core.models.change_sets import APPLYING, Actor, ChangeSet
from app.jobs.jobs import jobs
from app.jobs.states import JobState

UNLEASED_AFTER = timedelta(hours=1)
"""Since the last part of a change set that a command of an earlier version left: it has no lease."""

sets = ChangeSet.__table__


def end_abandoned_change_sets() -> int:
    """End the change sets that no job applies and no command continues, so that they can be reverted.

    Returns how many there were. Raises Unavailable.
    """
    ids = [row.id for row in db.session.execute(_abandoned())]
    return sum(run_in_transaction(partial(_end, change_set_id=id_)) for id_ in ids)


def _end(session: Session, change_set_id: int) -> bool:
    """End a change set, unless its command goes on or another process has ended it."""
    found = session.execute(_abandoned().where(sets.c.id == change_set_id).with_for_update(of=sets)).first()
    if found is None:
        return False
    end_early(session, BatchedChange(Actor(found.actor, found.source), change_set_id=change_set_id))
    return True


def _abandoned() -> Select[Any]:
    """Return a query for the abandoned change sets; those without a position are few, and found by its index."""
    is_applied_by_a_job = exists().where(jobs.c.change_set_id == sets.c.id, jobs.c.state == JobState.APPLYING)
    lease_has_ended = and_(sets.c.leased_until.is_not(None), is_free(sets, LEASE))
    is_old = and_(sets.c.leased_until.is_(None), sets.c.at < now() - UNLEASED_AFTER)
    return (
        select(sets.c.id, sets.c.actor, sets.c.source)
        .where(sets.c.position.is_(None), sets.c.state == APPLYING)
        .where(or_(lease_has_ended, is_old), not_(is_applied_by_a_job))
        .order_by(sets.c.id)
    )
