"""What reverting a change set does to customers, decided from its entries and the customers as they are."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import cast, func, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.type_limits import TypeForbidden, changes_other_types, loses_all
from app.core.history.segment_diff import revert_change
from app.core.models.change_sets import ChangeSetPart
from app.core.models.current_customers import Current, select_customers
from app.core.models.customer_changes import CustomerChange, Profile
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer, CustomerSearch
from app.core.models.sealed_deletions import Deletion, unseal
from app.core.models.segments import Segments

READ_AT_ONCE = 20_000
"""Entries of the record that are read at once within one transaction."""

LAST_NUMBER = 2**63 - 1

customers, search = Customer.__table__.c, CustomerSearch.__table__.c
entries, parts = CustomerChange.__table__.c, ChangeSetPart.__table__.c


class EntryRange(NamedTuple):
    """Entries of the customers with these internal numbers, in these parts."""

    first: int
    last: int = LAST_NUMBER
    first_part: int = 0
    last_part: int = LAST_NUMBER


class RevertConflict(Exception):
    """A later change touched what the change set touched: the customer is left alone."""

    def __init__(self, document_id: str) -> None:
        self.document_id = document_id


@dataclass
class RevertPlan:
    """What to write for one customer; all of it, or nothing for a conflict."""

    current: Current | None
    segments: Segments | None = None
    """The segments to write, if they differ."""
    profile: Profile = field(default_factory=dict)
    """The profile fields to write."""
    new_id: str | None = None
    delete: bool = False
    restore: Deletion | None = None
    """The customer as they were, if they are to be restored."""

    @property
    def document_id(self) -> str:
        if self.current is None:
            raise LookupError("The customer does not exist.")
        return self.current.document_id

    def changes_other_types(self, types: Collection[str]) -> bool:
        """Return whether segments of other types than these would change, also by a deletion or restoration."""
        before = self.current.segments if self.current else []
        after = before if self.segments is None else self.segments
        if self.restore:
            after = self.restore.segments or []
        return changes_other_types(before, [] if self.delete else after, types)

    def empties(self, types: Collection[str]) -> bool:
        """Return whether the customer would lose all their segments, or all of these types."""
        if self.current is None or (self.segments is None and not self.delete):
            return False
        return loses_all(self.current.segments, [] if self.delete else self.segments or [], types)

    @property
    def changes_segments(self) -> bool:
        """Return whether segments would be written to a customer who stays or is restored."""
        return bool(self.restore.segments) if self.restore else self.segments is not None

    @property
    def changes_profile(self) -> bool:
        """Return whether the profile or document_id would be written, also by a restoration."""
        return bool(self.profile or self.new_id is not None or self.restore)

    @property
    def is_empty(self) -> bool:
        return not (self.profile or self.delete or self.restore) and self.segments is None and self.new_id is None


def plan_revert(
    changes: list[CustomerChange], current: Current | None, set_parts: Collection[int | None]
) -> RevertPlan:
    """Return the plan for a customer, from the entries of the change set, newest first. Raises RevertConflict."""
    newest = changes[0]
    if current is None:
        deletion = unseal(newest.before) if newest.kind == "deleted" else None
        if deletion and deletion.profile is not None:
            return RevertPlan(None, restore=deletion)
        raise RevertConflict(newest.document_id)
    if any(change.kind == "created" for change in changes):
        if not (_only_in(current, set_parts) and _is_as_left(current, changes)):
            raise RevertConflict(current.document_id)
        return RevertPlan(current, delete=True)
    segments, profile, document_id = current.segments, dict(current.profile), current.document_id
    for change in changes:
        if change.kind == "segments":
            segments = _revert_segments(change, segments, current)
        elif change.kind == "profile":
            profile |= _revert_profile(change, profile, current)
        elif change.kind == "renamed":
            document_id = _revert_rename(change, document_id, current)
    return RevertPlan(
        current,
        segments if segments != current.segments else None,
        {name: value for name, value in profile.items() if value != current.profile[name]},
        document_id if document_id != current.document_id else None,
    )


def _only_in(current: Current, set_parts: Collection[int | None]) -> bool:
    """Return whether nothing but the change set ever changed the customer."""
    return current.profile_part_id in set_parts and (current.part_id is None or current.part_id in set_parts)


def _is_as_left(current: Current, changes: list[CustomerChange]) -> bool:
    """Return whether a customer whom the change set created still is as it left them."""
    profile = next(change.after for change in changes if change.kind in ("profile", "created"))
    segments: Segments = next((change.after for change in changes if change.kind == "segments"), [])
    return current.profile == profile and current.segments == segments


def _revert_segments(change: CustomerChange, segments: Segments, current: Current) -> Segments:
    reverted = revert_change(change.before, change.after, current=segments)
    if reverted is None:
        raise RevertConflict(current.document_id)
    return reverted


def _revert_profile(change: CustomerChange, profile: dict[str, Any], current: Current) -> Profile:
    touched = [name for name in PROFILE_FIELD_NAMES if change.before[name] != change.after[name]]
    if not touched:
        return {}
    before, after, now = ([values[name] for name in touched] for values in (change.before, change.after, profile))
    if now not in (before, after):
        raise RevertConflict(current.document_id)
    return dict(zip(touched, before, strict=True))


def _revert_rename(change: CustomerChange, document_id: str, current: Current) -> str:
    if document_id not in (change.document_id, change.after["document_id"]):
        raise RevertConflict(current.document_id)
    return change.document_id


# A batch of customers


def plan_batch(
    session: Session, change_set_id: int, rows: list[CustomerChange], *, lock: bool
) -> tuple[dict[int, RevertPlan], list[str]]:
    """Return the plans of the customers of these entries, by internal number, and the ids of those in conflict."""
    current = _select_current(session, rows, lock=lock)
    set_parts = set(session.scalars(select(parts.id).where(parts.change_set_id == change_set_id)))
    plans: dict[int, RevertPlan] = {}
    conflicts: list[str] = []
    for customer_id, changes in groupby(rows, key=lambda row: row.customer_id):
        try:
            plans[customer_id] = plan_revert(list(changes), current.get(customer_id), set_parts)
        except RevertConflict as conflict:
            conflicts.append(conflict.document_id)
    return plans, conflicts


def check_types(plans: Iterable[RevertPlan], types: Collection[str]) -> None:
    """Raise TypeForbidden if segments of other types than these would change."""
    if types and any(plan.changes_other_types(types) for plan in plans):
        raise TypeForbidden([("change_set_id", "Changed segments of other types.")])


def list_ranges(session: Session, change_set_id: int) -> list[EntryRange]:
    """Return ranges that have all entries of the change set, those of a customer in one of them.

    Each part of an import has customers of its own, whose entries are found without reading those of all other parts.
    Where the customers of several parts overlap, they are one range.
    """
    query = (
        select(func.min(entries.customer_id), func.max(entries.customer_id), parts.id)
        .join(CustomerChange, parts.id == entries.part_id)
        .where(parts.change_set_id == change_set_id)
        .group_by(parts.id)
    )
    ranges: list[EntryRange] = []
    for first, last, part in sorted(session.execute(query), key=tuple):
        if ranges and first <= ranges[-1].last:
            other = ranges.pop()
            parts_of_both = min(other.first_part, part), max(other.last_part, part)
            ranges.append(EntryRange(other.first, max(other.last, last), *parts_of_both))
        else:
            ranges.append(EntryRange(first, last, part, part))
    return ranges


def next_entries(session: Session, change_set_id: int, range_: EntryRange, limit: int) -> list[CustomerChange]:
    """Return all entries of the first customers of a range: at most `limit`, unless the first one has more."""
    rows = select_entries(session, change_set_id, range_, limit=limit + 1)
    if len(rows) <= limit:
        return rows
    whole = [row for row in rows if row.customer_id != rows[-1].customer_id]
    return whole or next_entries(session, change_set_id, range_, limit * 2)


def select_entries(
    session: Session, change_set_id: int, range_: EntryRange, *, limit: int | None = None
) -> list[CustomerChange]:
    """Return the entries of a range, by customer, each customer's newest first."""
    query = (
        select(CustomerChange)
        .join(ChangeSetPart, parts.id == entries.part_id)
        .where(
            parts.change_set_id == change_set_id,
            entries.customer_id.between(range_.first, range_.last),
            entries.part_id.between(range_.first_part, range_.last_part),
        )
        .order_by(entries.customer_id, entries.part_id.desc(), entries.number.desc())
        .limit(limit)
    )
    rows = list(session.scalars(query))
    session.expunge_all()
    return rows


def _select_current(session: Session, rows: list[CustomerChange], *, lock: bool) -> dict[int, Current]:
    ids = dialects.json_strings(list({str(row.customer_id) for row in rows}))
    query = (
        select_customers().where(search.id.in_(select(cast(ids.c.value, dialects.Id)))).order_by(customers.document_id)
    )
    found = dialects.fetch_locked(session, query, Customer.__table__) if lock else session.execute(query).all()
    return {row.id: Current.of(row) for row in found}
