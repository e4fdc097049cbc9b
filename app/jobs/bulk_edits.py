"""One change of segments for many customers: those selected in a list, or all that match a filter."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal, get_args

import orjson
from sqlalchemy import ColumnElement, and_, bindparam, select

from app.core import dialects
from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.preview import MAX_EXAMPLES, ChangePreview
from app.core.changes.replace_segments import apply_update
from app.core.changes.segment_updates import SegmentUpdate
from app.core.database import db, run_in_transaction
from app.core.limits import BATCH_SIZE
from app.core.models.customers import Customer
from app.core.models.segment_limit import is_over_limit
from app.core.models.segment_rules import NO_RULES, SegmentRules, load_rules
from app.core.models.segments import SegmentPair, Segments, distinct_pairs
from app.core.search.customers import iter_ids, known_count
from app.core.search.filters import Filter
from app.jobs.apply_job import ApplyPlan, BatchResult, apply_job
from app.jobs.batches import BatchWriter, count_batches, load_batch
from app.jobs.jobs import Job
from app.jobs.runner import JobRun
from app.jobs.states import JobState

EditAction = Literal["add", "remove", "replace", "clear", "rename"]
MAX_NAMED = 3
"""Renames that a change set's note names."""
ACTIONS: tuple[EditAction, ...] = get_args(EditAction)

customers = Customer.__table__.c


@dataclass(frozen=True)
class BulkEdit:
    """An action on the segments of many customers.

    `add` and `remove` these segments, `replace` all segments with them, `clear` all; `rename` the first of each two to
    the second, which merges them where a customer has both. Several renames need no filter.
    """

    action: EditAction
    segments: Segments
    filter: Filter | None = None
    document_ids: tuple[str, ...] = ()
    """The selected customers, when there is no filter."""
    applies: bool = False
    """Whether it is applied right after the preview; otherwise it waits for an operator."""
    reason: str | None = None
    """The note of the change set, in place of a description."""
    governed: bool = False
    """Whether customers are left alone who would have two values of a type that takes one."""

    def to_dict(self) -> dict[str, Any]:
        segments = {"segments": self.segments, "document_ids": self.document_ids}
        options = {"applies": self.applies, "reason": self.reason, "governed": self.governed}
        return {"action": self.action, "filter": self.filter and self.filter.to_dict(), **segments, **options}

    @staticmethod
    def from_dict(payload: dict[str, Any]) -> "BulkEdit":
        filter_ = Filter.from_dict(payload["filter"]) if payload["filter"] is not None else None
        document_ids, applies = tuple(payload["document_ids"]), payload.get("applies", False)
        reason, governed = payload.get("reason"), payload.get("governed", False)
        return BulkEdit(payload["action"], payload["segments"], filter_, document_ids, applies, reason, governed)

    @property
    def names(self) -> list[tuple[SegmentPair, SegmentPair]]:
        """The old and new segments of a rename."""
        pairs = list(map(SegmentPair.of, self.segments))
        return list(zip(pairs[::2], pairs[1::2], strict=True))

    @property
    def expects_all_segments(self) -> bool:
        """Whether the edit is applied only to customers none of whose segments changed since the preview."""
        return self.action in ("replace", "clear") or (self.action == "rename" and len(self.names) > 1)

    def new_segments(self) -> ColumnElement[Any]:
        """Return the expression for a customer's new segments, from the segments at the time of the UPDATE."""
        if self.action == "add":
            return dialects.patch_segments(customers.segments, add=_json(self.segments), remove=_json([]))
        if self.action == "remove":
            return dialects.patch_segments(customers.segments, add=_json([]), remove=_json(self.segments))
        if self.action == "rename":
            return dialects.rename_segments(customers.segments, self.names)
        return _json(self.segments if self.action == "replace" else [])

    def expectation(self, segments: Segments) -> Any:
        """Return what must hold when the edit is applied: which of its segments a customer has, or all segments."""
        if self.expects_all_segments:
            return segments
        existing = set(map(SegmentPair.of, segments))
        return [SegmentPair.of(segment) in existing for segment in self.segments]

    def to_update(self) -> SegmentUpdate:
        """Return the update of `payload`, `{document_id: expectation}`."""
        rows = dialects.json_entries(bindparam("payload", type_=dialects.Json))
        if self.expects_all_segments:
            condition = customers.segments == rows.c.value
        else:
            condition = and_(
                *(
                    dialects.contains_segment(customers.segments, SegmentPair.of(segment), indexed=False)
                    == rows.c.value[n].as_boolean()
                    for n, segment in enumerate(self.segments)
                )
            )
        return SegmentUpdate(rows, rows.c.key, rows.c.ordinality, self.new_segments(), condition)

    def count(self) -> int | None:
        """Return the number of customers, if it is known without counting them."""
        if self.filter is None:
            return len(self.document_ids) or None
        count = known_count(self.filter)
        return count.customers if count else None

    def batches(self) -> Iterator[list[str]]:
        ids = chain.from_iterable(map(iter_ids, self._filters())) if not self.document_ids else iter(self.document_ids)
        while batch := list(islice(ids, BATCH_SIZE)):
            yield batch

    def _filters(self) -> Iterator[Filter]:
        """Yield what customers must match one of; each matches one at most."""
        if self.filter is not None:
            yield self.filter
            return
        old = [old for old, _new in self.names]
        for index, pair in enumerate(old):
            yield Filter(segments=(pair,), without=tuple(old[:index]))


def _json(segments: Segments) -> ColumnElement[Any]:
    return dialects.json_value([pair.to_dict() for pair in distinct_pairs(segments)])


def preview_bulk_edit(run: JobRun) -> None:
    """Compute the preview, and fix the customers that will change; reads only."""
    edit, preview, done = BulkEdit.from_dict(run.job.payload), ChangePreview(), 0
    run.start_phase("comparing", edit.count())
    writer, rules = BatchWriter(run), load_rules() if edit.governed else NO_RULES
    for document_ids in edit.batches():
        affected, found = _preview_batch(preview, document_ids, edit, rules)
        writer.add(affected)
        preview.not_found += len(document_ids) - found
        done += len(document_ids)
        run.report_progress(done)
    writer.close()
    state = {"state": JobState.APPLYING, "attempts": 0} if edit.applies else {"state": JobState.READY}
    run_in_transaction(lambda session: run.finish(session, preview=preview.to_dict(), finished_at=None, **state))


def _preview_batch(
    preview: ChangePreview, document_ids: list[str], edit: BulkEdit, rules: SegmentRules
) -> tuple[dict[str, Any], int]:
    """Add what the edit would do; return what to expect of the customers it would change, and how many exist."""
    ids = dialects.json_strings(document_ids)
    before, after = (dialects.json_text(value) for value in (customers.segments, edit.new_segments()))
    query = select(customers.document_id, customers.name, before.label("before"), after.label("after")).join(
        ids, customers.document_id == ids.c.value
    )
    rows = db.session.execute(query.order_by(customers.document_id)).all()
    counted = Counter((row.before, row.after) for row in rows)
    parsed = {states: (orjson.loads(states[0]), orjson.loads(states[1])) for states in counted}
    over_limit = {states for states, (before, after) in parsed.items() if is_over_limit(before, after)}
    preview.over_limit += sum(counted[states] for states in over_limit)
    refused = {states for states in parsed.keys() - over_limit if rules.breaks(*parsed[states])}
    preview.refused += sum(counted[states] for states in refused)
    refused |= over_limit
    changing = {states for states, n in counted.items() if states not in refused and preview.add(*parsed[states], n)}
    preview.affected += sum(counted[states] for states in changing)
    preview.unchanged += sum(n for states, n in counted.items() if states not in changing | refused)
    affected = [row for row in rows if (row.before, row.after) in changing]
    for row in affected[:MAX_EXAMPLES]:
        preview.add_example(row.document_id, row.name, *parsed[row.before, row.after])
    return {row.document_id: edit.expectation(parsed[row.before, row.after][0]) for row in affected}, len(rows)


def apply_bulk_edit(run: JobRun) -> None:
    """Apply the edit to the previewed customers for whom the preview still holds."""
    job_id, edit = run.job.id, BulkEdit.from_dict(run.job.payload)
    batches, count = count_batches(job_id)
    update = edit.to_update()

    def apply(change_set: ChangeSetBuilder, job: Job) -> BatchResult:
        batch = load_batch(change_set.session, job_id, job.batches_done)
        changed = apply_update(change_set, update, {"payload": batch}, rows=len(batch))
        skipped, unchanged = _sort_out(change_set, edit, [id_ for id_ in batch if id_ not in {*changed}])
        change_set.unchanged += unchanged
        return BatchResult(len(batch), skipped)

    already = {"unchanged": (run.job.preview or {})["unchanged"]}
    apply_job(run, ApplyPlan(describe(edit), count, batches, apply, initial_result=already))


def _sort_out(change_set: ChangeSetBuilder, edit: BulkEdit, document_ids: list[str]) -> tuple[dict[str, str], int]:
    """Return why customers were skipped, and how many of them already have what the edit gives."""
    if not document_ids:
        return {}, 0
    ids = dialects.json_strings(document_ids)
    after = dialects.json_text(edit.new_segments())
    query = select(customers.document_id, customers.segments, after).join(ids, customers.document_id == ids.c.value)
    states = {id_: (before, orjson.loads(text)) for id_, before, text in change_set.session.execute(query)}
    applied = {id_ for id_, (before, after) in states.items() if before == after}
    reasons = {id_: _skip_reason(states.get(id_)) for id_ in document_ids if id_ not in applied}
    return reasons, len(applied)


def _skip_reason(states: tuple[Segments, Segments] | None) -> str:
    if states is None:
        return "missing"
    return "too_many" if is_over_limit(*states) else "changed"


def describe(edit: BulkEdit) -> str:
    """Return the note of the change set: its reason, or such as `Renames membership Gold → membership GOLD`."""
    if edit.reason:
        return edit.reason
    names = [f"{pair['type']} {pair['value']}" for pair in edit.segments]
    if edit.action == "rename":
        renames = [f"{old} → {new}" for old, new in zip(names[::2], names[1::2], strict=True)]
        rest = f" and {len(renames) - MAX_NAMED} more" if len(renames) > MAX_NAMED else ""
        return f"Renames {', '.join(renames[:MAX_NAMED])}{rest}"
    verb = {
        "add": "Adds",
        "remove": "Removes",
        "replace": "Replaces all segments with",
        "clear": "Removes all segments",
    }
    return " ".join([verb[edit.action], ", ".join(names)]).strip()
