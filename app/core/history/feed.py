"""The change feed: every change of every customer, oldest first, none skipped and none repeated.

Ids are given out before commit: a reader that remembers the last id it saw loses what commits later with a lower one.
PostgreSQL's transaction numbers are no better: of two that changed one customer, the lower may be the later. The feed
goes by the position that a part takes as its last act, and ends where all positions are settled.
"""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.database import db
from app.core.errors import NoLongerRetained
from app.core.models.change_sets import ChangeSet, ChangeSetPart, FeedPosition, RetentionHorizon
from app.core.models.customer_changes import CustomerChange, Kind
from app.core.models.sealed_deletions import unseal
from app.core.models.segments import Segments

sets, parts, entries = ChangeSet.__table__.c, ChangeSetPart.__table__.c, CustomerChange.__table__.c

MAX_POSITION = 2**62

END_OF_PART = 2**31 - 1
"""Stands in a position for the number of the last entry of a part."""

FILTERED_SCAN = 20_000
"""Entries that one statement looks through when most of them may be filtered out."""

FeedEntry = Row[Any]
"""The part's id, position, tag and moment, its change set's id, actor and source, and the columns of the entry.

The `document_id` of an entry `deleted` is sealed; `entry_document_id` returns it.
"""


def entry_document_id(entry: FeedEntry) -> str | None:
    """Return the id that the customer of an entry had then; None if it was sealed under another SECRET_KEY."""
    if entry.kind != "deleted":
        return str(entry.document_id)
    deletion = unseal(entry.before)
    return deletion.document_id if deletion else None


@dataclass(frozen=True)
class FeedFilter:
    """Which entries: all conditions must hold."""

    kinds: tuple[Kind, ...] = ()
    document_id: str | None = None
    """The id that the customer had then."""
    type: str | None = None
    """Only changes of segments in which those of this type differ."""

    def __bool__(self) -> bool:
        return self != FeedFilter()

    def matches(self, entry: FeedEntry) -> bool:
        """Return whether an entry that fulfils `conditions` matches."""
        if entry.kind == "deleted":
            document_id = entry_document_id(entry)
            return document_id is not None and self.document_id in (None, document_id)
        if self.type is None:
            return True
        before, after = (_of_type(segments, self.type) for segments in (entry.before, entry.after))
        return before != after

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what the database can check."""
        conditions: list[ColumnElement[bool]] = [entries.kind.in_(self.kinds)] if self.kinds else []
        if self.type is not None:
            conditions.append(entries.kind == "segments")
        if self.document_id is not None:
            conditions.append(or_(entries.document_id == self.document_id, entries.kind == "deleted"))
        return conditions


def _of_type(segments: Segments, type_: str) -> list[str]:
    return [segment["value"] for segment in segments if segment["type"] == type_]


NO_FILTER = FeedFilter()


def read_feed(
    after: FeedPosition | None = None, filters: FeedFilter = NO_FILTER, *, limit: int
) -> tuple[list[FeedEntry], FeedPosition]:
    """Return the next entries, and the position from which to continue; without `after`, from the first on record.

    Raises NoLongerRetained where entries after `after` were removed by retention, or its place is unknown.
    """
    session = cast(Session, db.session)
    settled = dialects.settled_position(session)
    if after is not None:
        _check(after)
    place = after or _start()
    found: list[FeedEntry] = []
    chunk = FILTERED_SCAN if filters else limit
    while group := _next_parts(place, settled, chunk):
        rows = _select_entries(group, place, filters, chunk)
        for row in rows:
            if filters.matches(row):
                found.append(row)
                if len(found) == limit:
                    return found, FeedPosition(row.position, row.number, row.tag)
        last = (rows[-1].position, rows[-1].number, rows[-1].tag) if len(rows) == chunk else None
        place = FeedPosition(*(last or (group[-1].position, END_OF_PART, group[-1].tag)))
    return found, place


def current_position() -> FeedPosition:
    """Return the position after everything that is committed: from here, only later changes follow."""
    return _end(dialects.settled_position(cast(Session, db.session)))


def newest_position() -> int | None:
    """Return the position of the newest part that is committed; unlike `current_position`, without any lock."""
    return cast(int | None, db.session.scalar(select(func.max(parts.position))))


def begin_snapshot() -> FeedPosition:
    """Begin a transaction of `db.session` that sees one state; return the position from which to follow it."""
    dialects.begin_snapshot(cast(Session, db.session))
    return _end(MAX_POSITION)


def check_position(after: FeedPosition) -> None:
    """Raise NoLongerRetained unless the place is known and nothing after it was removed."""
    _check(after)


def _end(settled: int) -> FeedPosition:
    """Return the position after the newest part; retention may have removed it, and kept older ones for customers."""
    query = select(parts.position, parts.tag).where(parts.position <= settled).order_by(parts.position.desc()).limit(1)
    newest = db.session.execute(query).one_or_none()
    return max(_start(), FeedPosition(newest.position, END_OF_PART, newest.tag)) if newest else _start()


def _start() -> FeedPosition:
    horizon = db.session.get(RetentionHorizon, 1)
    return FeedPosition(horizon.position, END_OF_PART, horizon.tag) if horizon else FeedPosition()


def _check(after: FeedPosition) -> None:
    """Raise NoLongerRetained unless the place of the cursor is known and nothing after it was removed."""
    horizon = db.session.get(RetentionHorizon, 1)
    if horizon and after.position <= horizon.position:
        known = (after.position, after.tag) == (horizon.position, horizon.tag) and after.number >= horizon.last_number
    else:
        tag = db.session.scalar(select(parts.tag).where(parts.position == after.position))
        known = after == FeedPosition() or after.tag == tag
    if not known:
        raise NoLongerRetained(
            "Changes after this cursor are no longer known. Read a snapshot of the customers; follow from its cursor."
        )


def _next_parts(place: FeedPosition, settled: int, limit: int) -> list[Any]:
    """Return the parts that come next, with `limit` entries at most, or one part that has more."""
    rest = place.number < END_OF_PART and place.position
    query = (
        select(parts.id, parts.position, parts.tag, parts.entries)
        .where(parts.position >= place.position if rest else parts.position > place.position)
        .where(parts.position <= settled)
        .order_by(parts.position)
        .limit(limit)
    )
    group: list[Any] = []
    size = 0
    for part in db.session.execute(query):
        size += part.entries
        if group and size > limit:
            break
        group.append(part)
    return group


def _select_entries(group: list[Any], place: FeedPosition, filters: FeedFilter, limit: int) -> list[FeedEntry]:
    # The entries of one part come in the order of their key: a page of a large part must not sort all that is left.
    order = (parts.position, entries.number) if len(group) > 1 else (entries.number,)
    after = or_(parts.position > place.position, and_(parts.position == place.position, entries.number > place.number))
    query = select_entries().where(entries.part_id.in_([part.id for part in group]), *filters.conditions())
    query = query.order_by(*order).limit(limit)
    if group[0].position == place.position:
        query = query.where(after)
    return list(db.session.execute(query).all())


def select_entries() -> Select[Any]:
    """Return the query of feed entries, for conditions and an order."""
    return (
        select(
            parts.id.label("part_id"),
            parts.position,
            parts.tag,
            parts.at,
            sets.id.label("change_set_id"),
            sets.actor,
            sets.source,
            *(entries[name] for name in ("number", "kind", "customer_id", "document_id", "before", "after")),
        )
        .select_from(CustomerChange)
        .join(ChangeSetPart, parts.id == entries.part_id)
        .join(ChangeSet, sets.id == parts.change_set_id)
    )
