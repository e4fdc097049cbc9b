"""One change of segments for many customers: those selected in a list, or all that match a filter."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import orjson
from sqlalchemy import ColumnElement, bindparam, func, select, true
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.preview import MAX_EXAMPLES, ChangePreview
from app.core.changes.profiles import existing_ids
from app.core.changes.replace_segments import apply_update
from app.core.changes.segment_updates import SegmentUpdate
from app.core.counts.compaction import compact_when_due
from app.core.database import db, run_in_transaction
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair, Segments, distinct_pairs
from app.core.search.customers import iter_ids, known_count
from app.core.search.filters import Filter
from app.jobs.runner import JobRun
from app.jobs.states import JobState

BATCH_SIZE = 5_000

Action = Literal["add", "remove", "replace", "clear", "rename"]
ACTIONS: tuple[Action, ...] = get_args(Action)

customers = Customer.__table__.c


@dataclass(frozen=True)
class BulkEdit:
    """An action on the segments of many customers.

    `add` and `remove` these segments, `replace` all segments with them, `clear` all; `rename` the first of two to the
    second, which merges them where a customer has both.
    """

    action: Action
    segments: Segments
    filter: Filter | None = None
    document_ids: tuple[str, ...] = ()
    """The selected customers, when there is no filter."""

    def to_dict(self) -> dict[str, Any]:
        segments = {"segments": self.segments, "document_ids": self.document_ids}
        return {"action": self.action, "filter": self.filter and self.filter.to_dict(), **segments}

    @staticmethod
    def from_dict(payload: dict[str, Any]) -> "BulkEdit":
        filter_ = Filter.from_dict(payload["filter"]) if payload["filter"] is not None else None
        return BulkEdit(payload["action"], payload["segments"], filter_, tuple(payload["document_ids"]))

    def new_segments(self) -> ColumnElement[Any]:
        """Return the expression for a customer's new segments, from the segments at the time of the UPDATE."""
        if self.action == "add":
            return dialects.patch_segments(customers.segments, add=_json(self.segments), remove=_json([]))
        if self.action == "remove":
            return dialects.patch_segments(customers.segments, add=_json([]), remove=_json(self.segments))
        if self.action == "rename":
            return dialects.rename_segments(customers.segments, *map(SegmentPair.of, self.segments))
        return _json(self.segments if self.action == "replace" else [])

    def count(self) -> int | None:
        """Return the number of customers, if it is known without counting them."""
        if self.filter is None:
            return len(self.document_ids)
        count = known_count(self.filter)
        return count.customers if count else None

    def batches(self) -> Iterator[list[str]]:
        ids = iter(self.document_ids) if self.filter is None else iter_ids(self.filter)
        while batch := list(islice(ids, BATCH_SIZE)):
            yield batch


def _json(segments: Segments) -> ColumnElement[Any]:
    return dialects.json_value([pair.to_dict() for pair in distinct_pairs(segments)])


def preview_bulk_edit(run: JobRun) -> None:
    """Compute the preview in the database, grouped by equal segments; reads only."""
    edit, preview, done = BulkEdit.from_dict(run.job.payload), ChangePreview(), 0
    run.start_phase("comparing", edit.count())
    for batch in edit.batches():
        found = _preview_batch(preview, batch, edit)
        preview.unknown += len(batch) - found
        done += len(batch)
        run.report_progress(done)
    run_in_transaction(
        lambda session: run.finish(session, state=JobState.READY, preview=preview.told(), finished_at=None)
    )


def _preview_batch(preview: ChangePreview, document_ids: list[str], edit: BulkEdit) -> int:
    """Add what the edit would do to these customers; return how many of them exist."""
    ids, found = dialects.json_strings(document_ids), 0
    before, after = (dialects.json_text(value) for value in (customers.segments, edit.new_segments()))
    each = (
        select(customers.document_id, before.label("before"), after.label("after"))
        .join(ids, customers.document_id == ids.c.value)
        .subquery()
    )
    query = select(each.c.before, each.c.after, func.count(), func.min(each.c.document_id))
    for before_json, after_json, count, example in db.session.execute(query.group_by(each.c.before, each.c.after)):
        found += count
        old, new = orjson.loads(before_json), orjson.loads(after_json)
        if preview.add(old, new, count):
            preview.touched += count
            if len(preview.examples) < MAX_EXAMPLES:
                name = db.session.scalar(select(Customer.name).where(Customer.document_id == example))
                preview.show(example, name, old, new)
        else:
            preview.unchanged += count
    return found


def apply_bulk_edit(run: JobRun) -> None:
    """Apply the edit in one transaction, as one change set."""
    edit, job = BulkEdit.from_dict(run.job.payload), run.job
    run.start_phase("applying", edit.count())

    def work(session: Session) -> int | None:
        done = 0
        ids = dialects.json_strings(bindparam("ids", type_=dialects.Json))
        update = SegmentUpdate(ids, ids.c.value, ids.c.ordinality, edit.new_segments(), true())
        with open_change_set(session, job.to_actor(), note=describe(edit)) as change_set:
            for batch in edit.batches():
                existing = batch if edit.filter else list(existing_ids(session, batch))
                changed = apply_update(change_set, update, {"ids": existing}, rows=len(existing))
                change_set.unchanged += len(existing) - len(changed)
                done += len(batch)
                run.report_progress(done)
        change_set_id = change_set.id if change_set.changed else None
        result = {"changed": change_set.changed, "unchanged": change_set.unchanged}
        run.finish(session, state=JobState.DONE, result=result, change_set_id=change_set_id)
        return change_set_id

    change_set_id = run_in_transaction(work)
    if change_set_id:
        compact_when_due(change_set_id)


def describe(edit: BulkEdit) -> str:
    """Return the note of the change set, such as `Renames membership Gold to membership GOLD`."""
    names = [f"{pair['type']} {pair['value']}" for pair in edit.segments]
    if edit.action == "rename":
        return f"Renames {names[0]} to {names[1]}"
    verb = {"add": "Adds", "remove": "Removes", "replace": "Replaces all segments by", "clear": "Clears all segments"}
    return " ".join([verb[edit.action], ", ".join(names)]).strip()
