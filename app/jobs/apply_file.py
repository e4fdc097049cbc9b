"""A file's customers and segments: checked line by line, compared with what is stored, applied as one change set."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.core.changes.preview import Effect, compare
from app.core.changes.profiles import Saved, known_customers, save_customers
from app.core.changes.replace_segments import recording, replace_in
from app.core.changes.segment_updates import Asked
from app.core.counts.compaction import compact_when_due
from app.core.database import in_transaction
from app.core.models.change_sets import Actor
from app.files.columns import problem_with, reader_of, recognised_columns
from app.files.export import unmarked
from app.files.formats import Unreadable
from app.files.lines import Line
from app.files.reading import Source
from app.files.staging import Staging
from app.serialization.request_schemas import Invalid

Progress = Callable[[int], None]

TELL_EVERY = 200
"""Lines."""


@dataclass(frozen=True)
class Applied:
    """What became of the customers in a file; who was left out is in the staging."""

    saved: Saved
    changed: int
    unchanged: int
    """Whose segments were replaced, and who had them already."""
    change_set_id: int | None


@contextmanager
def staged(
    source: Source,
    progress: Progress,
    meanings: list[str] | None = None,
    *,
    needs_segments: bool = False,
    most_bad: float = float("inf"),
) -> Iterator[Staging]:
    """Every line checked, the good ones kept. `meanings` are those of the columns, if they are not to be recognised.

    With `needs_segments`, a line without any is a bad one. Raises Unreadable, also for more bad lines than `most_bad`.
    """
    if source.columns is not None and meanings is None:
        meanings = recognised_columns(source.columns)
    problem = problem_with(meanings) if meanings is not None else None
    if problem:
        raise Unreadable(f"The file is no JSON, and as a CSV: {problem}")
    read = reader_of(source.format, meanings)
    with Staging(pairs="type" in (meanings or ())) as staging:
        bad = 0
        where = meanings.index("document_id") if meanings and "document_id" in meanings else None
        for count, line in enumerate(source.lines):
            if count % TELL_EVERY == 0:
                progress(source.position())
            try:
                entry = read(line)
                if needs_segments and entry.segments is None:
                    raise Invalid(iter([("segments", "Missing data for required field.")]), "the line")
            except Invalid as refusal:
                error = "; ".join(f"{path}: {text}" if path else text for path, text in refusal.details)
                staging.reject(line.number, error, line.kept, _cell(line, where))
                bad += 1
                if bad > most_bad:
                    raise Unreadable(f"More than {most_bad:,} lines are bad, the last one: {error}") from None
            else:
                staging.add(line, entry)
        staging.settle()
        yield staging


def _cell(line: Line, position: int | None) -> str | None:
    if position is None or not isinstance(line.row, list) or position >= len(line.row):
        return None
    return unmarked(str(line.row[position]))


def preview(staging: Staging, progress: Progress, *, create: bool) -> Effect:
    """What `apply` would do, found by comparing every customer with what is stored; nothing is locked or written."""
    effect, done = Effect(), 0
    for batch in staging.batches():
        compare(effect, {id_: (entry.facts, entry.segments) for id_, entry in batch.items()}, create=create)
        done += len(batch)
        progress(done)
    return effect


def apply(  # noqa: PLR0913 - as `replace_segments`, for a file
    staging: Staging,
    actor: Actor,
    progress: Progress,
    *,
    create: bool,
    as_of: datetime | None = None,
    dry_run: bool = False,
    note: str | None = None,
    finish: Callable[[Session, Applied], None] = lambda session, applied: None,
) -> Applied:
    """Save the facts and replace the segments of everybody staged, all of it or nothing, as one change set.

    Without `create`, customers who are not there are left out. `finish` is part of the transaction. Raises Unavailable.
    """

    def work(session: Session) -> Applied:
        staging.forget_outcome()
        saved, done = Saved(), 0
        with recording(session, actor, note=note) as change_set:
            for batch in staging.batches():
                there = batch if create else known_customers(session, batch)
                staging.leave_out("notFound", [id_ for id_ in batch if id_ not in there])
                if create or any(entry.facts for entry in batch.values()):
                    facts = [{"document_id": id_, **batch[id_].facts} for id_ in there]
                    saved += save_customers(session, facts, change_set)
                wanted = {id_: segments for id_ in there if (segments := batch[id_].segments) is not None}
                if wanted:
                    staging.leave_out("stale", replace_in(change_set, Asked.of(wanted), as_of=as_of).stale)
                done += len(batch)
                progress(done)
        recorded = change_set.written and not dry_run
        applied = Applied(saved, change_set.changed, change_set.unchanged, change_set.id if recorded else None)
        finish(session, applied)
        return applied

    applied = in_transaction(work, keep=not dry_run)
    if applied.change_set_id:
        compact_when_due(applied.change_set_id)
    return applied
