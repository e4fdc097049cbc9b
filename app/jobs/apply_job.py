"""Applying a job batch by batch: each batch, its progress and its totals are one transaction.

A worker that dies leaves the batches before applied, and the next worker continues with the one it was at: none is
applied twice, because a batch is committed only together with its number in the job's row, and only under the lease.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.batched_change import BatchedChange, end_early, open_batch
from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.database import db, run_in_transaction
from app.core.leases import lease_values
from app.core.models.change_sets import TOTALS
from app.jobs.batches import load_content, lock_erased, store_skipped
from app.jobs.jobs import Job, jobs
from app.jobs.runner import LEASE, JobRun, LeaseLost
from app.jobs.schedules import check_not_missed, schedule_revert
from app.jobs.states import JobState


@dataclass
class BatchResult:
    """What a batch did, besides the counts in its part of the change set."""

    customers: int
    """Customers that the batch was about."""
    skipped: dict[str, str] = field(default_factory=dict)
    """`{document_id: reason}`, see `app.jobs.batches.SKIP_REASONS`."""
    totals: dict[str, int] = field(default_factory=dict)
    """Further numbers for the job's result."""


@dataclass(frozen=True)
class ApplyPlan:
    """What a job applies."""

    note: str | None
    customers: int
    """How many it is about, for the progress."""
    batches: int
    apply: Callable[[ChangeSetBuilder, Job], BatchResult]
    """Applies the batch after `job.batches_done`."""
    reverts: int | None = None
    initial_result: dict[str, int] = field(default_factory=dict)


def apply_job(run: JobRun, plan: ApplyPlan) -> None:
    """Apply the remaining batches of a job; it ends as `done`, or `cancelled` when that was requested."""
    run.start_phase("applying", plan.customers, done=run.job.done)
    while True:
        run.report_progress(run.done)
        job = run_in_transaction(lambda session: _apply_next(session, run, plan))
        run.done = job.done
        if job.state != JobState.APPLYING:
            break
        dialects.yield_to_writers(db.engine)


def _apply_next(session: Session, run: JobRun, plan: ApplyPlan) -> Job:
    """Apply one batch in this transaction; return the job after it."""
    job = session.scalar(select(Job).where(jobs.c.id == run.job.id, jobs.c.lease == run.lease))
    if job is None:
        raise LeaseLost
    session.expunge(job)
    change = change_of(job, plan)
    if job.cancel_requested:
        end_early(session, change)
        return _write(session, run, job, state=JobState.CANCELLED)
    if not job.batches_done:
        check_not_missed(session, job)
    if plan.batches == 0:
        job.result = {**dict.fromkeys((*TOTALS, "skipped"), 0), **plan.initial_result}
        return _write(session, run, job, state=JobState.DONE)
    is_last = job.batches_done + 1 >= plan.batches
    content = load_content(session, job.id, job.batches_done)
    with open_batch(session, change, is_only=plan.batches == 1, is_last=is_last) as batch:
        result = plan.apply(batch.part, job)
        totals = {name: getattr(batch.part, name) for name in TOTALS}
    erased = lock_erased(session, job.id, job.batches_done, content) if result.skipped else ()
    skipped = {document_id: reason for document_id, reason in result.skipped.items() if document_id not in erased}
    store_skipped(session, job.id, skipped)
    job.result = _sum(job.result or plan.initial_result, totals | result.totals | {"skipped": len(skipped)})
    job.change_set_id = batch.change_set_id
    job.batches_done += 1
    job.done += result.customers
    _write(session, run, job, state=JobState.DONE if is_last else JobState.APPLYING)
    schedule_revert(session, job)
    return job


def change_of(job: Job, plan: ApplyPlan) -> BatchedChange:
    """Return the change set of a job as its committed batches left it."""
    return BatchedChange(job.to_actor(), plan.note, plan.reverts, job.change_set_id)


def _sum(result: dict[str, Any], totals: dict[str, int]) -> dict[str, Any]:
    return {**result, **{name: result.get(name, 0) + total for name, total in totals.items()}}


def _write(session: Session, run: JobRun, job: Job, *, state: JobState) -> Job:
    job.state = state
    names = ("state", "result", "change_set_id", "batches_done", "done")
    values: dict[str, Any] = {name: getattr(job, name) for name in names}
    if state == JobState.APPLYING:
        # The heartbeat can write on SQLite between two batches only, and may miss the moment.
        run.update(session, **values, **lease_values(run.lease, LEASE), attempts=0)
    else:
        run.finish(session, **values)
    return job
