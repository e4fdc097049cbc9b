"""The members of a segment, set as a whole: the customers listed gain the segment, all others lose it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, case, literal, not_, select, union_all
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.guard import Guard
from app.core.changes.segment_updates import SegmentPatch
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair

customers = Customer.__table__.c

LOST = "the segment"
"""What the guard of a token counts here."""


@dataclass
class MembersDiff:
    """What has to change so that exactly the listed customers have a segment, as of one snapshot."""

    segment: SegmentPair
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    not_found: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of customers who change."""
        return len(self.added) + len(self.removed)

    @property
    def members_before(self) -> int:
        return len(self.removed) + self.unchanged

    def changes(self) -> Iterator[tuple[str, bool]]:
        """Yield each customer who changes, and whether they become a member."""
        yield from ((document_id, True) for document_id in self.added)
        yield from ((document_id, False) for document_id in self.removed)

    def patches(self) -> dict[str, SegmentPatch]:
        """Return the changes, for `replace_segments`."""
        pair = [self.segment.to_dict()]
        add, remove = SegmentPatch(add=pair, remove=[]), SegmentPatch(add=[], remove=pair)
        return {**dict.fromkeys(self.added, add), **dict.fromkeys(self.removed, remove)}

    def check(self, guard: Guard | None) -> None:
        """Raise ChangeTooLarge if more members would lose the segment than the guard allows.

        Its percentage is one of the members before (contract §8).
        """
        if guard:
            guard.check(len(self.removed), self.members_before, self, LOST)


def diff_members(session: Session, segment: SegmentPair, document_ids: Sequence[str]) -> MembersDiff:
    """Return what has to change so that exactly these customers have the segment; each id is listed once.

    One statement reads everything, so that all of it is as of one snapshot.
    """
    diff = MembersDiff(segment)
    lists = {"added": diff.added, "removed": diff.removed, "missing": diff.not_found}
    for document_id, change in session.execute(_select_changes(segment, document_ids)):
        lists[change].append(document_id)
    diff.unchanged = len(document_ids) - len(diff.added) - len(diff.not_found)
    return diff


def _select_changes(segment: SegmentPair, document_ids: Sequence[str]) -> Select[Any]:
    """Select (document_id, change) of all customers but the unchanged, who may be nearly all, in the order listed."""
    listed = dialects.json_strings(list(document_ids))
    removed = select(customers.document_id, literal("removed"), literal(0)).where(
        dialects.contains_segment(customers.segments, segment), customers.document_id.not_in(select(listed.c.value))
    )
    is_member = dialects.contains_segment(customers.segments, segment, indexed=False)
    others = (
        select(
            listed.c.value.label("document_id"),
            case((customers.id.is_(None), "missing"), else_="added").label("change"),
            listed.c.ordinality.label("place"),
        )
        .select_from(listed.outerjoin(Customer.__table__, customers.document_id == listed.c.value))
        .where(customers.id.is_(None) | not_(is_member))
    )
    changes = union_all(others, removed).subquery("changes")
    return select(changes.c.document_id, changes.c.change).order_by(changes.c.place, changes.c.document_id)
