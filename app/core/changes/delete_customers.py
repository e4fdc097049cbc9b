"""Deleting customers with everything that is recorded about them, and restoring them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Integer, and_, cast, delete, select, tuple_
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.profiles import existing_ids, record_entries, upsert_customers
from app.core.changes.replace_segments import apply_update
from app.core.changes.segment_updates import PreparedUpdate
from app.core.changes.traces import Traces, erase_elsewhere
from app.core.counts.customer_totals import append_totals
from app.core.database import now
from app.core.models.current_customers import Current
from app.core.models.customer_changes import CustomerChange, EntryKey
from app.core.models.customers import Customer
from app.core.models.sealed_deletions import Deletion

customers, entries = Customer.__table__, CustomerChange.__table__


def delete_customers(change_set: ChangeSetBuilder, doomed: list[tuple[Current, Deletion]]) -> Traces:
    """Delete customers, their segments and their entries, and record one `deleted` entry for each.

    Returns what identifies them.
    """
    if not doomed:
        return Traces.of((), ())
    session = change_set.session
    traces = _delete_entries(session, [customer for customer, _ in doomed])
    ids = select(dialects.json_strings([customer.document_id for customer, _ in doomed]).c.value)
    session.execute(delete(customers).where(customers.c.document_id.in_(ids)))
    texts = [orjson.dumps(customer.segments).decode() for customer, _ in doomed]
    change_set.deltas.add(texts, ["[]"] * len(texts))
    with_segments = [text for text in texts if text != "[]"]
    change_set.count_emptied(with_segments, ["[]"] * len(with_segments))
    change_set.updated += len(doomed)
    change_set.deleted += len(doomed)
    append_totals(session, now().date(), customers=-len(doomed))
    numbers = change_set.take_numbers(len(doomed))
    rows = [
        [number, customer.id, "", deletion.seal(), None, None, None]
        for number, (customer, deletion) in zip(numbers, doomed, strict=True)
    ]
    record_entries(change_set, "deleted", rows)
    erase_elsewhere(session, traces)
    dialects.request_purge(session)
    return traces


def _delete_entries(session: Session, doomed: list[Current]) -> Traces:
    """Delete all entries of customers, those of both chains, from their newest to their oldest."""
    ids, profiles = [customer.document_id for customer in doomed], [customer.profile for customer in doomed]
    heads = {key for customer in doomed for key in _heads(customer)}
    if not heads:
        return Traces.of(ids, profiles)
    delete_chains = _delete_step_by_step if dialects.is_distributed(session) else _delete_chains
    former = delete_chains(session, heads)
    former_profiles = (profile for row in former for profile in (row.before, row.after))
    return Traces.of([*ids, *(row.document_id for row in former)], [*profiles, *former_profiles])


def _delete_chains(session: Session, heads: Collection[EntryKey]) -> list[Any]:
    """Delete the chains that begin with these entries; return the entries' document_ids, before and after."""
    head = dialects.json_elements([list(key) for key in sorted(heads)]).c.value
    start = select(
        cast(head[0].as_integer(), dialects.Id).label("part_id"), cast(head[1].as_integer(), Integer).label("number")
    )
    walk = start.cte("walk", recursive=True)
    entry = entries.c
    walk = walk.union_all(
        select(entry.previous_part_id, entry.previous_number).join_from(
            entries, walk, and_(entry.part_id == walk.c.part_id, entry.number == walk.c.number)
        )
    )
    keys = select(walk.c.part_id, walk.c.number).where(walk.c.part_id.is_not(None))
    deleted = (
        delete(entries)
        .where(tuple_(entry.part_id, entry.number).in_(keys))
        .returning(entry.document_id, entry.before, entry.after)
    )
    return list(session.execute(deleted).all())


def _delete_step_by_step(session: Session, heads: Collection[EntryKey]) -> list[Any]:
    """Do the same where entries are distributed over workers, none of which can follow a chain to another one."""
    keys = heads
    former: list[Any] = []
    while keys:
        key = dialects.json_elements([list(key) for key in sorted(keys)]).c.value
        selected = select(cast(key[0].as_integer(), dialects.Id), cast(key[1].as_integer(), Integer))
        key_columns = tuple_(entries.c.part_id, entries.c.number)
        deleted = delete(entries).where(key_columns.in_(selected)).returning(entries)
        found = session.execute(deleted).all()
        former += found
        keys = {(row.previous_part_id, row.previous_number) for row in found if row.previous_part_id is not None}
    return former


def _heads(customer: Current) -> Iterable[EntryKey]:
    if customer.part_id is not None and customer.entry_number is not None:
        yield customer.part_id, customer.entry_number
    if customer.profile_part_id is not None and customer.profile_entry_number is not None:
        yield customer.profile_part_id, customer.profile_entry_number


@dataclass(frozen=True)
class RestoreResult:
    """How many customers were restored, how many of them with segments, and the document_ids that others have now."""

    customers: int
    with_segments: int
    conflicts: list[str]


def restore_customers(change_set: ChangeSetBuilder, deletions: list[Deletion]) -> RestoreResult:
    """Create deleted customers again, as they were when they were deleted: with a new internal number."""
    taken = existing_ids(change_set.session, [deletion.document_id for deletion in deletions])
    free = [deletion for deletion in deletions if deletion.document_id not in taken]
    rows = [{"document_id": deletion.document_id, **(deletion.profile or {})} for deletion in free]
    upsert_customers(change_set.session, rows, change_set)
    segments = {deletion.document_id: deletion.segments for deletion in free if deletion.segments}
    if segments:
        prepared = PreparedUpdate.of(segments)
        apply_update(change_set, prepared.update, prepared.parameters, rows=len(segments), limited=False)
    return RestoreResult(len(free), len(segments), list(taken))
