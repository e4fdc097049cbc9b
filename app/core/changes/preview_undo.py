"""What undoing one change of one customer would give them."""

from dataclasses import dataclass

from app.core.history.segment_diff import rebase_change
from app.core.history.timeline import TimelineEntry, get_entry
from app.core.models.customers import Customer, get_customer
from app.core.models.segments import Segments


@dataclass(frozen=True)
class UndoPreview:
    """One change of one customer, and the segments that the customer would have without it."""

    customer: Customer
    step: TimelineEntry
    segments: Segments


def preview_undo(document_id: str, change_set_id: int) -> UndoPreview:
    """Return what a customer would have without one change, keeping what changed since.

    If it was the last change, exactly what they had before. Otherwise what it removed is added again, and what it added
    is removed. Raises CustomerNotFound, and NotFound for a change that is not on record.
    """
    customer, step = get_customer(document_id), get_entry(document_id, change_set_id)
    if (customer.part_id, customer.entry_number) == step.key:
        return UndoPreview(customer, step, step.before)
    return UndoPreview(customer, step, rebase_change(step.after, step.before, onto=customer.segments))
