"""One change of segments for many customers: those ticked in a list, or all who match a filter."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import orjson
from sqlalchemy import ColumnElement, bindparam, func, select, true
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.preview import MAX_EXAMPLES, ChangePreview
from app.core.changes.profiles import existing_ids
from app.core.changes.replace_segments import apply_update, open_change_set
from app.core.changes.segment_updates import SegmentUpdate
from app.core.counts.compaction import compact_when_due
from app.core.database import db, run_in_transaction
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair, Segments, distinct_pairs
from app.core.search.customers import iter_ids, known_count
from app.core.search.filters import Filter
from app.jobs.runner import JobRun

BATCH_SIZE = 5_000

Action = Literal["add", "remove", "replace", "clear", "rename"]
ACTIONS: tuple[Action, ...] = get_args(Action)

customers = Customer.__table__.c


@dataclass(frozen=True)
class BulkEdit:
    """What is to become of whose segments.

    `add` and `remove` these segments, `replace` all by them, `clear` all; `rename` the first of two into the second,
    which merges them where a customer has both.
    """

    action: Action
    segments: Segments
    filter: Filter | None = None
    document_ids: tuple[str, ...] = ()
    """Who, unless it is a filter."""

    def wanted(self) -> dict[str, Any]:
        """As JSON."""
        segments = {"segments": self.segments, "document_ids": self.document_ids}
        return {"action": self.action, "filter": self.filter and self.filter.to_dict(), **segments}

    @staticmethod
    def read(wanted: dict[str, Any]) -> "BulkEdit":
        """What `wanted` gave."""
        who = Filter.from_dict(wanted["filter"]) if wanted["filter"] is not None else None
        return BulkEdit(wanted["action"], wanted["segments"], who, tuple(wanted["document_ids"]))

    def result(self) -> ColumnElement[Any]:
        """A customer's segments afterwards, made from hers as they are when she is written."""
        if self.action == "add":
            return dialects.patch_segments(customers.segments, add=_json(self.segments), remove=_json([]))
        if self.action == "remove":
            return dialects.patch_segments(customers.segments, add=_json([]), remove=_json(self.segments))
        if self.action == "rename":
            return dialects.rename_segments(customers.segments, *map(SegmentPair.of, self.segments))
        return _json(self.segments if self.action == "replace" else [])

    def number(self) -> int | None:
        """How many customers it is about, if that is known at once."""
        if self.filter is None:
            return len(self.document_ids)
        count = known_count(self.filter)
        return count.customers if count else None

    def parts(self) -> Iterator[list[str]]:
        ids = iter(self.document_ids) if self.filter is None else iter_ids(self.filter)
        while part := list(islice(ids, BATCH_SIZE)):
            yield part


def _json(segments: Segments) -> ColumnElement[Any]:
    return dialects.json_value([pair.to_dict() for pair in distinct_pairs(segments)])


def preview_bulk_edit(work: JobRun) -> None:
    """What it would do: compared in the database, kind by kind of customers alike in their segments. Reads only."""
    edit, effect, done = BulkEdit.read(work.job.wanted), ChangePreview(), 0
    work.begin("comparing", edit.number())
    for part in edit.parts():
        there = _preview_batch(effect, part, edit)
        effect.unknown += len(part) - there
        done += len(part)
        work.tell(done)
    run_in_transaction(lambda session: work.finish(session, state="ready", effect=effect.told(), finished_at=None))


def _preview_batch(effect: ChangePreview, document_ids: list[str], edit: BulkEdit) -> int:
    """Take in what the edit would do to these; gives back how many of them are there."""
    ids, there = dialects.json_strings(document_ids), 0
    before, after = (dialects.json_text(value) for value in (customers.segments, edit.result()))
    each = (
        select(customers.document_id, before.label("before"), after.label("after"))
        .join(ids, customers.document_id == ids.c.value)
        .subquery()
    )
    query = select(each.c.before, each.c.after, func.count(), func.min(each.c.document_id))
    for had, has, times, one in db.session.execute(query.group_by(each.c.before, each.c.after)):
        there += times
        before_, after_ = orjson.loads(had), orjson.loads(has)
        if effect.add(before_, after_, times):
            effect.touched += times
            if len(effect.examples) < MAX_EXAMPLES:
                name = db.session.scalar(select(Customer.name).where(Customer.document_id == one))
                effect.show(one, name, before_, after_)
        else:
            effect.unchanged += times
    return there


def apply_bulk_edit(work: JobRun) -> None:
    """All of it or nothing, as one change set."""
    edit, job = BulkEdit.read(work.job.wanted), work.job
    work.begin("applying", edit.number())

    def change(session: Session) -> int | None:
        done = 0
        ids = dialects.json_strings(bindparam("ids", type_=dialects.Json))
        becoming = SegmentUpdate(ids, ids.c.value, edit.result(), true())
        with open_change_set(session, job.by(), note=describe(edit)) as change_set:
            for part in edit.parts():
                there = part if edit.filter else list(existing_ids(session, part))
                changed = apply_update(change_set, becoming, {"ids": there})
                change_set.unchanged += len(there) - len(changed)
                done += len(part)
                work.tell(done)
        made = change_set.id if change_set.changed else None
        result = {"changed": change_set.changed, "unchanged": change_set.unchanged}
        work.finish(session, state="done", result=result, change_set_id=made)
        return made

    made = run_in_transaction(change)
    if made:
        compact_when_due(made)


def describe(edit: BulkEdit) -> str:
    """`Renames membership Gold to membership GOLD`, the note of the change set."""
    named = [f"{one['type']} {one['value']}" for one in edit.segments]
    if edit.action == "rename":
        return f"Renames {named[0]} to {named[1]}"
    verb = {"add": "Adds", "remove": "Removes", "replace": "Replaces all segments by", "clear": "Clears all segments"}
    return " ".join([verb[edit.action], ", ".join(named)]).strip()
