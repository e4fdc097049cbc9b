"""The members of a segment set as a whole, where more customers change than one transaction may hold."""

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.members import MembersDiff
from app.core.changes.replace_segments import replace_segments_in
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
    job_id = insert_members_job(session, actor, diff, reason, JobState.APPLYING)
    values = {"preview": {"unchanged": diff.unchanged}, "total": len(diff)}
    session.execute(update(jobs).where(jobs.c.id == job_id).values(values))
    return job_id


def insert_members_job(
    session: Session, actor: Actor, diff: MembersDiff, reason: str | None, state: JobState, **options: Any
) -> int:
    """Store the changes as a job in this state, without a preview, as part of a transaction; return its id."""
    payload = {"segment": diff.segment.to_dict(), "reason": reason, **options}
    job_id = insert_job(session, JobKind.MEMBERS, actor, payload, state)
    insert_batches(session, job_id, diff.changes())
    store_skipped(session, job_id, dict.fromkeys(diff.not_found, "missing"))
    return job_id


def apply_members(run: JobRun) -> None:
    """Apply the changes in batches, as one change set; of a held job, to customers who have not changed since."""
    job_id, payload = run.job.id, run.job.payload
    segment, moment = SegmentPair.of(payload["segment"]), payload.get("as_of")
    as_of = datetime.fromisoformat(moment) if moment else None
    batches, customers = count_batches(job_id)

    def apply(change_set: ChangeSetBuilder, job: Job) -> BatchResult:
        batch = load_batch(change_set.session, job_id, job.batches_done)
        diffs = _diff(segment, batch, becomes_member=True), _diff(segment, batch, becomes_member=False)
        added, removed = (
            replace_segments_in(change_set, PreparedUpdate.of(diff.patches()), as_of=as_of) for diff in diffs
        )
        skipped = dict.fromkeys([*added.not_found, *removed.not_found], "missing")
        skipped |= dict.fromkeys([*added.stale, *removed.stale], "stale") | dict.fromkeys(added.too_many, "too_many")
        return BatchResult(len(batch), skipped, {"added": added.changed, "removed": removed.changed})

    unchanged = {"unchanged": (run.job.preview or {})["unchanged"]}
    apply_job(run, ApplyPlan(payload["reason"], customers, batches, apply, initial_result=unchanged))


def _diff(segment: SegmentPair, batch: dict[str, Any], *, becomes_member: bool) -> MembersDiff:
    """Return those of a batch who become members, or who cease to be."""
    ids = [id_ for id_, becomes in batch.items() if becomes == becomes_member]
    return MembersDiff(segment, added=ids) if becomes_member else MembersDiff(segment, removed=ids)
