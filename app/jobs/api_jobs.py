"""Jobs of API clients: a file of any size, checked as a whole and then applied in batches (contract §8)."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import IO, Any, Literal, get_args

from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.preview import ChangePreview, Rows, preview_batch, replace_all
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import ChangeTooLarge, Guard, ReplaceResult, replace_segments_in
from app.core.changes.replace_types import lock_segments, merge_types
from app.core.changes.segment_updates import (
    AsOf,
    MomentExcept,
    PreparedUpdate,
    SegmentPatch,
    as_of_parameters,
    select_missing_or_stale,
    staleness_check,
)
from app.core.changes.type_limits import loses_all
from app.core.database import db, run_in_transaction
from app.core.limits import MAX_REJECTED_ROWS, MAX_REPORTED_IDS, MAX_UNCOMPRESSED_BYTES
from app.core.models.change_sets import Actor, FeedPosition
from app.core.models.customers import select_segments
from app.core.models.segments import SegmentPair, Segments, add_segments, remove_segments
from app.files.columns import CustomerEntry
from app.files.formats import KnownFormat
from app.files.reading import open_stream
from app.files.staging import Staging
from app.jobs.apply_file import apply_previewed, previewed_item
from app.jobs.apply_job import ApplyPlan, BatchResult, apply_job
from app.jobs.batches import BatchWriter, count_batches, load_batch
from app.jobs.expectations import keep_expected
from app.jobs.jobs import Job, create_job, transition, transition_in
from app.jobs.picked_up_file import DETECTED, PickedUpFile, earlier_change_sets
from app.jobs.runner import JobRun
from app.jobs.schedules import AT_ONCE, Schedule
from app.jobs.stage_file import StagingOptions, stage_file
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import UploadReader, delete_expired_uploads, store_rejected, store_upload

Action = Literal["replace", "merge", "remove", "upsert"]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class ApiJob:
    """What an API client requests; the file's rows are the customers."""

    action: Action
    """Replace the segments of existing customers, add to them, remove from them; or create and update profiles."""
    dry_run: bool = False
    types: tuple[str, ...] = ()
    """The segment types that the job may change; empty for all."""
    moment: str | None = None
    position: tuple[int, ...] | None = None
    """The `as_of` of the request: a moment, or a place in the feed."""
    guard: dict[str, Any] | None = None
    """`Guard`, as `to_dict` writes it."""
    reason: str | None = None
    size: int = 0
    """Bytes of the file."""
    picked_up: PickedUpFile | None = None
    """Of a file that no API client sent."""
    scheduled: bool = False
    """Whether it is applied later, to customers for whom what was found when it was sent still holds."""

    @staticmethod
    def of(  # noqa: PLR0913 - the extras of the contract, all by name
        action: Action,
        *,
        dry_run: bool = False,
        types: Collection[str] = (),
        as_of: AsOf = None,
        guard: Guard | None = None,
        reason: str | None = None,
        scheduled: bool = False,
    ) -> "ApiJob":
        return ApiJob(
            action,
            dry_run,
            tuple(sorted(types)),
            as_of.isoformat() if isinstance(as_of, datetime) else None,
            (as_of.position, as_of.number, as_of.tag) if isinstance(as_of, FeedPosition) else None,
            guard.to_dict() if guard else None,
            reason,
            scheduled=scheduled,
        )

    def to_dict(self) -> dict[str, Any]:
        payload = asdict(self)
        unused = ("picked_up",) * (not self.picked_up) + ("scheduled",) * (not self.scheduled)
        return {name: payload[name] for name in payload if name not in unused}  # the previous version knows neither

    @staticmethod
    def from_dict(payload: dict[str, Any]) -> "ApiJob":
        picked_up = payload.get("picked_up")
        values = {"types": tuple(payload["types"]), "picked_up": picked_up and PickedUpFile(**picked_up)}
        return ApiJob(**{**payload, **values})

    @cached_property
    def as_of(self) -> AsOf:
        if self.position:
            return FeedPosition(*self.position)
        moment = datetime.fromisoformat(self.moment) if self.moment else None
        earlier = earlier_change_sets(self.picked_up.folder, moment) if self.picked_up and moment else ()
        return MomentExcept(moment, earlier) if earlier and moment else moment

    def new_segments(self, before: Segments, sent: Segments) -> Segments:
        """Return the segments of a customer after the job."""
        if self.action == "merge":
            return add_segments(before, sent)
        if self.action == "remove":
            return remove_segments(before, sent)
        return merge_types(before, sent, self.types) if self.types else sent

    def expectation(self, before: Segments, sent: Segments) -> Any:
        """Return what must hold when a scheduled job is applied: which pairs a customer has, or what is replaced."""
        if self.action == "replace":
            return [segment for segment in before if not self.types or segment["type"] in self.types]
        pairs = set(map(SegmentPair.of, before))
        return [SegmentPair.of(segment) in pairs for segment in sent]


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
    )
    reader = UploadReader(run.job.id, job.size)
    known = KnownFormat(written.encoding, written.delimiter, written.sheet, workbooks=written is not DETECTED)
    with open_stream(reader, known=known, max_uncompressed=MAX_UNCOMPRESSED_BYTES) as source:
        run.start_phase("reading", job.size)
        with stage_file(source, run.report_progress, options) as staging:
            run.start_phase("comparing", staging.count_customers())
            found = {**_compare_all(run, job, staging), "columns": source.columns}
            state = JobState.SCHEDULED if job.scheduled else JobState.APPLYING
            ended = {"state": JobState.DONE} if job.dry_run else {"state": state, "finished_at": None}

            def finish(session: Session) -> None:
                store_rejected(session, run.job.id, staging.rejected())
                run.finish(session, preview=found, attempts=0, **ended)

            run_in_transaction(finish)


@dataclass
class _Comparison:
    """What a job would do, and whom it would not change."""

    preview: ChangePreview = field(default_factory=ChangePreview)
    not_found: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    emptied: int = 0
    """Customers who would lose all segments that the guard counts."""
    customers: int = 0


def _compare_all(run: JobRun, job: ApiJob, staging: Staging) -> dict[str, Any]:
    """Store the batches, and return what they would do. Raises ChangeTooLarge."""
    comparison, writer = _Comparison(), BatchWriter(run)
    for batch in staging.batches():
        comparison.customers += len(batch)
        writer.add(_compare(comparison, job, batch))
        run.report_progress(comparison.customers)
    writer.close()
    if job.guard and not Guard.from_dict(job.guard).allows(comparison.emptied, comparison.customers):
        raise ChangeTooLarge(comparison.emptied, None)
    comparison.preview.rejected = staging.rejected_count()
    return {
        **comparison.preview.to_dict(),
        "not_found_ids": comparison.not_found,
        "stale_ids": comparison.stale,
        "duplicate_ids": list(islice(staging.duplicates(), MAX_REPORTED_IDS)),
    }


def _compare(comparison: _Comparison, job: ApiJob, batch: dict[str, CustomerEntry]) -> dict[str, Any]:
    """Add what the batch would do; return what is stored of each customer for its application."""
    if job.action == "upsert":
        rows: Rows = {id_: (entry.profile, None) for id_, entry in batch.items()}
        affected = preview_batch(comparison.preview, rows, create=True)
        if job.scheduled:
            return {id_: previewed_item(batch[id_], before, replace_all) for id_, before in affected.items()}
        return {id_: entry.profile for id_, entry in batch.items()}
    sent = {id_: entry.segments or [] for id_, entry in batch.items()}
    segments = _compare_segments(comparison, job, sent)
    if job.scheduled:
        return {id_: [sent[id_], id_ in segments and job.expectation(segments[id_], sent[id_])] for id_ in batch}
    return dict(sent)


def _compare_segments(comparison: _Comparison, job: ApiJob, batch: dict[str, Segments]) -> dict[str, Segments]:
    """Add what the batch would do; return the segments of the customers whom it does not leave alone."""
    preview, segments = comparison.preview, {}
    parameters = {"remaining": [*batch], **as_of_parameters(job.as_of)}
    rows = db.session.execute(select_missing_or_stale(staleness_check(job.as_of)), parameters)
    left_alone = {document_id: bool(is_there) for document_id, is_there in rows}
    for ids, is_there in ((comparison.not_found, False), (comparison.stale, True)):
        found = (id_ for id_ in batch if left_alone.get(id_) is is_there)
        ids.extend(islice(found, MAX_REPORTED_IDS - len(ids)))
    preview.not_found += sum(not is_there for is_there in left_alone.values())
    query = select_segments([id_ for id_ in batch if id_ not in left_alone])
    for id_, before in db.session.execute(query):
        segments[id_] = before
        after = job.new_segments(before, batch[id_])
        preview.unchanged += not preview.add(before, after)
        comparison.emptied += loses_all(before, after, job.types)
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
        result = _change_segments(change_set, job, batch)
        skipped |= dict.fromkeys(result.not_found, "missing") | dict.fromkeys(result.stale, "stale")
        return BatchResult(count, skipped)

    already = {"unchanged": (run.job.preview or {})["unchanged"]} if job.scheduled and job.action == "upsert" else {}
    apply_job(run, ApplyPlan(job.reason, customers, batches, apply, initial_result=already))


def _change_segments(change_set: ChangeSetBuilder, job: ApiJob, batch: dict[str, Segments]) -> ReplaceResult:
    if job.action == "replace":
        if job.types:
            current = lock_segments(change_set.session, batch)
            batch = {id_: merge_types(current.get(id_, []), sent, job.types) for id_, sent in batch.items()}
        return replace_segments_in(change_set, PreparedUpdate.of(batch), as_of=job.as_of)
    add = job.action == "merge"
    patches = {id_: SegmentPatch(add=sent if add else [], remove=[] if add else sent) for id_, sent in batch.items()}
    return replace_segments_in(change_set, PreparedUpdate.of(patches), as_of=job.as_of)
