"""Undoing a change set, whatever made it."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.changes.replace_segments import Recording, apply_edit, recording
from app.core.changes.revert_profiles import bring_back, revert_facts
from app.core.changes.segment_updates import REVERSAL
from app.core.counts.compaction import compact_when_due
from app.core.database import in_transaction
from app.core.history.segment_diff import carried_over
from app.core.history.timeline import Step, find_step
from app.core.models.change_sets import Actor, find_change_set
from app.core.models.customers import Customer, Segments, find_customer

PART = 20_000

customers = Customer.__table__.c


@dataclass(frozen=True)
class Reverted:
    """How many customers were put back, how many were already, and who holds something else by now."""

    changed: int
    unchanged: int
    conflicts: list[str]
    change_set_id: int | None
    facts: int = 0
    """Customers of whom a name, an e-mail or a phone is as before, or who are here again..."""
    removed: int = 0
    """and those who were created, and are not here any more."""

    @property
    def customers(self) -> int:
        """At least so many are as before: one may have got back both her segments and her name."""
        return max(self.changed, self.facts + self.removed)


def revert(change_set_id: int, actor: Actor, *, dry_run: bool = False) -> Reverted:
    """Put back each customer who still holds what the change set gave her; leave alone, and list, the others.

    One transaction, and itself a change set: it can be reverted. A `dry_run` is the same, taken back.

    Raises NotFound, also for one so old that it is not kept any more, and Unavailable.
    """

    def work(session: Session) -> Reverted:
        find_change_set(change_set_id, session)
        with recording(session, actor, reverts=change_set_id) as undo:
            conflicts: list[str] = []
            bring_back(undo, change_set_id)
            last: str | None = ""
            while last is not None:
                last = _revert_part(undo, change_set_id, last, conflicts)
            removed = revert_facts(undo, change_set_id, conflicts)
        made = undo.id if undo.written and not dry_run else None
        facts = undo.created + undo.updated - removed
        return Reverted(undo.changed, undo.unchanged, conflicts, made, facts, removed)

    reverted = in_transaction(work, keep=not dry_run)
    if reverted.change_set_id:
        compact_when_due(reverted.change_set_id)
    return reverted


@dataclass(frozen=True)
class Undoing:
    """One change of one customer, and what she would have without it."""

    customer: Customer
    step: Step
    segments: Segments


def undoing(document_id: str, change_set_id: int) -> Undoing:
    """What a customer would have if one change had not been, keeping what was changed since.

    If it was her last change, exactly what she had before. Otherwise what it took away is added again, and what it
    added is removed. Raises CustomerNotFound, and NotFound for a change that is not on record.
    """
    customer, step = find_customer(document_id), find_step(document_id, change_set_id)
    if customer.change_set_id == change_set_id:
        return Undoing(customer, step, step.before)
    return Undoing(customer, step, carried_over(step.after, step.before, onto=customer.segments))


def _revert_part(undo: Recording, change_set_id: int, after: str, conflicts: list[str]) -> str | None:
    """Undo the next customers' changes; gives back the last document_id, None when there were no more."""
    edit, sent = REVERSAL, {"reverted": change_set_id, "after": after, "most": PART}
    changed = set(apply_edit(undo, edit, sent))
    # What is asked here of the others, as they are now, only sorts them: nothing is written because of it.
    part = (
        select(edit.document_id, customers.segments.is_not_distinct_from(edit.segments))
        .select_from(edit.rows)
        .outerjoin(Customer.__table__, customers.document_id == edit.document_id)
        .order_by(edit.document_id)
    )
    last = None
    for document_id, as_before in undo.session.execute(part, sent):
        last = document_id
        if document_id not in changed and as_before:
            undo.unchanged += 1
        elif document_id not in changed:
            conflicts.append(document_id)
    return last
