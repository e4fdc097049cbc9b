"""Held changes: prepared jobs that wait until an operator approves or rejects them who did not request them.

A change is held by the guard of a token that says so, or because it is larger than APPROVAL_ABOVE. Applied, each
customer is changed only where nothing newer has changed them: jobs of tokens have an `as_of`, others compare with their
preview.
"""

from typing import Any

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.access.audit_log import record_event
from app.core.changes.guard import Guard
from app.core.database import db, now, run_in_transaction
from app.core.errors import Forbidden, NotFound
from app.core.models.change_sets import Actor
from app.jobs.affected_customers import count_affected, needs_approval
from app.jobs.jobs import Job, JsonDict, NotReady, jobs, transition, transition_in
from app.jobs.runner import JobRun
from app.jobs.states import JobKind, JobState

API = "api"
"""The source of the jobs of tokens."""

SHOWN_AFTERWARDS = (JobKind.API, JobKind.MEMBERS)
"""Kinds of jobs that have no page of their own."""

log = structlog.get_logger()


class OwnRequest(Forbidden):
    code = "OWN_REQUEST"
    explanation = "An operator cannot approve a change that they requested."


# Held


def state_by_guard(run: JobRun, guard: JsonDict | None, emptied: int, sent: int, *, dry_run: bool) -> JobState:
    """Return the state of a token's job after its check. Raises ChangeTooLarge, also for a dry run of a held change."""
    limits = Guard.from_dict(guard) if guard else Guard()
    if limits.holds and not dry_run and not limits.allows(emptied, sent):
        return JobState.HELD
    limits.check(emptied, sent, None)
    if limits.warns(emptied, sent):
        log.warning("guard_warning", job=run.job.id, actor=run.job.actor, customers=emptied)
    return JobState.DONE if dry_run else JobState.APPLYING


def hold_checked(session: Session, run: JobRun, preview: JsonDict, **values: Any) -> None:
    """Hold a token's job as part of the transaction that ends its check. Raises LeaseLost."""
    run.finish(session, state=JobState.HELD, preview=preview, attempts=0, finished_at=None, **values)
    supersede_older(session, run.job.actor)


def supersede_older(session: Session, token: str) -> None:
    """Discard the held changes of a token but the newest, as part of a transaction (contract §8)."""
    newest = _newest_held(session, token)
    if newest is None:
        return
    values = {
        "state": JobState.DISCARDED,
        "error": f"Superseded by job {newest}, a newer request of the same token. Nothing was applied.",
        "finished_at": now(),
    }
    session.execute(update(jobs).where(*_held_by(token), jobs.c.id < newest).values(values))


def _held_by(token: str) -> tuple[Any, ...]:
    return jobs.c.state == JobState.HELD, jobs.c.source == API, jobs.c.actor == token


def _newest_held(session: Session, token: str) -> int | None:
    newest: int | None = session.scalar(select(func.max(jobs.c.id)).where(*_held_by(token)))
    return newest


def apply_or_hold(job: Job, actor: Actor, approval_above: int | None) -> None:
    """Apply a prepared job for an operator, or hold it if it is about more customers than they may change alone.

    Raises NotReady and Unavailable.
    """
    state = JobState.HELD if needs_approval(job, approval_above) else JobState.APPLYING
    transition(job.id, state, from_=(JobState.READY,), actor=actor)


# Listed


def count_held() -> int:
    """Return how many changes wait for approval."""
    return db.session.scalar(select(func.count()).where(jobs.c.state == JobState.HELD)) or 0


def list_held(limit: int) -> list[Job]:
    """Return the held changes, those first by which the most customers lose segments."""
    held = list(db.session.scalars(select(Job).where(Job.state == JobState.HELD).order_by(Job.id.desc()).limit(limit)))
    return sorted(held, key=lambda job: -count_losses(job))


def count_losses(job: Job) -> int:
    """Return how many customers would lose segments, or be deleted."""
    preview = job.preview or {}
    return max(int(preview.get(name, 0)) for name in ("emptied", "lose", "deleted"))


def get_held(job_id: int) -> Job:
    """Return a held change, or one that was held and has no page of its own. Raises NotFound."""
    db.session.remove()  # the session's snapshot may be older
    job = db.session.get(Job, job_id)
    if job is None or not (job.state == JobState.HELD or (job.kind in SHOWN_AFTERWARDS and _was_held(job))):
        raise NotFound(f"There is no held change {job_id}, or it was decided.")
    return job


def _was_held(job: Job) -> bool:
    return job.decided_by is not None or job.state == JobState.DISCARDED


# Decided


def is_own(job: Job, operator: Actor) -> bool:
    """Return whether an operator prepared or requested a change, and so cannot approve it."""
    return operator.name in (job.created_by, job.actor)


def approve(job_id: int, operator: Actor) -> None:
    """Hand a held change to the workers, or schedule it. Raises NotFound, OwnRequest, NotReady and Unavailable."""

    def work(session: Session) -> None:
        job = _lock(session, job_id)
        if is_own(job, operator):
            raise OwnRequest("You requested this change: someone else has to approve it.")
        if job.source == API and _newest_held(session, job.actor) not in (job_id, None):
            raise NotReady("This was superseded by a newer request of the same token. Nothing changed.")
        state = JobState.SCHEDULED if job.apply_at else JobState.APPLYING
        transition_in(session, job_id, state, from_=(JobState.HELD,), apply_at=job.apply_at, revert_at=job.revert_at)
        _record(session, job, operator, "change_approved")

    run_in_transaction(work)


def reject(job_id: int, operator: Actor, reason: str) -> None:
    """Discard a held change. Raises NotFound, NotReady and Unavailable."""
    error = f"Rejected by an operator: {reason}" if reason else "Rejected by an operator."

    def work(session: Session) -> None:
        job = _lock(session, job_id)
        transition_in(session, job_id, JobState.DISCARDED, from_=(JobState.HELD,), error=error)
        session.execute(update(jobs).where(jobs.c.id == job_id).values(finished_at=now()))
        _record(session, job, operator, "change_rejected", **({"reason": reason} if reason else {}))

    run_in_transaction(work)


def _lock(session: Session, job_id: int) -> Job:
    job = session.get(Job, job_id, with_for_update=True)
    if job is None:
        raise NotFound(f"There is no held change {job_id}, or it was decided.")
    return job


def _record(session: Session, job: Job, operator: Actor, event: str, **details: Any) -> None:
    """Note who decided, in the job and in the audit log."""
    session.execute(update(jobs).where(jobs.c.id == job.id).values(decided_by=operator.name))
    after = {"requested_by": job.actor, "change": job.kind, "customers": count_affected(job), **details}
    record_event(session, event, f"job {job.id}", after=after)
