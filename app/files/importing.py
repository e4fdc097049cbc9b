"""Importing a file that was sent: what stands in it, what it would do, and doing it in the background."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import IO, Any

from sqlalchemy.orm import Session

from app.core.changes import Actor
from app.core.database import in_transaction
from app.core.jobs import Job, Work, move_on, new_job
from app.core.uploads import KeptFile, forget_old_files, keep_file, keep_rejected
from app.files.applying import Applied, apply, preview, staged
from app.files.columns import recognised_columns
from app.files.reading import Format, Source, Unreadable, reading
from app.files.staging import Staging

SHOWN = 5
LONGEST_SHOWN = 200


def receive(name: str, file: IO[bytes], actor: Actor) -> int:
    """Keep a file that is being sent, and look at its beginning: the id of its import, a draft, or failed if it cannot
    be read at all. Raises Unavailable."""
    forget_old_files()
    job_id = new_job("import", actor, {"name": name}, state="uploading")
    size = keep_file(job_id, file)
    wanted: dict[str, Any] = {"name": name, "size": size, "create": True}
    try:
        wanted |= look(job_id, size)
        state, problem = "draft", None
    except Unreadable as refusal:
        state, problem = "failed", f"{refusal} Nothing was changed."
    move_on(job_id, state, from_=("uploading",), wanted=wanted, problem=problem)
    return job_id


def look(job_id: int, size: int, format: Format | None = None) -> dict[str, Any]:
    """How the file is written, its columns with what they seem to mean, and its first rows. Raises Unreadable."""
    with reading(KeptFile(job_id, size), format) as source:
        first = [[line.kept] if isinstance(line.kept, str) else line.kept for line in islice(source.lines, SHOWN)]
        columns = source.columns
        if columns == [] or not (columns or first):
            raise Unreadable("The file is empty.")
        return {
            "format": asdict(source.format),
            "columns": columns,
            "meanings": recognised_columns(columns) if columns is not None else None,
            "rows": [[cell[:LONGEST_SHOWN] for cell in row] for row in first],
        }


def check_import(work: Work) -> None:
    with _staged(work) as staging:
        work.begin("comparing", staging.customers())
        effect = preview(staging, work.tell, create=work.job.wanted["create"])
        effect.bad = staging.any_rejected()
        effect.duplicates = sum(1 for _ in staging.duplicates())

        def finish(session: Session) -> None:
            keep_rejected(session, work.job.id, staging.rejected())
            work.finish(session, state="ready", effect=effect.told(), finished_at=None)

        in_transaction(finish)


def apply_import(work: Work) -> None:
    job = work.job

    def finish(session: Session, applied: Applied) -> None:
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

    with _staged(work) as staging:
        work.begin("applying", staging.customers())
        note = f"Import {job.id}: {job.wanted['name']}"
        apply(staging, job.by(), work.tell, create=job.wanted["create"], note=note, finish=finish)


@contextmanager
def _staged(work: Work) -> Iterator[Staging]:
    """The file of the job in hand, read and checked."""
    with opened_file(work.job) as source:
        work.begin("reading", source.size)
        with staged(source, work.tell, work.job.wanted["meanings"]) as staging:
            yield staging


@contextmanager
def opened_file(job: Job) -> Iterator[Source]:
    with reading(KeptFile(job.id, job.wanted["size"]), Format(**job.wanted["format"])) as source:
        source.size = job.wanted["size"]
        yield source
