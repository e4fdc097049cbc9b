"""Customers who stop to exist because their creation is reverted, and who exist again when that is reverted."""

from dataclasses import dataclass

import orjson
from sqlalchemy import delete, select

from app.core import dialects
from app.core.changes.change_set_builder import ChangeSetBuilder
from app.core.changes.profiles import existing_ids, record_entries, upsert_customers
from app.core.changes.replace_segments import apply_update
from app.core.changes.revert_plan import Current
from app.core.changes.segment_updates import PreparedUpdate
from app.core.counts.customer_totals import append_totals
from app.core.database import now
from app.core.models.customer_changes import CustomerChange
from app.core.models.customers import Customer

customers = Customer.__table__


def delete_customers(change_set: ChangeSetBuilder, doomed: list[Current]) -> None:
    """Delete customers with their segments, and record it."""
    if not doomed:
        return
    ids = select(dialects.json_strings([customer.document_id for customer in doomed]).c.value)
    change_set.session.execute(delete(customers).where(customers.c.document_id.in_(ids)))
    texts = [orjson.dumps(customer.segments).decode() for customer in doomed]
    change_set.deltas.add(texts, ["[]"] * len(texts))
    change_set.emptied += sum(text != "[]" for text in texts)
    change_set.updated += len(doomed)
    append_totals(change_set.session, now().date(), customers=-len(doomed))
    numbers = change_set.take_numbers(len(doomed))
    rows = [
        [
            number,
            customer.id,
            customer.document_id,
            {"profile": customer.profile, "segments": customer.segments},
            None,
            customer.profile_part_id,
            customer.profile_entry_number,
        ]
        for number, customer in zip(numbers, doomed, strict=True)
    ]
    record_entries(change_set, "deleted", rows)


@dataclass(frozen=True)
class Restored:
    """How many customers exist again, how many of them with segments, and whose document_id is another's now."""

    customers: int
    with_segments: int
    conflicts: list[str]


def restore_customers(change_set: ChangeSetBuilder, deletions: list[CustomerChange]) -> Restored:
    """Create deleted customers again, as they were when they were deleted: with a new internal number."""
    taken = existing_ids(change_set.session, [deletion.document_id for deletion in deletions])
    free = [deletion for deletion in deletions if deletion.document_id not in taken]
    rows = [{"document_id": deletion.document_id, **deletion.before["profile"]} for deletion in free]
    upsert_customers(change_set.session, rows, change_set)
    segments = {deletion.document_id: deletion.before["segments"] for deletion in free if deletion.before["segments"]}
    if segments:
        prepared = PreparedUpdate.of(segments)
        apply_update(change_set, prepared.update, prepared.parameters, rows=len(segments))
    return Restored(len(free), len(segments), list(taken))
