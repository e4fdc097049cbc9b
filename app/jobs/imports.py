"""Importing an uploaded file: inspecting it, previewing its changes, and applying them in the background."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import IO, Any, Literal

from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.preview import ChangePreview, Combine, replace_all
from app.core.counts.segment_counts import existing_types
from app.core.database import run_in_transaction
from app.core.limits import MAX_COLUMN_NAME_LENGTH, MAX_COLUMNS, MAX_REJECTED_ROWS, MAX_UNCOMPRESSED_BYTES
from app.core.models.change_sets import Actor, with_reason
from app.core.models.segment_limit import segment_limit
from app.core.models.segment_rules import NO_RULES, load_rules
from app.core.models.segments import add_segments, remove_segments
from app.files.columns import IGNORED, SEGMENT_OF, detect_columns
from app.files.formats import FileFormat, UnreadableFile
from app.files.reading import Source, open_stream
from app.files.staging import Staging
from app.jobs.apply_file import apply_previewed, preview_file
from app.jobs.apply_job import ApplyPlan, BatchResult, apply_job
from app.jobs.batches import BatchWriter, count_batches, load_batch
from app.jobs.column_mappings import last_mapping
from app.jobs.jobs import Job, create_job, transition
from app.jobs.runner import JobRun
from app.jobs.similar_to_existing import similar_to_existing
from app.jobs.stage_file import StagingOptions, stage_file
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import UploadReader, delete_expired_uploads, store_rejected, store_upload

Mode = Literal["add", "replace", "remove"]
MODES: dict[Mode, Combine] = {"add": add_segments, "replace": replace_all, "remove": remove_segments}

SAMPLE_ROWS = 5
MAX_SAMPLE_LENGTH = 200


@dataclass(frozen=True)
class ImportPayload:
    """An uploaded file and how it is to be read."""

    name: str
    size: int = 0
    """Bytes as uploaded."""
    create: bool = True
    """Whether customers that do not exist are created."""
    mode: Mode = "replace"
    """What the segments in the file do to those that a customer has."""
    clear_empty: bool = True
    """Whether an empty cell clears the field."""
    reason: str | None = None
    format: FileFormat | None = None
    sheets: list[str] = field(default_factory=list)
    """The sheets of a workbook."""
    columns: list[str] | None = None
    """The header of a CSV or a sheet; None for JSON."""
    roles: list[str] | None = None
    """What each column holds: one of `COLUMN_ROLES`, or a segment type."""
    sample: list[list[str]] | None = None
    """The cells of the first rows."""
    matched_as: int | None = None
    """The import whose roles these columns were given."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(payload: dict[str, Any]) -> "ImportPayload":
        format_ = payload["format"]
        return ImportPayload(**{**payload, "format": format_ and FileFormat(**format_)})


def create_import(name: str, file: IO[bytes], actor: Actor) -> int:
    """Store an uploaded file and inspect its beginning; return the id of the import, a draft.

    A file that cannot be read leaves a failed import. Raises Unavailable.
    """
    delete_expired_uploads()
    payload = ImportPayload(name)
    job_id = create_job(JobKind.IMPORT, actor, payload.to_dict(), JobState.UPLOADING)
    payload = replace(payload, size=store_upload(job_id, file))
    error = None
    try:
        payload = inspect_upload(job_id, payload)
    except UnreadableFile as unreadable:
        error = f"{unreadable} Nothing changed."
    state = JobState.FAILED if error else JobState.DRAFT
    transition(job_id, state, from_=(JobState.UPLOADING,), payload=payload.to_dict(), error=error)
    return job_id


def inspect_upload(job_id: int, payload: ImportPayload, format: FileFormat | None = None) -> ImportPayload:
    """Return the payload with the file's format, columns with detected roles, and first rows. Raises UnreadableFile."""
    reader = UploadReader(job_id, payload.size)
    with open_stream(reader, format, max_uncompressed=MAX_UNCOMPRESSED_BYTES) as source:
        sample = [[line.raw] if isinstance(line.raw, str) else line.raw for line in islice(source.lines, SAMPLE_ROWS)]
        columns = source.columns
        if columns == [] or not (columns or sample):
            raise UnreadableFile("The file is empty.")
        _check_columns(columns or [])
        matched_as, roles = _match(columns, has_names=source.format.header)
        return replace(
            payload,
            format=source.format,
            sheets=source.sheets,
            columns=columns,
            roles=roles,
            matched_as=matched_as,
            mode="add" if "type" in (roles or ()) else "replace",
            sample=[[cell[:MAX_SAMPLE_LENGTH] for cell in row] for row in sample],
        )


def _match(columns: list[str] | None, *, has_names: bool) -> tuple[int | None, list[str] | None]:
    """Return the roles of the columns, and the import from which they are taken, if there is one."""
    if columns is None:
        return None, None
    return (last_mapping(columns) if has_names else None) or (None, _detect_roles(columns))


def _detect_roles(columns: list[str]) -> list[str]:
    """Return the role of each column by its name, which may be a segment type that customers have."""
    roles = detect_columns(columns)
    if {"segments", "type", "row"} & set(roles):
        return roles
    types = existing_types({name for name, role in zip(columns, roles, strict=True) if role == IGNORED and name})
    return [
        SEGMENT_OF + name if role == IGNORED and name in types and columns.count(name) == 1 else role
        for name, role in zip(columns, roles, strict=True)
    ]


def _check_columns(columns: list[str]) -> None:
    """Raise UnreadableFile for too many columns, or names that no header has."""
    if len(columns) > MAX_COLUMNS:
        raise UnreadableFile(f"The first line has {len(columns):,} columns; at most {MAX_COLUMNS} are supported.")
    if any(len(name) > MAX_COLUMN_NAME_LENGTH for name in columns):
        raise UnreadableFile(
            f"A column name is longer than {MAX_COLUMN_NAME_LENGTH:,} characters. Does the file have a header row?"
        )


def preview_import(run: JobRun) -> None:
    """Compare the file with what is stored, and fix the customers that will change."""
    payload, preview = ImportPayload.from_dict(run.job.payload), ChangePreview()
    with _stage(run, payload) as staging:
        run.start_phase("comparing", staging.count_customers())
        writer = BatchWriter(run)
        create = payload.create and payload.mode != "remove"
        rules = load_rules() if payload.mode == "add" else NO_RULES  # rows that replace are checked when they are read
        combine = MODES[payload.mode]
        previews = preview_file(staging, run.report_progress, create=create, combine=combine, rules=rules)
        for preview, customers in previews:  # noqa: B007
            writer.add(customers)
        writer.close()
        preview.rejected = staging.rejected_count()
        preview.duplicates = sum(1 for _ in staging.duplicates())
        found = {"notes": staging.notes.to_dict(), "similar": similar_to_existing(preview)}
        described = preview.to_dict() | found

        def finish(session: Session) -> None:
            store_rejected(session, run.job.id, staging.rejected())
            run.finish(session, state=JobState.READY, preview=described, finished_at=None)

        run_in_transaction(finish)


def apply_import(run: JobRun) -> None:
    """Apply what was previewed to the customers for whom it still holds."""
    job_id, payload = run.job.id, ImportPayload.from_dict(run.job.payload)
    batches, customers = count_batches(job_id)

    def apply(change_set: ChangeSetBuilder, job: Job) -> BatchResult:
        batch = load_batch(change_set.session, job_id, job.batches_done)
        return BatchResult(len(batch), apply_previewed(change_set, batch))

    note = with_reason(f"Import {job_id}: {payload.name}", payload.reason)
    found = {name: (run.job.preview or {})[name] for name in ("not_found", "duplicates", "rejected")}
    apply_job(run, ApplyPlan(note, customers, batches, apply, initial_result=found))


@contextmanager
def _stage(run: JobRun, payload: ImportPayload) -> Iterator[Staging]:
    """Read and check the file of the job."""
    with open_upload(run.job) as source:
        run.start_phase("reading", source.size)
        rules = NO_RULES if payload.mode == "remove" else load_rules()
        max_segments = None if payload.mode == "remove" else segment_limit()
        options = StagingOptions(
            payload.roles, payload.clear_empty, max_rejected=MAX_REJECTED_ROWS, rules=rules, max_segments=max_segments
        )
        with stage_file(source, run.report_progress, options) as staging:
            yield staging


@contextmanager
def open_upload(job: Job) -> Iterator[Source]:
    payload = ImportPayload.from_dict(job.payload)
    reader = UploadReader(job.id, payload.size)
    with open_stream(reader, payload.format, max_uncompressed=MAX_UNCOMPRESSED_BYTES) as source:
        source.size = payload.size
        yield source
