"""The customers whose segments changed last, read from the record.

An index on `customers` would be written at every change of segments. The record is there already: its entries are read
from the newest on, or from the position of a page, and those are skipped that are not the newest of their customer. Of
the newest entries few are; where there are many, or the record ends, the caller sorts all customers instead.
"""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import select, tuple_

from app.core.database import db
from app.core.models.change_sets import ChangeSetPart, RetentionHorizon
from app.core.models.customer_changes import CustomerChange
from app.core.search.filters import Order

parts, entries = ChangeSetPart.__table__.c, CustomerChange.__table__.c

CHUNK = 500
"""Entries read at a time."""
MAX_CHUNKS = 6

Position = tuple[int, int]
"""The position of a part, and the number of an entry in it."""
ENDS = {True: 0, False: 2**31 - 1}
"""By whether the order descends: the number beyond all entries of a part."""

FindNewest = Callable[[list[int]], Iterable[Any]]
"""Returns (document_id, id, part_id, entry_number) of the customers with these ids that the list is to have."""


def last_updated(order: Order, after: tuple[Any, ...] | None, find: FindNewest, *, limit: int) -> list[str] | None:
    """Return the document_ids that come next in this order, or None if they are not soon found."""
    place = after[:2] if after else None
    horizon = db.session.scalar(select(RetentionHorizon.position)) or 0
    if place[0] <= horizon if place else not order.descending:
        return None  # entries are missing there, or were never made
    found: list[str] = []
    for _ in range(MAX_CHUNKS):
        group = _next_parts(order, place, horizon)
        if not group:
            return None
        chunk = _next_entries(order, place, group)
        newest = {(row.id, row.part_id, row.entry_number): row for row in find([entry.customer_id for entry in chunk])}
        keys = ((entry.customer_id, entry.part_id, entry.number) for entry in chunk)
        found += [newest[key].document_id for key in keys if key in newest]
        if len(found) >= limit:
            return found[:limit]
        rest = chunk[-1] if len(chunk) == CHUNK else None
        place = (rest.position, rest.number) if rest else (group[-1].position, ENDS[order.descending])
    return None


def _next_parts(order: Order, place: Position | None, horizon: int) -> list[Any]:
    """Return the parts that come next, beginning with one that is partly read: those of a chunk, or a larger one."""
    position = parts.position
    query = select(parts.id, position, parts.entries).where(position > horizon)
    if place and order.descending:
        query = query.where(position <= place[0] if place[1] != ENDS[True] else position < place[0])
    elif place:
        query = query.where(position >= place[0] if place[1] != ENDS[False] else position > place[0])
    group: list[Any] = []
    size = 0
    for part in db.session.execute(query.order_by(position.desc() if order.descending else position).limit(CHUNK)):
        size += part.entries
        if group and size > CHUNK:
            break
        group.append(part)
    return group


def _next_entries(order: Order, place: Position | None, group: list[Any]) -> list[Any]:
    """Return the entries of these parts that follow the place, a chunk at most."""
    # Of one part, in the order of the key: a page of a large part must not sort all that is left.
    keys = (parts.position, entries.number) if len(group) > 1 else (entries.number,)
    query = select(parts.position, entries.part_id, entries.number, entries.customer_id)
    query = query.join(ChangeSetPart, parts.id == entries.part_id)
    query = query.where(entries.part_id.in_([part.id for part in group]))
    if place:
        key = tuple_(parts.position, entries.number)
        query = query.where(key < place if order.descending else key > place)
    ordered = query.order_by(*(key.desc() if order.descending else key for key in keys))
    return list(db.session.execute(ordered.limit(CHUNK)).all())
