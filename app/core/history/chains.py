"""The chains of a customer's entries: each entry has a pointer to the one before, and they are read by key."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, Row, Select, cast, literal, select, true

from app.core import dialects
from app.core.database import db
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.core.models.customer_changes import CustomerChange, EntryKey

entries = CustomerChange.__table__.c

ChainEntry = Sequence[Any]
"""A change set, its part, and the entry."""


def chain_key(part_id: int | None, number: int | None) -> EntryKey | None:
    """Return the key that a pointer names; None at the end of the chain."""
    return None if part_id is None or number is None else (part_id, number)


def read_chain(document_id: str, start: EntryKey, limit: int) -> list[ChainEntry]:
    """Return a customer's entries from `start` on, newest first; fewer where older ones are no longer kept."""
    if dialects.is_distributed(db.session()):
        return _read_stretches(document_id, start, limit)
    query = _walk(start, limit).join(ChangeSet, ChangeSet.id == ChangeSetPart.change_set_id).add_columns(ChangeSet)
    return [(change_set, part, entry) for part, entry, change_set in db.session.execute(query)]


def _walk(start: EntryKey, limit: int, document_id: str | None = None) -> Select[ChangeSetPart, CustomerChange]:
    """Return the query for (part, entry) from `start` on; those of one document_id end where it was another one."""
    part_id, number = cast(literal(start[0]), dialects.Id), cast(literal(start[1]), Integer)
    walk = select(part_id.label("part_id"), number.label("number"), literal(1).label("n")).cte("walk", recursive=True)
    of_id = true() if document_id is None else entries.document_id == document_id
    walk = walk.union_all(
        select(entries.previous_part_id, entries.previous_number, walk.c.n + 1)
        .join(walk, (entries.part_id == walk.c.part_id) & (entries.number == walk.c.number))
        .where(walk.c.n < limit, of_id)
    )
    return (
        select(ChangeSetPart, CustomerChange)
        .select_from(walk)
        .join(CustomerChange, (entries.part_id == walk.c.part_id) & (entries.number == walk.c.number))
        .join(ChangeSetPart, ChangeSetPart.id == entries.part_id)
        .where(of_id)
        .order_by(walk.c.n)
    )


def _read_stretches(document_id: str, start: EntryKey, limit: int) -> list[ChainEntry]:
    """Return what `read_chain` does where entries are distributed by document_id: one worker has those of one id."""
    found: list[Row[ChangeSetPart, CustomerChange]] = []
    key: EntryKey | None = start
    name: str | None = document_id
    while key and name is not None and len(found) < limit:
        stretch = db.session.execute(_walk(key, limit - len(found), name)).all()
        if stretch:
            found += stretch
            key = chain_key(stretch[-1][1].previous_part_id, stretch[-1][1].previous_number)
        else:  # the customer had another document_id before, or the entry is no longer kept
            query = select(entries.document_id).where(entries.part_id == key[0], entries.number == key[1])
            name = db.session.scalar(query)
    ids = {part.change_set_id for part, _ in found}
    sets = {row.id: row for row in db.session.scalars(select(ChangeSet).where(ChangeSet.id.in_(ids)))}
    return [(sets[part.change_set_id], part, entry) for part, entry in found if part.change_set_id in sets]
