"""Jobs: changes of many customers, prepared, previewed and then applied in the background by `app.jobs.runner`.

A job is a row; its `kind` and `state` say what is to be done with it. Every process can show it and continue it.
"""

from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import Conflict, NotFound, Unavailable
from app.core.leases import NO_LEASE, LeaseColumns
from app.core.models.change_sets import Actor, ChangeSet
from app.jobs.states import RUNNING, STOPPED, JobKind, JobKindText, JobState, JobStateText, check_transition

JsonDict = dict[str, Any]


class NotReady(Conflict):
    code = "JOB_NOT_READY"
    explanation = "The job is not in a state that allows this."


class Job(LeaseColumns, Base):
    """A change of many customers: by a file (`import`), or by a filter or a selection (`edit`)."""

    __tablename__ = "jobs"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    kind: Mapped[JobKind] = mapped_column(JobKindText)
    state: Mapped[JobState] = mapped_column(JobStateText, index=True)
    created_by: Mapped[str]
    actor: Mapped[str]
    """Who created the job; once an operator applies it or has it approved, that operator."""
    decided_by: Mapped[str | None]
    """Who approved or rejected it, if it was held."""
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    payload: Mapped[JsonDict] = mapped_column(dialects.Json)
    """What is to be done: `ImportPayload` or `BulkEdit`, as `to_dict` writes them."""
    preview: Mapped[JsonDict | None] = mapped_column(dialects.Json)
    """`app.core.changes.preview.ChangePreview`, as `to_dict` writes it."""
    result: Mapped[JsonDict | None] = mapped_column(dialects.Json)
    error: Mapped[str | None]
    phase: Mapped[str | None]
    done: Mapped[int] = mapped_column(dialects.Id, default=0)
    total: Mapped[int | None] = mapped_column(dialects.Id)
    """Progress in the unit of the phase: bytes or customers."""
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The next attempt, after the database was busy."""
    batches_done: Mapped[int] = mapped_column(default=0)
    """Batches that are applied; written in the transaction of each batch."""
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)
    apply_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The moment from which a scheduled job is due."""
    revert_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The moment of the revert; once a batch is applied, the `apply_at` of the job `revert_job_id`."""
    revert_job_id: Mapped[int | None] = mapped_column(dialects.Id)
    request_id: Mapped[str | None]
    """The request that created it, by its id in the logs; None for a job of a command."""

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING

    def to_actor(self) -> Actor:
        return Actor(self.actor, self.source)


jobs = Job.__table__

RESET_ATTEMPTS: JsonDict = {"phase": None, "attempts": 0, "not_before": None, "cancel_requested": False, **NO_LEASE}
RESET_PROGRESS: JsonDict = {"done": 0, "total": None, "batches_done": 0, **RESET_ATTEMPTS}


def create_job(kind: JobKind, actor: Actor, payload: JsonDict, state: JobState) -> int:
    """Store a new job and return its id. Raises Unavailable."""
    return run_in_transaction(lambda session: insert_job(session, kind, actor, payload, state))


def insert_job(  # noqa: PLR0913, PLR0917 - one for each column
    session: Session, kind: JobKind, actor: Actor, payload: JsonDict, state: JobState, apply_at: datetime | None = None
) -> int:
    """Store a new job as part of a transaction; return its id."""
    job = Job(
        kind=kind,
        state=state,
        created_by=actor.name,
        actor=actor.name,
        source=actor.source,
        created_at=now(),
        payload=payload,
        apply_at=apply_at,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
    session.add(job)
    session.flush()
    return job.id


def get_job(job_id: int, kind: JobKind) -> Job:
    """Return the job as it is now. Raises NotFound."""
    db.session.remove()  # the session's snapshot may be older
    job = db.session.get(Job, job_id)
    if job is None or job.kind != kind:
        raise NotFound(f"There is no {kind} {job_id}, or it was deleted.")
    return job


def get_job_of_source(job_id: int, source: str) -> Job:
    """Return the job of any kind, if it was created by way of `source`. Raises NotFound."""
    job = get_any_job(job_id)
    if job.source != source:
        raise NotFound(f"There is no job {job_id}, or it was deleted.")
    return job


def get_any_job(job_id: int) -> Job:
    """Return the job of any kind as it is now. Raises NotFound."""
    db.session.remove()  # the session's snapshot may be older
    job = db.session.get(Job, job_id)
    if job is None or job.state == JobState.UPLOADING:
        raise NotFound(f"There is no job {job_id}, or it was deleted.")
    return job


def list_jobs(kind: JobKind, *, before: int | None = None, limit: int) -> list[Job]:
    """Return the newest jobs, or the newest with ids below `before`."""
    query = select(Job).where(Job.kind == kind).order_by(Job.id.desc()).limit(limit)
    return list(db.session.scalars(query if before is None else query.where(Job.id < before)))


def list_open_jobs() -> list[Job]:
    """Return the jobs that are prepared, scheduled or running, in the order in which they were created."""
    states = (*RUNNING, JobState.READY, JobState.SCHEDULED)
    return list(db.session.scalars(select(Job).where(Job.state.in_(states)).order_by(Job.id)))


def transition(job_id: int, state: JobState, **options: Any) -> None:
    """Move a job as `transition_in` does, in a transaction of its own. Raises NotReady and Unavailable."""
    run_in_transaction(lambda session: transition_in(session, job_id, state, **options))


def transition_in(  # noqa: PLR0913 - one step, and the columns that change with it
    session: Session,
    job_id: int,
    state: JobState,
    *,
    from_: tuple[JobState, ...],
    payload: JsonDict | None = None,
    error: str | None = None,
    actor: Actor | None = None,
    batches_done: int | None = None,
    apply_at: datetime | None = None,
    revert_at: datetime | None = None,
) -> None:
    """Move a job to another state for a user, and take it away from a worker that holds it.

    Its schedule becomes the one given; none by default. Raises NotReady when the job is in none of the states `from_`.
    """
    for before in from_:
        check_transition(before, state)
    values: JsonDict = {"state": state, "error": error, "apply_at": apply_at, "revert_at": revert_at, **RESET_PROGRESS}
    if payload is not None:
        values |= {"payload": payload, "preview": None}
    if actor is not None:
        values |= {"actor": actor.name, "source": actor.source}
    change = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(from_))
    if batches_done is not None:
        change = change.where(jobs.c.batches_done == batches_done)
    if not session.execute(change.values(values)).rowcount:  # type: ignore[attr-defined]
        raise NotReady("This was started, applied or discarded already. Nothing changed.")


def cancel(job: Job) -> None:
    """Stop a running job, or cancel a scheduled one.

    Before its first batch is applied it returns to the state before it was started; later it ends after the current
    batch, as `cancelled`. Raises NotReady when it is too late.
    """
    before = {
        JobState.CHECKING: JobState.DRAFT if job.kind == JobKind.IMPORT else JobState.DISCARDED,
        JobState.SCHEDULED: JobState.READY if job.preview else JobState.DISCARDED,
        JobState.APPLYING: JobState.READY,
        JobState.HELD: JobState.READY,
    }
    if job.source == "api":  # no operator has to decide what becomes of it
        before = {**dict.fromkeys(before, JobState.CANCELLED), JobState.HELD: JobState.DISCARDED}
    try:
        if job.state not in before:
            raise NotReady("")
        if job.batches_done:
            _request_cancel(job.id)
        else:
            transition(job.id, before[job.state], from_=(job.state,), batches_done=0)
    except (NotReady, Unavailable):  # on SQLite nothing else can be written while a batch is being applied
        raise NotReady("This can't be stopped any more. Once it is applied, you can undo it.") from None


def _request_cancel(job_id: int) -> None:
    def work(session: Session) -> None:
        request = update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.APPLYING)
        if not session.execute(request.values(cancel_requested=True)).rowcount:  # type: ignore[attr-defined]
            raise NotReady("")

    run_in_transaction(work)


def resume(job_id: int) -> None:
    """Continue a job that was stopped or failed after some of its batches.

    Raises NotReady, also when its change set was reverted meanwhile, and Unavailable.
    """

    def work(session: Session) -> None:
        job = session.get_one(Job, job_id)
        revert = aliased(Job)
        has_begun = (JobState.CHECKING, JobState.APPLYING, JobState.DONE)
        is_reverted = select(
            or_(
                exists().where(ChangeSet.reverts == job.change_set_id),
                exists().where(revert.id == job.revert_job_id, revert.state.in_(has_begun)),
            )
        )
        if job.state not in STOPPED or not job.batches_done or session.scalar(is_reverted):
            raise NotReady("This can't be continued: it was continued or undone already.")
        values = {"state": JobState.APPLYING, "error": None, "finished_at": None, **RESET_ATTEMPTS}
        session.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(STOPPED)).values(values))

    run_in_transaction(work)
