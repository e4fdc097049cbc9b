"""Files that another system puts into a folder, each applied as a job, whatever happens to the process."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.core.changes.guard import Guard
from app.core.database import run_in_transaction
from app.core.errors import NotFound
from app.core.models.change_sets import Actor
from app.files.export import rejected_csv_chunks
from app.files.inbox import FileOutcome, TakenFile, take_files
from app.jobs.api_job import ApiJob, JobAction
from app.jobs.api_jobs import create_api_job, start_api_job
from app.jobs.jobs import Job, get_job
from app.jobs.picked_up_file import PickedUpFile
from app.jobs.reports import job_report
from app.jobs.runner import Handlers, run_next_job
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import iter_rejected

POLL_INTERVAL_S = 0.2
"""Between two looks at a job that another worker runs."""


@dataclass(frozen=True)
class PickUp:
    """What happens to the files of a folder."""

    folder: Path
    actor: Actor
    action: JobAction = "replace"
    types: tuple[str, ...] = ()
    guard: Guard | None = None
    use_file_time: bool = True
    """Whether customers who changed after the time of the file are left alone."""
    strict: bool = False
    """Whether rows that break the rules of segment types are rejected."""
    dry_run_first: bool = False
    """Whether a file with rejected rows is not applied at all."""
    min_age: timedelta = timedelta(seconds=30)
    reading: dict[str, Any] | None = None
    """How the files are written, where that cannot be detected: `PickedUpFile`."""


@dataclass(frozen=True)
class PickedUp:
    """What became of a file."""

    path: Path
    outcome: FileOutcome
    error: str | None
    report: dict[str, Any] | None
    change_set_id: int | None


def pick_up(
    options: PickUp, handlers: Handlers, stop: threading.Event, report_future: Callable[[str], None]
) -> Iterator[PickedUp]:
    """Apply the complete files of the folder one after the other, and yield what became of each.

    Ends early when `stop` is set: the file stays in `working/`, and the next run continues it. Raises OSError, and
    Unavailable, after which the next run continues, too.
    """
    folder = options.folder.resolve()
    for file in take_files(folder, min_age=options.min_age.total_seconds(), report_future=report_future):
        job = _apply(file, replace(options, folder=folder), handlers, stop)
        if job is None:
            return
        yield _finish(file, job)
        if stop.is_set():
            return


def _apply(file: TakenFile, options: PickUp, handlers: Handlers, stop: threading.Event) -> Job | None:
    """Run the jobs of a file; return the last one, or None if it goes on."""
    job = _run(_started_job(file) or _start(file, options, dry_run=options.dry_run_first), handlers, stop)
    if job and job.payload["dry_run"] and job.state == JobState.DONE and not _rejected(job):
        job = _run(_start(file, options, dry_run=False), handlers, stop)
    return job


def _rejected(job: Job) -> int:
    return int((job.preview or {}).get("rejected", 0))


def _started_job(file: TakenFile) -> Job | None:
    """Return the job that a killed process started for the file, if there is one."""
    job_id = file.marked_job()
    if job_id is None:
        return None
    try:
        job = get_job(job_id, JobKind.API)
    except NotFound:  # the database was restored
        return None
    is_of_file = (job.payload.get("picked_up") or {}).get("name") == file.name
    return job if is_of_file and job.state != JobState.UPLOADING else None


def _start(file: TakenFile, options: PickUp, *, dry_run: bool) -> Job:
    """Start a job for the file. It is marked before it can change anything, so that no file is applied twice."""
    job = ApiJob.of(
        options.action,
        dry_run=dry_run,
        types=options.types,
        as_of=file.modified_at if options.use_file_time else None,
        guard=options.guard,
        reason=f"Import of {file.name}",
        strict=options.strict,
    )
    job = replace(job, picked_up=PickedUpFile(file.name, str(options.folder), **(options.reading or {})))
    file.content.seek(0)
    job_id, job = create_api_job(options.actor, job, file.content)
    file.mark(job_id)
    run_in_transaction(lambda session: start_api_job(session, job_id, job))
    return get_job(job_id, JobKind.API)


def _run(job: Job, handlers: Handlers, stop: threading.Event) -> Job | None:
    """Run the job, here or in any worker of the service; return it at its end, or None if `stop` is set before."""
    while job.is_running:
        if stop.is_set():
            return None
        if not run_next_job(handlers, stop, job.id):
            stop.wait(POLL_INTERVAL_S)
        job = get_job(job.id, JobKind.API)
    return job


def _finish(file: TakenFile, job: Job) -> PickedUp:
    """Move the file beside its report."""
    error, rejected = job.error, _rejected(job)
    if job.payload["dry_run"] and not error and rejected:
        error = f"{rejected:,} {'row has' if rejected == 1 else 'rows have'} errors. Nothing was applied."
    elif job.state != JobState.DONE and not error:
        error = f"The job was cancelled after {job.done:,} customers."
    outcome: FileOutcome = "failed" if error else "done"
    report = {
        "file": file.name,
        "time": file.modified_at.isoformat(),
        "state": outcome,
        "error": error,
        "job": str(job.id),
        "dryRun": job.payload["dry_run"],
        "changeSet": str(job.change_set_id) if job.change_set_id else None,
        "report": job_report(job),
    }
    columns = (job.preview or {}).get("columns")
    lines = (line.encode() for line in rejected_csv_chunks(columns, iter_rejected(job.id))) if rejected else None
    path = file.finish(outcome, report, lines)
    return PickedUp(path, outcome, error, report["report"], job.change_set_id)
