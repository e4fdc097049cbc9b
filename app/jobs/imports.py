"""Importing a file that was sent: what stands in it, what it would do, and doing it in the background."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import IO, Any

from sqlalchemy.orm import Session

from app.core.database import in_transaction
from app.core.models.change_sets import Actor
from app.files.columns import recognised_columns
from app.files.formats import Format, Unreadable
from app.files.reading import Source, reading
from app.files.staging import Staging
from app.jobs.apply_file import Applied, apply, preview, staged
from app.jobs.jobs import Job, move_on, new_job
from app.jobs.runner import Work
from app.jobs.uploads import KeptFile, forget_old_files, keep_file, keep_rejected

SHOWN = 5
LONGEST_SHOWN = 200

MOST_COLUMNS = 500
LONGEST_COLUMN = 1000
"""Characters of a column's name."""

MOST_UNPACKED = 8 * 1024**3
MOST_BAD = 1_000_000
"""Bytes of a packed file, and bad lines of any: beyond that it is not the file that was meant, and fills the disk."""


def receive(name: str, file: IO[bytes], actor: Actor) -> int:
    """Keep a file that is being sent, and look at its beginning: the id of its import, a draft, or failed if it cannot
    be read at all. Raises Unavailable."""
    forget_old_files()
    job_id = new_job("import", actor, {"name": name}, state="uploading")
    size = keep_file(job_id, file)
    wanted: dict[str, Any] = {"name": name, "size": size, "create": True, "sender": actor.name}
    try:
        wanted |= look(job_id, size)
        state, problem = "draft", None
    except Unreadable as refusal:
        state, problem = "failed", f"{refusal} Nothing was changed."
    move_on(job_id, state, from_=("uploading",), wanted=wanted, problem=problem)
    return job_id


def look(job_id: int, size: int, format: Format | None = None) -> dict[str, Any]:
    """How the file is written, its columns with what they seem to mean, and its first rows. Raises Unreadable."""
    with reading(KeptFile(job_id, size), format, most_unpacked=MOST_UNPACKED) as source:
        first = [[line.kept] if isinstance(line.kept, str) else line.kept for line in islice(source.lines, SHOWN)]
        columns = source.columns
        if columns == [] or not (columns or first):
            raise Unreadable("The file is empty.")
        _bearable(columns or [])
        return {
            "format": asdict(source.format),
            "columns": columns,
            "meanings": recognised_columns(columns) if columns is not None else None,
            "rows": [[cell[:LONGEST_SHOWN] for cell in row] for row in first],
        }


def _bearable(columns: list[str]) -> None:
    """Raises Unreadable."""
    if len(columns) > MOST_COLUMNS:
        raise Unreadable(f"The first line has {len(columns):,} columns; at most {MOST_COLUMNS} can be told apart here.")
    if any(len(name) > LONGEST_COLUMN for name in columns):
        raise Unreadable(f"The name of a column has more than {LONGEST_COLUMN:,} characters. Is it a name?")


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
        with staged(source, work.tell, work.job.wanted["meanings"], most_bad=MOST_BAD) as staging:
            yield staging


@contextmanager
def opened_file(job: Job) -> Iterator[Source]:
    file, format = KeptFile(job.id, job.wanted["size"]), Format(**job.wanted["format"])
    with reading(file, format, most_unpacked=MOST_UNPACKED) as source:
        source.size = job.wanted["size"]
        yield source
