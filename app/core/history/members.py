"""The members of a segment, now and at a moment of the past, and who came and left between two moments."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, case, func, or_, select, union_all

from app.core import dialects
from app.core.database import db
from app.core.history.timeline import check_retained
from app.core.models.change_sets import ChangeSetPart
from app.core.models.customer_changes import CustomerChange
from app.core.models.customers import Customer, CustomerSearch
from app.core.models.segments import SegmentPair

customers, search = Customer.__table__.c, CustomerSearch.__table__.c
PAGE_SIZE = 10_000

parts, entries = ChangeSetPart.__table__.c, CustomerChange.__table__.c


def list_members(
    segment: SegmentPair, moment: datetime | None = None, *, after: str | None = None, limit: int
) -> list[str]:
    """Return the document_ids of members, as the customers are called now, in order and after one of them.

    Now, or at a moment: of the customers who exist now. Raises NoLongerRetained for a moment before the record begins.
    """
    if moment:
        check_retained(moment)
    members = (_members_at(segment, moment) if moment else _members_now(segment)).subquery("members")
    query = select(members.c.document_id).order_by(members.c.document_id).limit(limit)
    return list(db.session.scalars(query if after is None else query.where(members.c.document_id > after)))


def iter_members(segment: SegmentPair, moment: datetime) -> Iterator[str]:
    """Yield all members at a moment, as `list_members` returns them."""
    after: str | None = None
    while page := list_members(segment, moment, after=after, limit=PAGE_SIZE):
        yield from page
        after = page[-1]


@dataclass(frozen=True)
class MembersDelta:
    """How many of today's customers came to a segment between two moments, and how many left it."""

    joined: int
    left: int


class Movement(NamedTuple):
    """A customer who had a segment at one of two moments only."""

    document_id: str
    name: str | None
    joined: bool


def count_movements(segment: SegmentPair, earlier: datetime, later: datetime) -> MembersDelta:
    """Return how many customers came and left. Raises NoLongerRetained."""
    check_retained(earlier)
    moved = _movements(segment, earlier, later).subquery("moved")
    query = select(func.count(), func.coalesce(func.sum(moved.c.joined), 0)).select_from(moved)
    total, joined = db.session.execute(query).one()
    return MembersDelta(int(joined), int(total - joined))


def list_movements(  # noqa: PLR0913 - between two moments, and a page of the list
    segment: SegmentPair,
    earlier: datetime,
    later: datetime,
    *,
    joined: bool | None = None,
    after: str | None = None,
    limit: int,
) -> list[Movement]:
    """Return who came or left, as the customers are called now, in the order of their ids. Raises NoLongerRetained."""
    check_retained(earlier)
    moved = _movements(segment, earlier, later).subquery("moved")
    query = select(moved.c.document_id, moved.c.name, moved.c.joined).order_by(moved.c.document_id).limit(limit)
    if joined is not None:
        query = query.where(moved.c.joined == int(joined))
    if after is not None:
        query = query.where(moved.c.document_id > after)
    return [Movement(id_, name, bool(came)) for id_, name, came in db.session.execute(query)]


def iter_movements(segment: SegmentPair, earlier: datetime, later: datetime) -> Iterator[Movement]:
    """Yield everyone who came or left, as `list_movements` returns them."""
    after: str | None = None
    while page := list_movements(segment, earlier, later, after=after, limit=PAGE_SIZE):
        yield from page
        after = page[-1].document_id


def _movements(segment: SegmentPair, earlier: datetime, later: datetime) -> Select[Any]:
    """Select (document_id, name, joined) of customers whose first and last change in between differ in the segment."""
    in_order = (parts.position, entries.number)
    backwards = (parts.position.desc(), entries.number.desc())
    changes = (
        select(
            entries.customer_id,
            _has(entries.before, segment).label("before"),
            _has(entries.after, segment).label("after"),
            func.row_number().over(partition_by=entries.customer_id, order_by=in_order).label("first"),
            func.row_number().over(partition_by=entries.customer_id, order_by=backwards).label("last"),
        )
        .join(ChangeSetPart, parts.id == entries.part_id)
        .where(parts.at > earlier, parts.at <= later, entries.kind == "segments")
        .subquery("changes")
    )
    first, last = changes.alias("first_change"), changes.alias("last_change")
    return (
        select(search.document_id, customers.name, last.c.after.label("joined"))
        .select_from(first)
        .join(last, last.c.customer_id == first.c.customer_id)
        .join(CustomerSearch, search.id == first.c.customer_id)
        .join(Customer, customers.document_id == search.document_id)
        .where(first.c.first == 1, last.c.last == 1, first.c.before != last.c.after)
    )


def _has(segments: Any, segment: SegmentPair) -> Any:
    return case((dialects.contains_segment(segments, segment, indexed=False), 1), else_=0)


def _members_now(segment: SegmentPair) -> Select[Any]:
    return select(customers.document_id).where(dialects.contains_segment(customers.segments, segment))


def _members_at(segment: SegmentPair, moment: datetime) -> Any:
    """Select those who have the segment and have not changed since, and those who had it before their next change."""
    unchanged = (
        _members_now(segment)
        .select_from(Customer)
        .outerjoin(ChangeSetPart, parts.id == customers.part_id)
        .where(or_(parts.id.is_(None), parts.at <= moment))
    )
    order = func.row_number().over(partition_by=entries.customer_id, order_by=(parts.position, entries.number))
    later = (
        select(entries.customer_id, entries.before, order.label("place"))
        .join(ChangeSetPart, parts.id == entries.part_id)
        .where(parts.at > moment, entries.kind == "segments")
        .subquery("later")
    )
    changed = (
        select(search.document_id)
        .join(later, later.c.customer_id == search.id)
        .where(later.c.place == 1, dialects.contains_segment(later.c.before, segment, indexed=False))
    )
    return union_all(unchanged, changed)
