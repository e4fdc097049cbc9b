"""The members of a segment set as a whole, where more customers change than one transaction may hold."""

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.members import MembersDiff
from app.core.changes.replace_segments import ReplaceResult, replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.models.change_sets import Actor
from app.core.models.segments import SegmentPair
from app.jobs.apply_job import ApplyPlan, BatchResult, apply_job
from app.jobs.batches import count_batches, insert_batches, load_batch, store_skipped
from app.jobs.jobs import Job, insert_job, jobs
from app.jobs.runner import JobRun
from app.jobs.states import JobKind, JobState


def start_members_job(session: Session, actor: Actor, diff: MembersDiff, reason: str | None) -> int:
    """Store a job that applies the changes, which are fixed now, as part of a transaction; return its id."""
    payload = {"segment": diff.segment.to_dict(), "reason": reason}
    job_id = insert_job(session, JobKind.MEMBERS, actor, payload, JobState.APPLYING)
    insert_batches(session, job_id, diff.changes())
    store_skipped(session, job_id, dict.fromkeys(diff.not_found, "missing"))
    values = {"preview": {"unchanged": diff.unchanged}, "total": len(diff)}
    session.execute(update(jobs).where(jobs.c.id == job_id).values(values))
    return job_id


def apply_members(run: JobRun) -> None:
    """Apply the changes in batches, as one change set."""
    job_id, payload = run.job.id, run.job.payload
    segment = SegmentPair.of(payload["segment"])
    batches, customers = count_batches(job_id)

    def apply(change_set: ChangeSetBuilder, job: Job) -> BatchResult:
        batch = load_batch(change_set.session, job_id, job.batches_done)
        added, removed = (_apply(change_set, segment, batch, becomes_member) for becomes_member in (True, False))
        skipped = dict.fromkeys([*added.not_found, *removed.not_found], "missing")
        return BatchResult(len(batch), skipped, {"added": added.changed, "removed": removed.changed})

    unchanged = {"unchanged": (run.job.preview or {})["unchanged"]}
    apply_job(run, ApplyPlan(payload["reason"], customers, batches, apply, initial_result=unchanged))


def _apply(
    change_set: ChangeSetBuilder, segment: SegmentPair, batch: dict[str, Any], becomes_member: bool
) -> ReplaceResult:
    ids = [id_ for id_, becomes in batch.items() if becomes == becomes_member]
    diff = MembersDiff(segment, added=ids) if becomes_member else MembersDiff(segment, removed=ids)
    return replace_segments_in(change_set, PreparedUpdate.of(diff.patches()))
