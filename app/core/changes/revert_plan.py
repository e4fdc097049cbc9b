"""What reverting a change set does to one customer, decided from its entries and the customer as they are."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from app.core.changes.type_limits import changes_other_types, loses_all
from app.core.history.segment_diff import revert_change
from app.core.models.current_customers import Current
from app.core.models.customer_changes import CustomerChange, Profile
from app.core.models.customers import PROFILE_FIELD_NAMES
from app.core.models.sealed_deletions import Deletion, unseal
from app.core.models.segments import Segments


class RevertConflict(Exception):
    """A later change touched what the change set touched: the customer is left alone."""

    def __init__(self, document_id: str) -> None:
        self.document_id = document_id


@dataclass
class Plan:
    """What to write for one customer; all of it, or nothing for a conflict."""

    current: Current | None
    segments: Segments | None = None
    """The segments to write, if they differ."""
    profile: Profile = field(default_factory=dict)
    """The profile fields to write."""
    new_id: str | None = None
    delete: bool = False
    restore: Deletion | None = None
    """What a customer was who is to exist again."""

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
        if self.current is None or self.segments is None:
            return False
        return loses_all(self.current.segments, self.segments, types)

    @property
    def is_empty(self) -> bool:
        return not (self.profile or self.delete or self.restore) and self.segments is None and self.new_id is None


def plan_revert(changes: list[CustomerChange], current: Current | None, set_parts: Collection[int | None]) -> Plan:
    """Return the plan for a customer, from the entries of the change set, newest first. Raises RevertConflict."""
    newest = changes[0]
    if current is None:
        deletion = unseal(newest.before) if newest.kind == "deleted" else None
        if deletion and deletion.profile is not None:
            return Plan(None, restore=deletion)
        raise RevertConflict(newest.document_id)
    if any(change.kind == "created" for change in changes):
        if not (_only_in(current, set_parts) and _is_as_left(current, changes)):
            raise RevertConflict(current.document_id)
        return Plan(current, delete=True)
    segments, profile, document_id = current.segments, dict(current.profile), current.document_id
    for change in changes:
        if change.kind == "segments":
            segments = _revert_segments(change, segments, current)
        elif change.kind == "profile":
            profile |= _revert_profile(change, profile, current)
        elif change.kind == "renamed":
            document_id = _revert_rename(change, document_id, current)
    return Plan(
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
