"""Revoking a token together with its jobs that have not begun to change customers."""

from sqlalchemy import ColumnElement, and_, case, literal, or_, update
from sqlalchemy.orm import Session

from app.access.api_tokens import revoke_token_in
from app.core.database import now, run_in_transaction
from app.core.leases import NO_LEASE
from app.jobs.jobs import jobs
from app.jobs.states import JobKind, JobState

DISCARDED = (JobState.UPLOADING, JobState.HELD)
"""The states from which a job is discarded; from others it is cancelled."""

ERROR = "The token was revoked before this was applied. Nothing was applied."


def revoke_token(name: str) -> int:
    """Revoke a token and cancel its jobs of which nothing is applied yet; return how many. Raises NotFound.

    A job that has begun is applied to its end, and can be cancelled and reverted like any other. What an operator has
    approved stays, and so do scheduled reverts: they only take back what the token changed before.
    """

    def work(session: Session) -> int:
        cancelled = _cancel_jobs(session, f"token {name}")
        revoke_token_in(session, name, cancelled)
        return cancelled

    return run_in_transaction(work)


def _cancel_jobs(session: Session, actor: str) -> int:
    state = case((jobs.c.state.in_(DISCARDED), literal(JobState.DISCARDED)), else_=literal(JobState.CANCELLED))
    values = {"state": state, "error": ERROR, "finished_at": now(), "phase": None, **NO_LEASE}
    change = update(jobs).where(jobs.c.source == "api", jobs.c.created_by == actor, jobs.c.decided_by.is_(None))
    result = session.execute(change.where(_has_not_begun()).values(values))
    return int(result.rowcount)  # type: ignore[attr-defined]


def _has_not_begun() -> ColumnElement[bool]:
    waits = and_(jobs.c.state == JobState.SCHEDULED, jobs.c.kind != JobKind.REVERT)
    runs = and_(jobs.c.state.in_((JobState.CHECKING, JobState.APPLYING)), jobs.c.batches_done == 0)
    return or_(jobs.c.state.in_(DISCARDED), waits, runs)
