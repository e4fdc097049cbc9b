"""Reverting a change set of any size as a job: previewed without locks, then reverted in batches (contract §8)."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.replace_segments import ChangeTooLarge, Guard
from app.core.changes.revert import RevertResult, check_ended, preview_revert_batch, revert_batch
from app.core.database import db, run_in_transaction
from app.core.limits import BATCH_SIZE, MAX_REPORTED_IDS
from app.core.models.change_sets import ChangeSetPart
from app.jobs.apply_job import BatchResult, Plan, apply_job
from app.jobs.jobs import Job
from app.jobs.runner import JobRun
from app.jobs.states import JobState


@dataclass(frozen=True)
class RevertJob:
    """A change set that is to be reverted."""

    change_set_id: int
    waits: bool = True
    """Whether an operator sees the preview before it is applied; API clients do not."""
    dry_run: bool = False
    guard: dict[str, Any] | None = None
    """`Guard`, as `to_dict` writes it."""
    types: tuple[str, ...] = ()
    """The segment types that may change; empty for all."""
    reason: str | None = None

    @staticmethod
    def of_client(
        change_set_id: int, *, dry_run: bool, guard: Guard | None, types: Collection[str], reason: str | None
    ) -> "RevertJob":
        return RevertJob(
            change_set_id, False, dry_run, guard.to_dict() if guard else None, tuple(sorted(types)), reason
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(payload: dict[str, Any]) -> "RevertJob":
        return RevertJob(**{**payload, "types": tuple(payload["types"])})


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
    job, result, batches = RevertJob.from_dict(run.job.payload), RevertResult(), 0
    last: int | None = 0
    run.start_phase("comparing", count_entries(job.change_set_id))
    with Session(db.engine) as session:
        check_ended(session, job.change_set_id)
        while last is not None:
            last = preview_revert_batch(session, job.change_set_id, last, result, job.types, limit=BATCH_SIZE)
            batches += 1
            run.report_progress(min(batches * BATCH_SIZE, run.total or 0))
    touched = result.customers + result.unchanged + len(result.conflicts)
    if job.guard and not Guard.from_dict(job.guard).allows(result.emptied, touched):
        raise ChangeTooLarge(result.emptied, None)
    state = JobState.READY if job.waits else JobState.DONE if job.dry_run else JobState.APPLYING
    ended = {} if state == JobState.DONE else {"finished_at": None}
    run_in_transaction(lambda session: run.finish(session, state=state, preview=_describe(result), attempts=0, **ended))


def _describe(result: RevertResult) -> dict[str, Any]:
    numbers = {name: getattr(result, name) for name in ("customers", "changed", "unchanged", "profiles", "deleted")}
    conflicts = {"conflicts": len(result.conflicts), "conflict_ids": result.conflicts[:MAX_REPORTED_IDS]}
    return {**numbers, **conflicts}


def apply_revert_job(run: JobRun) -> None:
    """Revert the change set in batches, as one change set; customers in conflict are skipped and listed."""
    job = RevertJob.from_dict(run.job.payload)

    def apply(change_set: ChangeSetBuilder, row: Job) -> BatchResult | None:
        result = RevertResult()
        last = revert_batch(change_set, job.change_set_id, row.checkpoint or 0, result, job.types, limit=BATCH_SIZE)
        if last is None:
            return None
        customers = result.customers + result.unchanged + len(result.conflicts)
        totals = {name: getattr(result, name) for name in ("customers", "profiles", "deleted")}
        return BatchResult(customers, dict.fromkeys(result.conflicts, "conflict"), totals, checkpoint=last)

    entries = count_entries(job.change_set_id)
    apply_job(run, Plan(job.reason, entries, None, apply, reverts=job.change_set_id))
