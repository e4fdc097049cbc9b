"""Schedules: a prepared job is applied at one moment, and what it changed is reverted at another.

A scheduled job is a row in the state `scheduled` that the workers take up once its moment, by the database's clock, has
come. The revert is a job of its own, which the transaction stores that applies the first batch: it is scheduled, moved
and cancelled like any other, and it is there exactly if there is something to revert.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, literal, not_, select, type_coerce, update
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.database import UtcDateTime, db, run_in_transaction
from app.core.errors import Conflict, InputError
from app.core.limits import MAX_CLOCK_SKEW
from app.core.models.change_sets import Actor
from app.jobs.affected_customers import needs_approval
from app.jobs.jobs import Job, NotReady, insert_job, jobs, transition, transition_in
from app.jobs.revert_job import RevertJob
from app.jobs.states import JobKind, JobState

SCHEDULABLE = (JobKind.EDIT, JobKind.IMPORT)
"""The kinds of jobs that a user schedules after their preview; API jobs are scheduled when they are sent."""

origins = jobs.alias("origins")
"""Jobs whose change sets are to be reverted."""


class ScheduleMissed(Conflict):
    code = "SCHEDULE_MISSED"
    explanation = "The moments to apply the job and to undo it have both passed before it could be applied."


@dataclass(frozen=True)
class Schedule:
    """When a job is applied, and when its change set is reverted; None for at once, and for never."""

    apply_at: datetime | None = None
    revert_at: datetime | None = None


AT_ONCE = Schedule()


def iter_schedule_errors(
    schedule: Schedule,
    retention: timedelta | None,
    *,
    applied_at: datetime | None = None,
    session: Session | None = None,
) -> Iterator[InputError]:
    """Yield what is wrong with a new schedule; `retention` is for how long the history is kept, if it is limited."""
    moment = database_moment(session)
    apply_at, revert_at = schedule.apply_at, schedule.revert_at
    if apply_at and apply_at < moment - MAX_CLOCK_SKEW:
        yield "apply_at", "Must not be in the past."
    if revert_at is None:
        return
    if apply_at and revert_at <= apply_at:
        yield "revert_at", "Must be later than the moment at which it is applied."
    elif revert_at <= moment:
        yield "revert_at", "Must not be in the past."
    elif retention and revert_at - (applied_at or apply_at or moment) >= retention:
        yield "revert_at", f"Must be within {retention.days} days after it is applied: history is kept for so long."


def iter_move_errors(job: Job, schedule: Schedule, retention: timedelta | None) -> Iterator[InputError]:
    """Yield what is wrong with another schedule for a job, whether it is applied yet or not."""
    if schedule == current_schedule(job):
        return
    if job.state in (JobState.CHECKING, JobState.SCHEDULED):
        yield from iter_schedule_errors(schedule, retention)
    else:
        applied_at = job.finished_at or job.apply_at
        yield from iter_schedule_errors(replace(schedule, apply_at=None), retention, applied_at=applied_at)


def database_moment(session: Session | None = None) -> datetime:
    """Return the time by the database's clock."""
    query = select(type_coerce(dialects.database_time(), UtcDateTime))
    return (session or db.session).scalars(query).one()


def current_schedule(job: Job) -> Schedule:
    """Return the schedule of a job as it is now: its revert may have been moved or cancelled."""
    revert = db.session.get(Job, job.revert_job_id) if job.revert_job_id else None
    return Schedule(job.apply_at, revert.apply_at if revert else job.revert_at)


def pending_revert(job: Job) -> Job | None:
    """Return the scheduled job that will revert this one."""
    revert = db.session.get(Job, job.revert_job_id) if job.revert_job_id else None
    return revert if revert and revert.state == JobState.SCHEDULED else None


def get_origin(revert: Job) -> Job | None:
    """Return the job that a scheduled revert belongs to."""
    return db.session.scalar(select(Job).where(Job.revert_job_id == revert.id))


# Changed by users


def schedule_job(job: Job, schedule: Schedule, actor: Actor, approval_above: int | None = None) -> None:
    """Schedule a previewed job; apply it at once if only its revert has a moment.

    It is held if it is about more customers than `approval_above`. Raises NotReady and Unavailable.
    """
    if job.kind not in SCHEDULABLE:
        raise NotReady("Only imports and bulk edits can be scheduled.")
    state, times = JobState.SCHEDULED if schedule.apply_at else JobState.APPLYING, asdict(schedule)
    state = JobState.HELD if needs_approval(job, approval_above) else state
    transition(job.id, state, from_=(JobState.READY,), actor=actor, **times)


def reschedule(job_id: int, schedule: Schedule) -> None:
    """Give a job another schedule: as a whole before it is applied; later only its revert changes.

    Raises NotReady, also when the job or its revert has begun, and Unavailable.
    """

    def work(session: Session) -> None:
        job = session.get_one(Job, job_id, with_for_update=True)
        if job.state == JobState.SCHEDULED or (job.state == JobState.CHECKING and job.apply_at):
            if schedule.apply_at is None:
                raise NotReady("This is scheduled. Cancel it instead.")
            job.apply_at, job.revert_at = schedule.apply_at, schedule.revert_at
        elif job.kind == JobKind.REVERT or schedule.apply_at != job.apply_at:
            raise NotReady("This was started, applied or discarded already. Nothing changed.")
        elif job.revert_job_id is None:
            _set_first_revert(session, job, schedule.revert_at)
        else:
            _move_revert(session, job, schedule.revert_at)

    run_in_transaction(work)


def _set_first_revert(session: Session, job: Job, revert_at: datetime | None) -> None:
    if not (job.is_running or job.change_set_id):
        raise NotReady("There is nothing to undo: nothing was applied.")
    job.revert_at = revert_at
    session.flush()
    schedule_revert(session, job)


def _move_revert(session: Session, job: Job, revert_at: datetime | None) -> None:
    revert = session.get_one(Job, job.revert_job_id)
    if revert_at is None:
        ended = JobState.CANCELLED if revert.source == "api" else JobState.DISCARDED
        transition_in(session, revert.id, ended, from_=(JobState.SCHEDULED,))
    elif revert.state in (JobState.CANCELLED, JobState.DISCARDED) and not revert.batches_done:
        job.revert_job_id, job.revert_at = None, revert_at
        session.flush()
        schedule_revert(session, job)
    else:
        moved = update(jobs).where(jobs.c.id == revert.id, jobs.c.state == JobState.SCHEDULED)
        if not session.execute(moved.values(apply_at=revert_at)).rowcount:  # type: ignore[attr-defined]
            raise NotReady("The undo has begun already. Nothing changed.")


# Carried out by the workers


def start_due_jobs() -> None:
    """Hand the scheduled jobs whose moment has come to the workers. Raises Unavailable."""
    if db.session.scalar(select(jobs.c.id).where(_is_due()).limit(1)) is None:  # the usual case writes nothing
        return
    started = case((jobs.c.kind == JobKind.REVERT, literal(JobState.CHECKING)), else_=literal(JobState.APPLYING))
    run_in_transaction(lambda session: session.execute(update(jobs).where(_is_due()).values(state=started)), wait=False)


def _is_due() -> ColumnElement[bool]:
    """Return the condition that a job is due; a revert waits until the job is applied to its end or stopped."""
    is_being_applied = exists().where(origins.c.revert_job_id == jobs.c.id, origins.c.state == JobState.APPLYING)
    is_past: Any = jobs.c.apply_at <= dialects.database_time()
    return and_(jobs.c.state == JobState.SCHEDULED, is_past, not_(is_being_applied))


def check_not_missed(session: Session, job: Job) -> None:
    """Raise ScheduleMissed if it is time to revert a job of which nothing is applied yet."""
    if job.revert_at and job.revert_at <= database_moment(session):
        raise ScheduleMissed(
            "Missed: the moments to apply it and to undo it have both passed before it could be applied."
        )


def schedule_revert(session: Session, job: Job) -> None:
    """Store the job that reverts the change set, unless there is one; in the transaction that wrote the job's row."""
    columns = select(jobs.c.revert_at, jobs.c.revert_job_id, jobs.c.change_set_id, jobs.c.payload)
    row = session.execute(columns.where(jobs.c.id == job.id)).one()
    if row.revert_at is None or row.revert_job_id or row.change_set_id is None:
        return
    payload = replace(
        RevertJob(row.change_set_id, waits=False),
        types=tuple(row.payload.get("types", ())),
        reason=f"Scheduled undo of change #{row.change_set_id}",
    )
    revert_id = insert_job(
        session, JobKind.REVERT, job.to_actor(), payload.to_dict(), JobState.SCHEDULED, row.revert_at
    )
    session.execute(update(jobs).where(jobs.c.id == job.id).values(revert_job_id=revert_id))
