"""The members of a segment, now and at a moment of the past."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select, union_all

from app.core import dialects
from app.core.database import db
from app.core.errors import NoLongerRetained
from app.core.history.timeline import retained_since
from app.core.models.change_sets import ChangeSetPart
from app.core.models.customer_changes import CustomerChange
from app.core.models.customers import Customer, CustomerSearch
from app.core.models.segments import SegmentPair

customers, search = Customer.__table__.c, CustomerSearch.__table__.c
parts, entries = ChangeSetPart.__table__.c, CustomerChange.__table__.c


def list_members(
    segment: SegmentPair, moment: datetime | None = None, *, after: str | None = None, limit: int
) -> list[str]:
    """Return the document_ids of members, as the customers are called now, in order and after one of them.

    Now, or at a moment: of the customers who exist now. Raises NoLongerRetained for a moment before the record begins.
    """
    until = retained_since() if moment else None
    if moment and until and moment < until:
        raise NoLongerRetained(f"Changes before {until:%Y-%m-%d %H:%M} UTC are no longer kept.")
    members = (_members_at(segment, moment) if moment else _members_now(segment)).subquery("members")
    query = select(members.c.document_id).order_by(members.c.document_id).limit(limit)
    return list(db.session.scalars(query if after is None else query.where(members.c.document_id > after)))


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
