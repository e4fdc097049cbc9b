"""Undoing a change set, whatever made it."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.changes.replace_segments import ChangeSetBuilder, apply_update, open_change_set
from app.core.changes.revert_profiles import restore_deleted, revert_profiles
from app.core.changes.segment_updates import REVERT
from app.core.counts.compaction import compact_when_due
from app.core.database import run_in_transaction
from app.core.history.segment_diff import rebase_change
from app.core.history.timeline import TimelineEntry, get_entry
from app.core.models.change_sets import Actor, get_change_set
from app.core.models.customers import Customer, get_customer
from app.core.models.segments import Segments

BATCH_SIZE = 20_000

customers = Customer.__table__.c


@dataclass(frozen=True)
class RevertResult:
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


def revert(change_set_id: int, actor: Actor, *, dry_run: bool = False) -> RevertResult:
    """Put back each customer who still holds what the change set gave her; leave alone, and list, the others.

    One transaction, and itself a change set: it can be reverted. A `dry_run` is the same, taken back.

    Raises NotFound, also for one so old that it is not kept any more, and Unavailable.
    """

    def work(session: Session) -> RevertResult:
        get_change_set(change_set_id, session)
        with open_change_set(session, actor, reverts=change_set_id) as undo:
            conflicts: list[str] = []
            restore_deleted(undo, change_set_id)
            last: str | None = ""
            while last is not None:
                last = _revert_batch(undo, change_set_id, last, conflicts)
            removed = revert_profiles(undo, change_set_id, conflicts)
        made = undo.id if undo.written and not dry_run else None
        facts = undo.created + undo.updated - removed
        return RevertResult(undo.changed, undo.unchanged, conflicts, made, facts, removed)

    reverted = run_in_transaction(work, keep=not dry_run)
    if reverted.change_set_id:
        compact_when_due(reverted.change_set_id)
    return reverted


@dataclass(frozen=True)
class UndoPreview:
    """One change of one customer, and what she would have without it."""

    customer: Customer
    step: TimelineEntry
    segments: Segments


def preview_undo(document_id: str, change_set_id: int) -> UndoPreview:
    """What a customer would have if one change had not been, keeping what was changed since.

    If it was her last change, exactly what she had before. Otherwise what it took away is added again, and what it
    added is removed. Raises CustomerNotFound, and NotFound for a change that is not on record.
    """
    customer, step = get_customer(document_id), get_entry(document_id, change_set_id)
    if customer.change_set_id == change_set_id:
        return UndoPreview(customer, step, step.before)
    return UndoPreview(customer, step, rebase_change(step.after, step.before, onto=customer.segments))


def _revert_batch(undo: ChangeSetBuilder, change_set_id: int, after: str, conflicts: list[str]) -> str | None:
    """Undo the next customers' changes; gives back the last document_id, None when there were no more."""
    edit, sent = REVERT, {"reverted": change_set_id, "after": after, "most": BATCH_SIZE}
    changed = set(apply_update(undo, edit, sent))
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
