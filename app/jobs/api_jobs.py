"""Jobs of API clients: a file of any size, checked as a whole and then applied in batches (contract §8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import IO, Any

from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.preview import ChangePreview, CustomerRows, preview_batch, replace_all
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import ReplaceResult, replace_segments_in
from app.core.changes.replace_types import lock_segments
from app.core.changes.segment_updates import (
    PreparedUpdate,
    as_of_parameters,
    select_missing_or_stale,
    staleness_check,
)
from app.core.changes.type_limits import loses_all
from app.core.database import db, run_in_transaction
from app.core.history.segment_diff import merge_types
from app.core.limits import MAX_REJECTED_ROWS, MAX_REPORTED_IDS, MAX_UNCOMPRESSED_BYTES
from app.core.models.change_sets import Actor
from app.core.models.customers import Customer, select_segments
from app.core.models.segment_limit import is_over_limit, segment_limit
from app.core.models.segment_rules import NO_RULES, load_rules
from app.core.models.segments import Segments
from app.files.columns import CustomerEntry
from app.files.formats import KnownFormat
from app.files.reading import open_stream
from app.files.staging import Staging
from app.jobs.api_job import ApiJob
from app.jobs.apply_file import apply_previewed, previewed_item
from app.jobs.apply_job import ApplyPlan, BatchResult, apply_job
from app.jobs.batches import BatchWriter, count_batches, load_batch
from app.jobs.expectations import keep_expected
from app.jobs.held_changes import hold_checked, state_by_guard
from app.jobs.jobs import Job, create_job, transition, transition_in
from app.jobs.picked_up_file import DETECTED
from app.jobs.runner import JobRun
from app.jobs.schedules import AT_ONCE, Schedule
from app.jobs.stage_file import StagingOptions, stage_file
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import UploadReader, delete_expired_uploads, store_rejected, store_upload


def create_api_job(actor: Actor, job: ApiJob, file: IO[bytes]) -> tuple[int, ApiJob]:
    """Store the file of a new job, which waits for `start_api_job`; return its id and payload. Raises Unavailable."""
    delete_expired_uploads()
    job_id = create_job(JobKind.API, actor, job.to_dict(), JobState.UPLOADING)
    return job_id, replace(job, size=store_upload(job_id, file))


def start_api_job(session: Session, job_id: int, job: ApiJob, schedule: Schedule = AT_ONCE) -> None:
    """Hand the job to the workers as part of a transaction."""
    transition_in(
        session,
        job_id,
        JobState.CHECKING,
        from_=(JobState.UPLOADING,),
        payload=job.to_dict(),
        apply_at=schedule.apply_at,
        revert_at=schedule.revert_at,
    )


def discard_api_job(job_id: int) -> None:
    """Discard a job that was not started; its file is deleted later. Raises Unavailable."""
    transition(job_id, JobState.DISCARDED, from_=(JobState.UPLOADING,))


# Checking


def check_api_job(run: JobRun) -> None:
    """Read and check the file, and compare it with what is stored.

    Then the job is applied, waits for its moment, or ends as a dry run.

    Raises UnreadableFile and ChangeTooLarge.
    """
    job = ApiJob.from_dict(run.job.payload)
    written = job.picked_up or DETECTED
    options = StagingOptions(
        written.roles,
        written.clear_empty,
        needs_segments=job.action != "upsert",
        only_profiles=job.action == "upsert",
        types=job.types,
        max_rejected=MAX_REJECTED_ROWS,
        rules=load_rules() if job.strict and job.action != "remove" else NO_RULES,
        adds=job.action == "merge",
        max_segments=segment_limit() if job.action in ("replace", "merge") else None,
    )
    reader = UploadReader(run.job.id, job.size)
    known = KnownFormat(written.encoding, written.delimiter, written.sheet, workbooks=written is not DETECTED)
    with open_stream(reader, known=known, max_uncompressed=MAX_UNCOMPRESSED_BYTES) as source:
        run.start_phase("reading", job.size)
        with stage_file(source, run.report_progress, options) as staging:
            run.start_phase("comparing", staging.count_customers())
            found, state = _compare_all(run, job, staging)
            found["columns"] = source.columns

            def finish(session: Session) -> None:
                store_rejected(session, run.job.id, staging.rejected())
                if state == JobState.HELD:
                    hold_checked(session, run, found, payload=job.received(run.job.created_at).to_dict())
                else:
                    ended = {} if state == JobState.DONE else {"finished_at": None}
                    run.finish(session, state=state, preview=found, attempts=0, **ended)

            run_in_transaction(finish)


@dataclass
class Comparison:
    """What a job would do, and whom it would not change."""

    preview: ChangePreview = field(default_factory=ChangePreview)
    not_found: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    """Customers who would have too many segments."""
    emptied: int = 0
    """Customers who would lose all segments that the guard counts."""
    customers: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the preview of the job as JSON."""
        ids = {"not_found_ids": self.not_found, "stale_ids": self.stale, "over_limit_ids": self.over_limit}
        return {**self.preview.to_dict(), **ids, "emptied": self.emptied, "sent": self.customers}


def _compare_all(run: JobRun, job: ApiJob, staging: Staging) -> tuple[dict[str, Any], JobState]:
    """Store the batches; return what they would do, and the next state of the job. Raises ChangeTooLarge."""
    comparison, writer = Comparison(), BatchWriter(run)
    for batch in staging.batches():
        comparison.customers += len(batch)
        writer.add(_compare_batch(comparison, job, batch))
        run.report_progress(comparison.customers)
    writer.close()
    state = state_by_guard(run, job.guard, comparison.emptied, comparison.customers, dry_run=job.dry_run)
    if job.scheduled and state == JobState.APPLYING:
        state = JobState.SCHEDULED
    comparison.preview.rejected = staging.rejected_count()
    duplicates = list(islice(staging.duplicates(), MAX_REPORTED_IDS))
    return {**comparison.to_dict(), "duplicate_ids": duplicates}, state


def _compare_batch(comparison: Comparison, job: ApiJob, batch: dict[str, CustomerEntry]) -> dict[str, Any]:
    """Add what the batch would do; return what is stored of each customer for its application."""
    if job.action == "upsert":
        rows: CustomerRows = {id_: (entry.profile, None) for id_, entry in batch.items()}
        affected = preview_batch(comparison.preview, rows, create=True)
        if job.scheduled:
            return {id_: previewed_item(batch[id_], before, replace_all) for id_, before in affected.items()}
        return {id_: entry.profile for id_, entry in batch.items()}
    sent = {id_: entry.segments or [] for id_, entry in batch.items()}
    segments = compare(db.session(), comparison, job, sent)
    if job.scheduled:
        return {id_: [sent[id_], id_ in segments and job.expectation(segments[id_], sent[id_])] for id_ in batch}
    return dict(sent)


def compare(session: Session, comparison: Comparison, job: ApiJob, batch: Mapping[str, Any]) -> dict[str, Segments]:
    """Add what new segments or patches would do; return the segments of the customers whom it does not leave alone."""
    preview, segments = comparison.preview, {}
    parameters = {"remaining": [*batch], **as_of_parameters(job.as_of)}
    rows = session.execute(select_missing_or_stale(staleness_check(job.as_of)), parameters)
    left_alone = {document_id: bool(is_there) for document_id, is_there in rows}
    for ids, is_there in ((comparison.not_found, False), (comparison.stale, True)):
        listed = (id_ for id_ in batch if left_alone.get(id_) is is_there)
        ids.extend(islice(listed, MAX_REPORTED_IDS - len(ids)))
    preview.not_found += sum(not is_there for is_there in left_alone.values())
    query = select_segments([id_ for id_ in batch if id_ not in left_alone])
    for id_, before in session.execute(query.order_by(Customer.document_id)):
        segments[id_] = before
        after = job.new_segments(before, batch[id_])
        if is_over_limit(before, after):
            comparison.over_limit += [id_] if len(comparison.over_limit) < MAX_REPORTED_IDS else []
            continue
        preview.unchanged += not preview.add(before, after)
        if loses_all(before, after, job.types):
            comparison.emptied += 1
            preview.add_example(id_, None, before, after)
    return segments


# Applying


def apply_api_job(run: JobRun) -> None:
    """Apply the rows of the file in batches, as one change set."""
    job_id, job = run.job.id, ApiJob.from_dict(run.job.payload)
    batches, customers = count_batches(job_id)

    def apply(change_set: ChangeSetBuilder, row: Job) -> BatchResult:
        batch = load_batch(change_set.session, job_id, row.batches_done)
        count = len(batch)
        if job.action == "upsert" and job.scheduled:
            return BatchResult(count, apply_previewed(change_set, batch))
        if job.action == "upsert":
            profiles = [{"document_id": id_, **profile} for id_, profile in batch.items()]
            saved = upsert_customers(change_set.session, profiles, change_set)
            return BatchResult(count, totals={"unchanged": saved.unchanged})
        skipped: dict[str, str] = {}
        if job.scheduled:
            batch, skipped = keep_expected(change_set, batch, job.expectation, job.new_segments)
        batch, second_values = _leave_out_second_values(change_set, job, batch)
        result = _change_segments(change_set, job, batch)
        skipped |= second_values
        skipped |= dict.fromkeys(result.not_found, "missing") | dict.fromkeys(result.stale, "stale")
        skipped |= dict.fromkeys(result.too_many, "too_many")
        return BatchResult(count, skipped)

    already = {"unchanged": (run.job.preview or {})["unchanged"]} if job.scheduled and job.action == "upsert" else {}
    apply_job(run, ApplyPlan(job.reason, customers, batches, apply, initial_result=already))


def _leave_out_second_values(
    change_set: ChangeSetBuilder, job: ApiJob, batch: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the customers of a batch without those who would gain a second value of a type that takes one.

    Of a strict job that adds segments: since it was checked, rules and customers may have changed.
    """
    if not job.strict or job.action not in ("merge", "patch") or not (rules := load_rules()).single_types:
        return batch, {}
    current = lock_segments(change_set.session, batch)
    broken = [id_ for id_, before in current.items() if rules.breaks(before, job.new_segments(before, batch[id_]))]
    kept = {id_: content for id_, content in batch.items() if id_ not in set(broken)}
    return kept, dict.fromkeys(broken, "second_value")


def _change_segments(change_set: ChangeSetBuilder, job: ApiJob, batch: dict[str, Segments]) -> ReplaceResult:
    if job.action == "replace":
        if job.types:
            current = lock_segments(change_set.session, batch)
            batch = {id_: merge_types(current.get(id_, []), sent, job.types) for id_, sent in batch.items()}
        return replace_segments_in(change_set, PreparedUpdate.of(batch), as_of=job.as_of)
    patches = {id_: job.patch(content) for id_, content in batch.items()}
    return replace_segments_in(change_set, PreparedUpdate.of(patches), as_of=job.as_of)
