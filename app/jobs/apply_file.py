"""A file's customers and segments: compared with what is stored, and applied in batches as one change set."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.batched_change import BatchedChange, end_early, open_batch
from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.preview import ChangePreview, Combine, CustomerState, preview_batch, replace_all
from app.core.changes.profiles import UpsertResult, existing_ids, lock_customers, upsert_customers
from app.core.changes.replace_segments import replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate, SegmentPatch
from app.core.database import db, run_in_transaction
from app.core.limits import BATCH_SIZE
from app.core.models.change_sets import Actor
from app.core.models.segment_limit import is_over_limit
from app.core.models.segment_rules import NO_RULES, SegmentRules
from app.core.models.segments import SegmentPair, Segments, add_segments, remove_segments
from app.files.columns import CustomerEntry
from app.files.staging import Staging
from app.jobs.abandoned import end_abandoned_change_sets
from app.jobs.stage_file import Progress

T = TypeVar("T")


@dataclass(frozen=True)
class ApplyResult:
    """Totals of an applied file; the staging lists the customers that were skipped."""

    saved: UpsertResult = field(default_factory=UpsertResult)
    changed: int = 0
    """Customers whose segments were replaced."""
    unchanged: int = 0
    change_set_id: int | None = None


# Preview, and applying what was previewed


def preview_file(
    staging: Staging,
    progress: Progress,
    *,
    create: bool,
    combine: Combine = replace_all,
    rules: SegmentRules = NO_RULES,
) -> Iterator[tuple[ChangePreview, dict[str, Any]]]:
    """Compare every customer of the file with what is stored; nothing is locked or written.

    `combine` computes the segments of a customer from those before and those in the file.

    Yields the preview so far, and the customers of a batch that will change, as `apply_previewed` takes them.
    """
    preview, done = ChangePreview(), 0
    for batch in staging.batches():
        for entry in batch.values():
            staging.notes.note_segments(entry.segments or [])
        payload = {id_: (entry.profile, entry.segments) for id_, entry in batch.items()}
        affected = preview_batch(preview, payload, create=create, combine=combine, rules=rules)
        done += len(batch)
        progress(done)
        yield preview, {id_: previewed_item(batch[id_], before, combine) for id_, before in affected.items()}


def previewed_item(entry: CustomerEntry, before: CustomerState | None, combine: Combine) -> dict[str, Any]:
    """Return what to write to a customer, and what the preview assumed: None if the customer does not exist.

    Segments are replaced as a whole, or patched: then only what is added and removed is assumed.
    """
    expected, segments = None, entry.segments
    if before:
        profile = {name: before.profile[name] for name in entry.profile}
        expected = {"profile": profile, "segments": None if segments is None else before.segments}
    item = {"profile": entry.profile, "segments": segments, "expected": expected, "lines": entry.lines}
    if segments is None or combine is replace_all:
        return item
    had = before.segments if before else []
    has = combine(had, segments)
    return {**item, "segments": None, "patch": [remove_segments(has, had), remove_segments(had, has)]}


def apply_previewed(change_set: ChangeSetBuilder, batch: Mapping[str, Any]) -> dict[str, str]:
    """Apply `{document_id: item}` to the customers for whom the preview still holds; return why others are skipped."""
    current = lock_customers(change_set.session, batch)
    skipped = {id_: reason for id_, item in batch.items() if (reason := _skip_reason(item, current.get(id_)))}
    ready = {id_: item for id_, item in batch.items() if id_ not in skipped}
    rows = [
        {"document_id": id_, **item["profile"]}
        for id_, item in ready.items()
        if item["profile"] or item["expected"] is None
    ]
    upsert_customers(change_set.session, rows, change_set)
    segments = {id_: item["segments"] for id_, item in ready.items() if item["segments"] is not None}
    if segments:
        replace_segments_in(change_set, PreparedUpdate.of(segments))
    patches = {id_: SegmentPatch(*item["patch"]) for id_, item in ready.items() if "patch" in item}
    if patches:
        replace_segments_in(change_set, PreparedUpdate.of(patches))
    return skipped


def _skip_reason(item: Mapping[str, Any], row: Any) -> str | None:
    expected = item["expected"]
    if expected is None:
        return None if row is None else "exists"
    if row is None:
        return "missing"
    if is_over_limit(row.segments, _new_segments(item, row.segments)):
        return "too_many"
    holds = all(getattr(row, name) == value for name, value in expected["profile"].items())
    if "patch" in item:
        added, removed = (set(map(SegmentPair.of, segments)) for segments in item["patch"])
        pairs = set(map(SegmentPair.of, row.segments))
        return None if holds and removed <= pairs and not added & pairs else "changed"
    return None if holds and expected["segments"] in (None, row.segments) else "changed"


def _new_segments(item: Mapping[str, Any], before: Segments) -> Segments:
    if "patch" in item:
        added, removed = item["patch"]
        return add_segments(remove_segments(before, removed), added)
    return before if item["segments"] is None else item["segments"]


# Applying a file at once, as a command does


def apply_file(  # noqa: PLR0913 - as `replace_segments`, for a file
    staging: Staging,
    actor: Actor,
    progress: Progress,
    *,
    create: bool,
    as_of: datetime | None = None,
    dry_run: bool = False,
    note: str | None = None,
) -> ApplyResult:
    """Save the profiles and replace the segments of all staged customers, in batches, as one change set.

    Without `create`, customers that do not exist are skipped. A batch is applied as a whole or not at all; when one
    fails, those before stay applied and end the change set. Raises EndedMeanwhile, Unavailable.
    """
    staging.clear_skipped()
    end_abandoned_change_sets()
    change, result, done = BatchedChange(actor, note, is_leased=True), ApplyResult(), 0
    size = dialects.batch_size(db.engine, BATCH_SIZE) if staging.count_customers() > BATCH_SIZE else BATCH_SIZE
    try:
        for batch, is_only, is_last in _with_position(staging.batches(size)):
            options = _Options(create, as_of, is_only, is_last)
            change, result, skipped = run_in_transaction(
                lambda session, batch=batch, options=options, change=change, result=result: _apply_batch(  # type: ignore[misc]
                    session, change, result, batch, options
                ),
                commit=not dry_run,
            )
            change = replace(change, change_set_id=None) if dry_run else change
            for reason, document_ids in skipped.items():
                staging.skip(reason, document_ids)
            done += len(batch)
            progress(done)
            if not is_last:
                dialects.yield_to_writers(db.engine)
    except BaseException:
        run_in_transaction(lambda session: end_early(session, change))
        raise
    return replace(result, change_set_id=change.change_set_id)


@dataclass(frozen=True)
class _Options:
    create: bool
    as_of: datetime | None
    is_only: bool
    is_last: bool


def _apply_batch(
    session: Session, change: BatchedChange, result: ApplyResult, batch: dict[str, CustomerEntry], options: _Options
) -> tuple[BatchedChange, ApplyResult, dict[str, list[str]]]:
    existing = batch if options.create else existing_ids(session, batch)
    skipped = {"notFound": [id_ for id_ in batch if id_ not in existing]}
    saved = UpsertResult()
    with open_batch(session, change, is_only=options.is_only, is_last=options.is_last) as opened:
        if options.create or any(entry.profile for entry in batch.values()):
            rows = [{"document_id": id_, **batch[id_].profile} for id_ in existing]
            saved = upsert_customers(session, rows, opened.part)
        segments = {id_: value for id_ in existing if (value := batch[id_].segments) is not None}
        if segments:
            skipped["stale"] = replace_segments_in(opened.part, PreparedUpdate.of(segments), as_of=options.as_of).stale
        result = replace(
            result,
            saved=result.saved + saved,
            changed=result.changed + opened.part.changed,
            unchanged=result.unchanged + opened.part.unchanged,
        )
    return replace(change, change_set_id=opened.change_set_id, unchanged=opened.unchanged), result, skipped


def _with_position(batches: Iterator[T]) -> Iterator[tuple[T, bool, bool]]:
    """Yield (batch, whether it is the only one, whether it is the last one).

    While a batch is applied, and the process waits for the database, a thread reads the one after the next.
    """
    current, following, is_first = next(batches, None), next(batches, None), True
    with ThreadPoolExecutor(1) as thread:
        while current is not None:
            upcoming = thread.submit(next, batches, None)
            yield current, is_first and following is None, following is None
            current, following, is_first = following, upcoming.result(), False
