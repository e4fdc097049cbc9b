"""A file's customers and segments: compared with what is stored, and applied as one change set."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import open_change_set
from app.core.changes.preview import ChangePreview, preview_batch
from app.core.changes.profiles import UpsertResult, existing_ids, upsert_customers
from app.core.changes.replace_segments import replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.counts.compaction import compact_when_due
from app.core.database import run_in_transaction
from app.core.models.change_sets import Actor
from app.files.staging import Staging
from app.jobs.stage_file import Progress


@dataclass(frozen=True)
class ApplyResult:
    """Totals of an applied file; the staging lists the customers that were skipped."""

    saved: UpsertResult
    changed: int
    """Customers whose segments were replaced."""
    unchanged: int
    change_set_id: int | None


def preview_file(staging: Staging, progress: Progress, *, create: bool) -> ChangePreview:
    """Compare every customer of the file with what is stored; nothing is locked or written."""
    preview, done = ChangePreview(), 0
    for batch in staging.batches():
        for entry in batch.values():
            staging.notes.note_segments(entry.segments or [])
        preview_batch(preview, {id_: (entry.profile, entry.segments) for id_, entry in batch.items()}, create=create)
        done += len(batch)
        progress(done)
    return preview


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
    """Save the profiles and replace the segments of all staged customers in one transaction, as one change set.

    Without `create`, customers that do not exist are skipped. `finish` is part of the transaction. Raises Unavailable.
    """

    def work(session: Session) -> ApplyResult:
        staging.clear_skipped()
        saved, done = UpsertResult(), 0
        with open_change_set(session, actor, note=note) as change_set:
            for batch in staging.batches():
                existing = batch if create else existing_ids(session, batch)
                staging.skip("notFound", [id_ for id_ in batch if id_ not in existing])
                if create or any(entry.profile for entry in batch.values()):
                    profiles = [{"document_id": id_, **batch[id_].profile} for id_ in existing]
                    saved += upsert_customers(session, profiles, change_set)
                new_segments = {id_: segments for id_ in existing if (segments := batch[id_].segments) is not None}
                if new_segments:
                    replaced = replace_segments_in(change_set, PreparedUpdate.of(new_segments), as_of=as_of)
                    staging.skip("stale", replaced.stale)
                done += len(batch)
                progress(done)
        recorded = change_set.has_changes and not dry_run
        applied = ApplyResult(saved, change_set.changed, change_set.unchanged, change_set.id if recorded else None)
        finish(session, applied)
        return applied

    applied = run_in_transaction(work, commit=not dry_run)
    if applied.change_set_id:
        compact_when_due(applied.change_set_id)
    return applied
