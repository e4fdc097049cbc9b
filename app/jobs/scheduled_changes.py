"""Which changes are scheduled, and whom and which segments they concern."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select

from app.core.database import db, now
from app.core.history.timeline import iter_timeline
from app.core.models.segments import SegmentPair
from app.jobs.batches import batches, load_batch
from app.jobs.jobs import Job, jobs
from app.jobs.schedules import Schedule
from app.jobs.states import JobKind, JobState

FAILED_SHOWN_FOR = timedelta(days=7)


@dataclass(frozen=True)
class ScheduledChange:
    """A job that will be applied, or one that is applied and will be reverted; or that failed at its moment."""

    job: Job
    schedule: Schedule
    revert: Job | None = None
    """The job that will revert it, once it is applied."""

    @property
    def error(self) -> str | None:
        return (self.revert or self.job).error

    @property
    def concerned(self) -> set[SegmentPair]:
        """Return the segments of which the job would change the size, or that it names."""
        deltas = [SegmentPair(*delta[:2]) for delta in (self.job.preview or {}).get("deltas", ())]
        named = self.job.payload.get("segments") if self.job.kind == JobKind.EDIT else None
        return {*deltas, *map(SegmentPair.of, named or ())}


def list_scheduled_changes(*, with_failed: bool = False) -> list[ScheduledChange]:
    """Return the scheduled changes, the next one first; with `with_failed`, those that failed come before them."""
    failed = and_(
        jobs.c.state == JobState.FAILED, jobs.c.apply_at.is_not(None), jobs.c.finished_at > now() - FAILED_SHOWN_FOR
    )
    shown = or_(jobs.c.state == JobState.SCHEDULED, failed) if with_failed else jobs.c.state == JobState.SCHEDULED
    rows = list(db.session.scalars(select(Job).where(shown).order_by(jobs.c.apply_at, jobs.c.id)))
    reverts = [job.id for job in rows if job.kind == JobKind.REVERT]
    found = db.session.scalars(select(Job).where(jobs.c.revert_job_id.in_(reverts))) if reverts else ()
    origins = {job.revert_job_id: job for job in found}
    return [_scheduled_change(job, origins.get(job.id)) for job in rows]


def _scheduled_change(job: Job, origin: Job | None) -> ScheduledChange:
    if origin:
        return ScheduledChange(origin, Schedule(None, job.apply_at), job)
    return ScheduledChange(job, Schedule(job.apply_at, job.revert_at))


def scheduled_for_segment(pair: SegmentPair) -> list[ScheduledChange]:
    """Return the scheduled changes that concern a segment, the next one first."""
    return [change for change in list_scheduled_changes() if pair in change.concerned]


def scheduled_for_customer(document_id: str) -> list[ScheduledChange]:
    """Return the scheduled changes that concern a customer, the next one first. Raises CustomerNotFound."""
    changes = list_scheduled_changes()
    waiting = _with_customer(document_id, [change.job.id for change in changes if not change.revert])
    applied = _change_sets_of(document_id, [change.job for change in changes if change.revert])
    return [
        change
        for change in changes
        if (change.job.change_set_id in applied if change.revert else change.job.id in waiting)
    ]


def _with_customer(document_id: str, job_ids: list[int]) -> set[int]:
    """Return the jobs that have the customer in a batch: few are read, because each knows its range of ids."""
    if not job_ids:
        return set()
    in_range = and_(batches.c.first_id <= document_id, batches.c.last_id >= document_id)
    query = select(batches.c.job_id, batches.c.number).where(batches.c.job_id.in_(job_ids), in_range)
    rows = db.session.execute(query.order_by(batches.c.job_id, batches.c.number)).all()
    return {job_id for job_id, number in rows if document_id in load_batch(db.session(), job_id, number)}


def _change_sets_of(document_id: str, applied: Iterable[Job]) -> set[Any]:
    """Return the change sets of these jobs that changed the customer's segments."""
    change_sets = {job.change_set_id: job.created_at for job in applied}
    oldest: datetime | None = min(change_sets.values(), default=None)
    found: set[Any] = set()
    if oldest is None:
        return found
    for entry in iter_timeline(document_id):
        if entry.at < oldest:
            break
        found.add(entry.change_set.id)
    return found & change_sets.keys()
