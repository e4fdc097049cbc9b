"""Requests of tokens that are kept as held jobs, because the guard of the token says so."""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.changes.guard import Guard
from app.core.changes.members import MembersDiff
from app.core.changes.preview import MAX_EXAMPLES, ChangePreview
from app.core.limits import BATCH_SIZE, MAX_REPORTED_IDS
from app.core.models.change_sets import Actor
from app.core.models.customers import select_segments
from app.core.models.segments import SegmentPair
from app.jobs.api_job import ApiJob
from app.jobs.api_jobs import Comparison, compare
from app.jobs.batches import insert_batches
from app.jobs.held_changes import supersede_older
from app.jobs.jobs import insert_job, jobs
from app.jobs.members import insert_members_job
from app.jobs.states import JobKind, JobState


def hold_segments(
    session: Session, actor: Actor, job: ApiJob, customers: Mapping[str, Any], duplicates: Collection[str]
) -> int:
    """Keep new segments or patches by document_id as a held job, as part of a transaction; return its id."""
    job_id = insert_job(session, JobKind.API, actor, job.to_dict(), JobState.HELD)
    comparison, remaining = Comparison(), iter(customers.items())
    while batch := dict(islice(remaining, BATCH_SIZE)):
        comparison.customers += len(batch)
        compare(session, comparison, job, batch)
    insert_batches(session, job_id, customers.items())
    preview = {**comparison.to_dict(), "duplicate_ids": list(islice(duplicates, MAX_REPORTED_IDS))}
    session.execute(update(jobs).where(jobs.c.id == job_id).values(preview=preview))
    supersede_older(session, actor.name)
    return job_id


def hold_members(  # noqa: PLR0913 - what was requested, and when
    session: Session, actor: Actor, diff: MembersDiff, reason: str | None, *, received_at: datetime, guard: Guard | None
) -> int:
    """Keep the complete list of a segment's members as a held job, as part of a transaction; return its id."""
    options = {"as_of": received_at.isoformat(), "guard": guard and guard.to_dict()}
    job_id = insert_members_job(session, actor, diff, reason, JobState.HELD, **options)
    session.execute(update(jobs).where(jobs.c.id == job_id).values(preview=_preview(session, diff)))
    supersede_older(session, actor.name)
    return job_id


def _preview(session: Session, diff: MembersDiff) -> dict[str, Any]:
    added, removed = len(diff.added), len(diff.removed)
    preview = ChangePreview(changed=len(diff), gain=added, lose=removed, affected=len(diff), unchanged=diff.unchanged)
    preview.deltas[diff.segment] = added - removed
    ids = [*diff.removed[:MAX_EXAMPLES], *diff.added[:MAX_EXAMPLES]]
    stored = dict(tuple(row) for row in session.execute(select_segments(ids)))
    for id_ in ids:
        before = stored.get(id_, [])
        kept = [segment for segment in before if SegmentPair.of(segment) != diff.segment]
        preview.add_example(id_, None, before, kept if id_ in diff.removed else [*before, diff.segment.to_dict()])
    numbers = {"added": added, "removed": removed, "emptied": removed, "sent": diff.members_before}
    return {**preview.to_dict(), **numbers, "not_found_ids": diff.not_found[:MAX_REPORTED_IDS]}
