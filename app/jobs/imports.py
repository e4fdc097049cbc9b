"""Importing a file that was sent: what stands in it, what it would do, and doing it in the background."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import IO, Any

from sqlalchemy.orm import Session

from app.core.database import run_in_transaction
from app.core.models.change_sets import Actor
from app.files.columns import detect_columns
from app.files.formats import FileFormat, UnreadableFile
from app.files.reading import Source, open_stream
from app.files.staging import Staging
from app.jobs.apply_file import ApplyResult, apply_file, preview_file, stage_file
from app.jobs.jobs import Job, create_job, transition
from app.jobs.runner import JobRun
from app.jobs.uploads import UploadReader, delete_expired_uploads, store_rejected, store_upload

SAMPLE_ROWS = 5
MAX_SAMPLE_LENGTH = 200

MAX_COLUMNS = 500
MAX_COLUMN_NAME = 1000
"""Characters of a column's name."""

MAX_UNCOMPRESSED_BYTES = 8 * 1024**3
MAX_REJECTED = 1_000_000
"""Bytes of a packed file, and bad lines of any: beyond that it is not the file that was meant, and fills the disk."""


def create_import(name: str, file: IO[bytes], actor: Actor) -> int:
    """Keep a file that is being sent, and look at its beginning: the id of its import, a draft, or failed if it cannot
    be read at all. Raises Unavailable."""
    delete_expired_uploads()
    job_id = create_job("import", actor, {"name": name}, state="uploading")
    size = store_upload(job_id, file)
    wanted: dict[str, Any] = {"name": name, "size": size, "create": True, "sender": actor.name}
    try:
        wanted |= inspect_upload(job_id, size)
        state, problem = "draft", None
    except UnreadableFile as refusal:
        state, problem = "failed", f"{refusal} Nothing was changed."
    transition(job_id, state, from_=("uploading",), wanted=wanted, problem=problem)
    return job_id


def inspect_upload(job_id: int, size: int, format: FileFormat | None = None) -> dict[str, Any]:
    """How the file is written, its columns with what they seem to mean, and its first rows. Raises Unreadable."""
    with open_stream(UploadReader(job_id, size), format, most_unpacked=MAX_UNCOMPRESSED_BYTES) as source:
        first = [[line.kept] if isinstance(line.kept, str) else line.kept for line in islice(source.lines, SAMPLE_ROWS)]
        columns = source.columns
        if columns == [] or not (columns or first):
            raise UnreadableFile("The file is empty.")
        _check_columns(columns or [])
        return {
            "format": asdict(source.format),
            "columns": columns,
            "meanings": detect_columns(columns) if columns is not None else None,
            "rows": [[cell[:MAX_SAMPLE_LENGTH] for cell in row] for row in first],
        }


def _check_columns(columns: list[str]) -> None:
    """Raises Unreadable."""
    if len(columns) > MAX_COLUMNS:
        raise UnreadableFile(
            f"The first line has {len(columns):,} columns; at most {MAX_COLUMNS} can be told apart here."
        )
    if any(len(name) > MAX_COLUMN_NAME for name in columns):
        raise UnreadableFile(f"The name of a column has more than {MAX_COLUMN_NAME:,} characters. Is it a name?")


def preview_import(work: JobRun) -> None:
    with _stage(work) as staging:
        work.begin("comparing", staging.customers())
        effect = preview_file(staging, work.tell, create=work.job.wanted["create"])
        effect.bad = staging.any_rejected()
        effect.duplicates = sum(1 for _ in staging.duplicates())

        def finish(session: Session) -> None:
            store_rejected(session, work.job.id, staging.rejected())
            work.finish(session, state="ready", effect=effect.told(), finished_at=None)

        run_in_transaction(finish)


def apply_import(work: JobRun) -> None:
    job = work.job

    def finish(session: Session, applied: ApplyResult) -> None:
        saved = applied.saved
        result = {
            "created": saved.created,
            "updated": saved.updated,
            "changed": applied.changed,
            "unknown": staging.left_out_count("notFound"),
            "bad": staging.any_rejected(),
            "duplicates": sum(1 for _ in staging.duplicates()),
        }
        work.finish(session, state="done", result=result, change_set_id=applied.change_set_id)

    with _stage(work) as staging:
        work.begin("applying", staging.customers())
        note = f"Import {job.id}: {job.wanted['name']}"
        apply_file(staging, job.by(), work.tell, create=job.wanted["create"], note=note, finish=finish)


@contextmanager
def _stage(work: JobRun) -> Iterator[Staging]:
    """The file of the job in hand, read and checked."""
    with open_upload(work.job) as source:
        work.begin("reading", source.size)
        with stage_file(source, work.tell, work.job.wanted["meanings"], most_bad=MAX_REJECTED) as staging:
            yield staging


@contextmanager
def open_upload(job: Job) -> Iterator[Source]:
    file, format = UploadReader(job.id, job.wanted["size"]), FileFormat(**job.wanted["format"])
    with open_stream(file, format, most_unpacked=MAX_UNCOMPRESSED_BYTES) as source:
        source.size = job.wanted["size"]
        yield source
