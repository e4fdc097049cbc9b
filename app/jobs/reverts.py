"""Reverting a change set of any size as a job: previewed without locks, then reverted in batches (contract §8)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.batched_change import BatchedChange, end_early, open_batch
from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.revert import (
    Previewed,
    RevertResult,
    check_ended,
    preview_revert_batches,
    revert,
    revert_batch,
    revert_previewed,
)
from app.core.database import db, run_in_transaction
from app.core.limits import BATCH_SIZE, MAX_REPORTED_IDS
from app.core.models.change_sets import DONE, Actor, ChangeSetPart
from app.jobs.abandoned import end_abandoned_change_sets
from app.jobs.apply_job import ApplyPlan, BatchResult, apply_job
from app.jobs.batches import BatchContent, BatchWriter, count_batches, load_batch
from app.jobs.held_changes import hold_checked, state_by_guard
from app.jobs.jobs import Job
from app.jobs.revert_job import RevertJob
from app.jobs.runner import JobRun
from app.jobs.states import JobState


def is_one_batch(change_set_id: int) -> bool:
    """Return whether a change set can be reverted in one transaction, within a request."""
    return count_entries(change_set_id) <= BATCH_SIZE


def count_entries(change_set_id: int) -> int:
    """Return how many entries a change set has: what there is to revert."""
    query = select(func.coalesce(func.sum(ChangeSetPart.entries), 0)).where(
        ChangeSetPart.change_set_id == change_set_id
    )
    return int(db.session.scalar(query) or 0)


def preview_revert_job(run: JobRun) -> None:
    """Compute what the revert would do; reads only. Raises ChangeTooLarge and TypeForbidden."""
    job, result, done = RevertJob.from_dict(run.job.payload), RevertResult(), 0
    entries = count_entries(job.change_set_id)
    run.start_phase("comparing", entries)
    small = dialects.batch_size(db.engine, BATCH_SIZE, is_undo=True)
    writer, size = BatchWriter(run), small if entries > BATCH_SIZE else BATCH_SIZE
    with Session(dialects.for_reading_by_key(db.engine)) as session:
        check_ended(session, job.change_set_id)
        for batch in preview_revert_batches(session, job.change_set_id, result, job.types, limit=BATCH_SIZE):
            for part in _split(batch, size):
                writer.store(part)
            done += len(batch)
            run.report_progress(done)
    if job.waits:
        state = JobState.READY
    else:
        state = state_by_guard(run, job.guard, result.emptied, result.affected, dry_run=job.dry_run)
    preview = _describe(result)

    def finish(session: Session) -> None:
        if state == JobState.HELD:
            hold_checked(session, run, preview)
        else:
            ended = {} if state == JobState.DONE else {"finished_at": None}
            run.finish(session, state=state, preview=preview, attempts=0, **ended)

    run_in_transaction(finish)


def _split(batch: Previewed, size: int) -> Iterator[BatchContent]:
    """Yield the customers of a batch in parts of about this size; all ids that a customer had are in one part."""
    part: BatchContent = {}
    number = None
    for document_id, found in batch.items():
        if len(part) >= size and found[0] != number:
            yield part
            part = {}
        part[document_id], number = found, found[0]
    yield part


def _describe(result: RevertResult) -> dict[str, Any]:
    names = ("customers", "changed", "unchanged", "profiles", "deleted", "emptied")
    numbers = {**{name: getattr(result, name) for name in names}, "sent": result.affected}
    conflicts = {"conflicts": len(result.conflicts), "conflict_ids": result.conflicts[:MAX_REPORTED_IDS]}
    return {**numbers, **conflicts}


def apply_revert_job(run: JobRun) -> None:
    """Revert the previewed customers in batches, as one change set; customers in conflict are skipped and listed."""
    job = RevertJob.from_dict(run.job.payload)
    batches, customers = count_batches(run.job.id)

    def apply(change_set: ChangeSetBuilder, row: Job) -> BatchResult:
        result, batch = RevertResult(), load_batch(change_set.session, row.id, row.batches_done)
        revert_previewed(change_set, job.change_set_id, batch, result, job.types)
        totals = {name: getattr(result, name) for name in ("customers", "profiles", "deleted")}
        return BatchResult(len(batch), dict.fromkeys(result.conflicts, "conflict"), totals)

    apply_job(run, ApplyPlan(job.reason, customers, batches, apply, reverts=job.change_set_id))


# At once, as a command does


def revert_in_batches(change_set_id: int, actor: Actor, progress: Callable[[int], None]) -> RevertResult:
    """Revert a change set in batches that are one change set; `progress` is called with the entries read so far.

    When a batch fails, those before stay applied and end the change set. Raises NotFound, NotEnded, EndedMeanwhile,
    Unavailable.
    """
    end_abandoned_change_sets()
    if is_one_batch(change_set_id):
        return revert(change_set_id, actor)
    check_ended(db.session(), change_set_id)
    change, total, last, batches = BatchedChange(actor, reverts=change_set_id, is_leased=True), RevertResult(), 0, 0
    try:
        while True:
            change, result, next_last = run_in_transaction(partial(_revert_next, change=change, after=last))
            total += result
            if next_last is None:
                return replace(total, change_set_id=change.change_set_id)
            last, batches = next_last, batches + 1
            progress(batches * BATCH_SIZE)
            dialects.yield_to_writers(db.engine)
    except BaseException:
        run_in_transaction(lambda session: end_early(session, change))
        raise


def _revert_next(session: Session, change: BatchedChange, after: int) -> tuple[BatchedChange, RevertResult, int | None]:
    """Revert the next batch; the last number is None when there was none left, which ends the change set."""
    result, change_set_id = RevertResult(), change.reverts
    if change_set_id is None:
        raise ValueError("The change reverts no change set.")
    with open_batch(session, change, is_only=False, is_last=False) as batch:
        last = revert_batch(batch.part, change_set_id, after, result, limit=BATCH_SIZE)
        if last is None:
            batch.part.state = DONE
    return replace(change, change_set_id=batch.change_set_id, unchanged=batch.unchanged), result, last
