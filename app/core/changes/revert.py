"""Reverting a change set, whatever made it: contract §8."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import ChangeSetBuilder, open_change_set
from app.core.changes.delete_customers import delete_customers, restore_customers
from app.core.changes.document_ids import rename_customer_in
from app.core.changes.guard import Guard
from app.core.changes.profiles import existing_ids, upsert_customers
from app.core.changes.replace_segments import apply_update
from app.core.changes.revert_plan import (
    READ_AT_ONCE,
    EntryRange,
    RevertPlan,
    check_types,
    list_ranges,
    next_entries,
    plan_batch,
    select_entries,
)
from app.core.changes.segment_updates import REPLACE_EXPECTED
from app.core.database import JsonText, db, run_in_transaction
from app.core.errors import CustomerExists, NotEnded
from app.core.limits import MAX_DOCUMENT_ID_LENGTH
from app.core.models.change_sets import APPLYING, Actor, get_change_set
from app.core.models.customer_changes import CustomerChange
from app.core.models.sealed_deletions import Deletion

RevertOutcome = Literal["revert", "unchanged", "conflict"]
Previewed = Mapping[str, tuple[int, RevertOutcome, int, int]]
"""`{document_id of the entry, or `_key`: (internal number, outcome, first part, last part)}`: what a preview found.

The parts are those that have entries of the batch, the same for all of its customers.
"""


@dataclass
class RevertResult:
    """What became of the customers of the reverted change set."""

    changed: int = 0
    """Customers whose segments were reverted."""
    unchanged: int = 0
    """Customers who already were as before the change set."""
    conflicts: list[str] = field(default_factory=list)
    """The document_ids of those who were left alone."""
    profiles: int = 0
    """Customers whose profile or document_id was reverted, or who exist again."""
    deleted: int = 0
    """Customers whom the change set created."""
    emptied: int = 0
    """Customers who lose all their segments, or all of those that the guard counts; those who are deleted, too."""
    change_set_id: int | None = None

    def __add__(self, other: "RevertResult") -> "RevertResult":
        names = ("changed", "unchanged", "conflicts", "profiles", "deleted", "emptied")
        return RevertResult(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def customers(self) -> int:
        """Return how many customers were reverted, at least: `changed` and `profiles` may count the same ones."""
        return max(self.changed, self.profiles) + self.deleted

    @property
    def affected(self) -> int:
        """Return how many customers the change set is about: a guard takes its percentage of them."""
        return self.customers + self.unchanged + len(self.conflicts)


def revert(  # noqa: PLR0913 - all that the contract says of a revert, by name
    change_set_id: int,
    actor: Actor,
    *,
    guard: Guard | None = None,
    types: Collection[str] = (),
    dry_run: bool = False,
    note: str | None = None,
    session: Session | None = None,
) -> RevertResult:
    """Revert a change set: remove what it added, restore what it removed, and keep later changes of other types.

    A customer is left alone as a whole, and listed, if a later change touched a type, a profile field or the
    document_id that the change set touched. One transaction, and itself a change set: it can be reverted. A `dry_run`
    does the same, and is rolled back. With a `session` it is part of that transaction, which the caller ends. With
    `types`, segments of other types may not change.

    Raises NotFound, also for a change set that is no longer kept; NotEnded, ChangeTooLarge, TypeForbidden, Unavailable.
    """

    def work(session: Session) -> RevertResult:
        check_ended(session, change_set_id)
        result = RevertResult()
        with open_change_set(session, actor, note=note, reverts=change_set_id) as undo:
            undo.counted_types = guard.types if guard else ()
            last: int | None = 0
            while last is not None:
                last = revert_batch(undo, change_set_id, last, result, types)
            result.emptied = undo.emptied
            if guard:
                guard.check(result.emptied, result.affected, result)
        result.change_set_id = undo.id if undo.has_changes and not dry_run else None
        return result

    if session is not None:
        return work(session)
    return run_in_transaction(work, commit=not dry_run)


def check_ended(session: Session, change_set_id: int) -> None:
    """Raise NotFound, and NotEnded for a change set that is being applied."""
    if get_change_set(change_set_id, session).state == APPLYING:
        raise NotEnded(f"Change set {change_set_id} is being applied. It can be reverted once it has ended.")


def revert_batch(  # noqa: PLR0913 - which customers, and what limits them
    undo: ChangeSetBuilder,
    change_set_id: int,
    after: int,
    result: RevertResult,
    types: Collection[str] = (),
    *,
    limit: int = READ_AT_ONCE,
) -> int | None:
    """Revert the next customers, those with an internal number above `after`, and add to the `result`.

    Returns the last number, None when there were no more. A batch of about `limit` entries has all entries of its
    customers: it can be a transaction of its own. Raises TypeForbidden if segments of other types would change.
    """
    rows = next_entries(undo.session, change_set_id, EntryRange(after + 1), limit)
    if not rows:
        return None
    _revert_entries(undo, change_set_id, rows, result, types)
    return int(rows[-1].customer_id)


def revert_previewed(
    undo: ChangeSetBuilder,
    change_set_id: int,
    previewed: Previewed,
    result: RevertResult,
    types: Collection[str] = (),
) -> None:
    """Revert the customers of a previewed batch whom the preview found to be reverted, as far as that still holds.

    Adds to the `result`. Raises TypeForbidden.
    """
    chosen = {number for number, outcome, *_parts in previewed.values() if outcome == "revert"}
    # All customers have the same parts, or none in a batch of an earlier version.
    parts = next((parts for _number, _outcome, *parts in previewed.values()), [])
    range_ = EntryRange(min(chosen, default=0), max(chosen, default=0), *parts)
    rows = select_entries(undo.session, change_set_id, range_) if chosen else []
    _revert_entries(undo, change_set_id, [row for row in rows if row.customer_id in chosen], result, types)
    conflicts = (key for key, (_, outcome, *_parts) in previewed.items() if outcome == "conflict")
    result.conflicts += [key if len(key) <= MAX_DOCUMENT_ID_LENGTH else "" for key in conflicts]
    unchanged = sum(outcome == "unchanged" for _, outcome, *_parts in previewed.values())
    result.unchanged += unchanged
    undo.unchanged += unchanged


def _revert_entries(
    undo: ChangeSetBuilder,
    change_set_id: int,
    rows: list[CustomerChange],
    result: RevertResult,
    types: Collection[str],
) -> None:
    """Revert the customers of these entries, and add to the `result`. Raises TypeForbidden.

    Where only segments are concerned, customers are not locked when they are read: their update checks the row. Who was
    changed in between is read again, locked: what was changed may be of another type, which is no conflict.
    """
    lock = any(row.kind != "segments" for row in rows)
    while rows:
        plans, conflicts = plan_batch(undo.session, change_set_id, rows, lock=lock)
        check_types(plans.values(), types)
        changed_since = _carry_out(undo, list(plans.values()), result)
        result.conflicts += conflicts
        rows, lock = [row for row in rows if row.customer_id in changed_since], True


def preview_revert(change_set_id: int) -> RevertResult:
    """Return what `revert` would do now; reads only, and locks nothing. Raises NotFound and NotEnded."""
    db.session.rollback()  # a request holds one connection at a time
    result = RevertResult()
    with Session(dialects.for_reading_by_key(db.engine)) as session:
        check_ended(session, change_set_id)
        for _ in preview_revert_batches(session, change_set_id, result):
            pass
    return result


def preview_revert_batches(
    session: Session,
    change_set_id: int,
    result: RevertResult,
    types: Collection[str] = (),
    *,
    limit: int = READ_AT_ONCE,
) -> Iterator[Previewed]:
    """Yield what a revert would do, batch by batch as `revert_batch`, and add it to the `result`; reads only.

    Raises TypeForbidden.
    """
    for range_ in list_ranges(session, change_set_id):
        remaining = range_
        while rows := next_entries(session, change_set_id, remaining, limit):
            yield _preview_batch(session, change_set_id, rows, result, types)
            remaining = range_._replace(first=rows[-1].customer_id + 1)


def _preview_batch(
    session: Session, change_set_id: int, rows: list[CustomerChange], result: RevertResult, types: Collection[str]
) -> Previewed:
    plans, conflicts = plan_batch(session, change_set_id, rows, lock=False)
    check_types(plans.values(), types)
    taken = set(existing_ids(session, [plan.restore.document_id for plan in plans.values() if plan.restore]))
    result.conflicts += conflicts + sorted(taken)
    free = {id_: plan for id_, plan in plans.items() if not (plan.restore and plan.restore.document_id in taken)}
    for plan in free.values():
        result.emptied += plan.empties(types)
        result.changed += plan.changes_segments
        result.profiles += plan.changes_profile
        result.deleted += plan.delete
        result.unchanged += plan.is_empty
    outcomes: dict[int, RevertOutcome] = {id_: "unchanged" if plan.is_empty else "revert" for id_, plan in free.items()}
    first, last = min(row.part_id for row in rows), max(row.part_id for row in rows)
    return {_key(row): (row.customer_id, outcomes.get(row.customer_id, "conflict"), first, last) for row in rows}


def _key(row: CustomerChange) -> str:
    """Return the key of a customer in a batch; a deleted one has no document_id that may be stored.

    Their internal number then has more digits than a document_id has characters.
    """
    return row.document_id or f"{row.customer_id:0{MAX_DOCUMENT_ID_LENGTH + 1}}"


def _carry_out(undo: ChangeSetBuilder, plans: list[RevertPlan], result: RevertResult) -> set[int]:
    """Write what was planned; return the internal numbers of customers that changed since they were read."""
    restored = restore_customers(undo, [plan.restore for plan in plans if plan.restore])
    result.conflicts += restored.conflicts
    doomed = [
        (plan.current, Deletion(plan.document_id, plan.current.profile, plan.current.segments))
        for plan in plans
        if plan.delete and plan.current
    ]
    delete_customers(undo, doomed)
    existing = [plan for plan in plans if plan.current and not plan.delete]
    profiles = [{"document_id": plan.document_id, **plan.profile} for plan in existing if plan.profile]
    upsert_customers(undo.session, profiles, undo)
    changed_since = _revert_segments(undo, existing)
    renamed, not_renamed = _rename(undo, existing)
    result.conflicts += not_renamed
    result.changed += sum(plan.segments is not None for plan in existing) - len(changed_since) + restored.with_segments
    result.profiles += len({row["document_id"] for row in profiles} | renamed) + restored.customers
    result.deleted += len(doomed)
    unchanged = sum(plan.is_empty for plan in existing)
    result.unchanged += unchanged
    undo.unchanged += unchanged
    return changed_since


def _revert_segments(undo: ChangeSetBuilder, plans: Iterable[RevertPlan]) -> set[int]:
    """Write the segments; return the internal numbers of customers that changed since they were read."""
    planned = {plan.document_id: plan for plan in plans if plan.current and plan.segments is not None}
    payload = {
        id_: {"expected": plan.current.segments, "segments": plan.segments}
        for id_, plan in planned.items()
        if plan.current
    }
    if not payload:
        return set()
    parameters = {"payload": JsonText.of(payload)}
    changed = set(apply_update(undo, REPLACE_EXPECTED, parameters, rows=len(payload), limited=False))
    return {plan.current.id for id_, plan in planned.items() if plan.current and id_ not in changed}


def _rename(undo: ChangeSetBuilder, plans: Iterable[RevertPlan]) -> tuple[set[str], list[str]]:
    """Give customers their old document_ids; return who was renamed, and who cannot be: the id is another's now."""
    renamed, conflicts = set(), []
    for plan in plans:
        if plan.new_id is not None:
            try:
                rename_customer_in(undo, plan.document_id, plan.new_id)
                renamed.add(plan.document_id)
            except CustomerExists:
                conflicts.append(plan.document_id)
    return renamed, conflicts
