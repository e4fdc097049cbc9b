"""A file's customers and segments: checked line by line, compared with what is stored, applied as one change set."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.core.changes.preview import ChangePreview, preview_batch
from app.core.changes.profiles import UpsertResult, existing_ids, upsert_customers
from app.core.changes.replace_segments import open_change_set, replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.counts.compaction import compact_when_due
from app.core.database import run_in_transaction
from app.core.errors import InvalidInput
from app.core.models.change_sets import Actor
from app.files.columns import detect_columns, make_row_parser, validate_columns
from app.files.export import unescape_formula
from app.files.formats import UnreadableFile
from app.files.lines import Line
from app.files.reading import Source
from app.files.staging import Staging

Progress = Callable[[int], None]

PROGRESS_INTERVAL = 200
"""Lines."""


@dataclass(frozen=True)
class ApplyResult:
    """What became of the customers in a file; who was left out is in the staging."""

    saved: UpsertResult
    changed: int
    unchanged: int
    """Whose segments were replaced, and who had them already."""
    change_set_id: int | None


@contextmanager
def stage_file(
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
        meanings = detect_columns(source.columns)
    problem = validate_columns(meanings) if meanings is not None else None
    if problem:
        raise UnreadableFile(f"The file is no JSON, and as a CSV: {problem}")
    read = make_row_parser(source.format, meanings)
    with Staging(pairs="type" in (meanings or ())) as staging:
        bad = 0
        where = meanings.index("document_id") if meanings and "document_id" in meanings else None
        for count, line in enumerate(source.lines):
            if count % PROGRESS_INTERVAL == 0:
                progress(source.position())
            try:
                entry = read(line)
                if needs_segments and entry.segments is None:
                    raise InvalidInput(iter([("segments", "Missing data for required field.")]), "the line")
            except InvalidInput as refusal:
                error = "; ".join(f"{path}: {text}" if path else text for path, text in refusal.details)
                staging.reject(line.number, error, line.kept, _cell(line, where))
                bad += 1
                if bad > most_bad:
                    raise UnreadableFile(f"More than {most_bad:,} lines are bad, the last one: {error}") from None
            else:
                staging.add(line, entry)
        staging.settle()
        yield staging


def _cell(line: Line, position: int | None) -> str | None:
    if position is None or not isinstance(line.row, list) or position >= len(line.row):
        return None
    return unescape_formula(str(line.row[position]))


def preview_file(staging: Staging, progress: Progress, *, create: bool) -> ChangePreview:
    """Compare every customer of the file with what is stored; nothing is locked or written."""
    effect, done = ChangePreview(), 0
    for batch in staging.batches():
        preview_batch(effect, {id_: (entry.facts, entry.segments) for id_, entry in batch.items()}, create=create)
        done += len(batch)
        progress(done)
    return effect


def apply_file(  # noqa: PLR0913 - as `replace_segments`, for a file
    staging: Staging,
    actor: Actor,
    progress: Progress,
    *,
    create: bool,
    as_of: datetime | None = None,
    dry_run: bool = False,
    note: str | None = None,
    finish: Callable[[Session, ApplyResult], None] = lambda session, applied: None,
) -> ApplyResult:
    """Save the facts and replace the segments of everybody staged, all of it or nothing, as one change set.

    Without `create`, customers who are not there are left out. `finish` is part of the transaction. Raises Unavailable.
    """

    def work(session: Session) -> ApplyResult:
        staging.forget_outcome()
        saved, done = UpsertResult(), 0
        with open_change_set(session, actor, note=note) as change_set:
            for batch in staging.batches():
                there = batch if create else existing_ids(session, batch)
                staging.leave_out("notFound", [id_ for id_ in batch if id_ not in there])
                if create or any(entry.facts for entry in batch.values()):
                    facts = [{"document_id": id_, **batch[id_].facts} for id_ in there]
                    saved += upsert_customers(session, facts, change_set)
                wanted = {id_: segments for id_ in there if (segments := batch[id_].segments) is not None}
                if wanted:
                    staging.leave_out(
                        "stale", replace_segments_in(change_set, PreparedUpdate.of(wanted), as_of=as_of).stale
                    )
                done += len(batch)
                progress(done)
        recorded = change_set.written and not dry_run
        applied = ApplyResult(saved, change_set.changed, change_set.unchanged, change_set.id if recorded else None)
        finish(session, applied)
        return applied

    applied = run_in_transaction(work, keep=not dry_run)
    if applied.change_set_id:
        compact_when_due(applied.change_set_id)
    return applied
