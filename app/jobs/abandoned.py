"""Change sets that a killed command left unfinished."""

from datetime import timedelta

from sqlalchemy import exists, not_, select

from app.core.changes.batched_change import BatchedChange, end_early
from app.core.database import db, now, run_in_transaction
from app.core.models.change_sets import APPLYING, Actor, ChangeSet
from app.jobs.jobs import jobs
from app.jobs.states import JobState

ABANDONED_AFTER = timedelta(hours=1)
"""Since the last part of the change set."""


def end_abandoned_change_sets() -> int:
    """End the change sets that no job applies and no command continues, so that they can be reverted.

    Returns how many there were. Raises Unavailable.
    """
    is_applied_by_a_job = exists().where(jobs.c.change_set_id == ChangeSet.id, jobs.c.state == JobState.APPLYING)
    abandoned = select(ChangeSet.id, ChangeSet.actor, ChangeSet.source).where(
        ChangeSet.state == APPLYING, ChangeSet.at < now() - ABANDONED_AFTER, not_(is_applied_by_a_job)
    )
    rows = db.session.execute(abandoned.order_by(ChangeSet.id)).all()
    for id_, name, source in rows:
        change = BatchedChange(Actor(name, source), change_set_id=id_)
        run_in_transaction(lambda session, change=change: end_early(session, change))  # type: ignore[misc]
    return len(rows)
