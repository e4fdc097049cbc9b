"""Change sets and their parts: who changed customers, by what means, when, and in which order."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Index,
    Insert,
    Sequence,
    Update,
    bindparam,
    case,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, db
from app.core.errors import NotFound

APPLYING, DONE, CANCELLED = "applying", "done", "cancelled"
"""The states of a change set."""


SOURCES = ("api", "page", "import", "command")
"""The interfaces by which something is changed."""


@dataclass(frozen=True)
class Actor:
    """Who changes something, and by what means, one of SOURCES: `Actor("token crm-nightly", "api")`."""

    name: str
    source: str


positions = Sequence("part_positions", metadata=Base.metadata)


class ChangeSet(Base):
    """Everything that one request, form, file or revert changes, in one part or, for a long job, in many."""

    __tablename__ = "change_sets"
    __table_args__ = (
        Index("ix_change_sets_actor", "actor", "id"),
        Index("ix_change_sets_at", "at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    state: Mapped[str]
    """`applying`, `done` or `cancelled`."""
    position: Mapped[int | None] = mapped_column(dialects.Id, unique=True)
    """The position at which it ended; None while it is being applied."""
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Until when a command has time for its next batch; None for the change sets of jobs, which have leases."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    """The moment of its newest part; of its reservation, while it has none."""
    actor: Mapped[str]
    source: Mapped[str]
    note: Mapped[str | None]
    reverts: Mapped[int | None] = mapped_column(dialects.Id, index=True)
    """The change set that this one reverts."""
    changed: Mapped[int]
    """Customers whose segments changed."""
    unchanged: Mapped[int]
    """Customers who already had the requested segments."""
    created: Mapped[int]
    updated: Mapped[int]
    """Customers who were renamed, deleted, or whose profile changed."""


class ChangeSetPart(Base):
    """What one transaction contributes to a change set; the feed, points in time and count deltas refer to parts.

    A part outlives the retention of its entries for as long as a customer refers to it.
    """

    __tablename__ = "change_set_parts"
    __table_args__ = (
        Index(
            "ix_change_set_parts_with_deletions",
            "at",
            postgresql_where=text("deletions > 0"),
            sqlite_where=text("deletions > 0"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    change_set_id: Mapped[int] = mapped_column(dialects.Id, index=True)
    position: Mapped[int] = mapped_column(dialects.Id, unique=True)
    """The place in the feed, taken as the last act of the transaction; ids are given out before."""
    tag: Mapped[int] = mapped_column(dialects.Id)
    """A random number that cursors carry: after the restore of an older backup, newer cursors match no part."""
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    """The moment of the change by the database's clock, later than the previous change of each of its customers."""
    entries: Mapped[int]
    """How many `customer_changes` it was written with; erasure may have removed some since."""
    deletions: Mapped[int]
    """How many of them are of the kind `deleted`, which are removed after some time."""


class RetentionHorizon(Base):
    """The last part whose entries retention removed, in the feed's order. One row, or none.

    The record is incomplete for moments before `until`.
    """

    __tablename__ = "retention_horizon"

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    position: Mapped[int] = mapped_column(dialects.Id)
    last_number: Mapped[int]
    tag: Mapped[int] = mapped_column(dialects.Id)
    """The number of the last entry of that part, and its tag: a cursor just after it has missed nothing."""


@dataclass(frozen=True, order=True)
class FeedPosition:
    """A place in the change feed: just after the entry `number` of the part at `position`, which has this `tag`."""

    position: int = 0
    number: int = 0
    tag: int = 0


sets, parts = ChangeSet.__table__, ChangeSetPart.__table__

TOTALS = ("changed", "unchanged", "created", "updated")

_set_id: ColumnElement[int] = bindparam("set_id", type_=dialects.Id)
_part_id: ColumnElement[int] = bindparam("part_id", type_=dialects.Id)
_state: ColumnElement[str] = bindparam("set_state", type_=sets.c.state.type)
_totals: dict[str, ColumnElement[int]] = {name: bindparam(f"set_{name}", type_=sets.c[name].type) for name in TOTALS}


def insert_part(moment: ColumnElement[Any]) -> Insert:
    """Return the INSERT of a part, which takes its position and its `moment` while it holds the lock of positions."""
    lock = dialects.position_lock()
    columns = {
        "id": _part_id,
        "change_set_id": _set_id,
        "tag": bindparam("part_tag", type_=dialects.Id),
        "entries": bindparam("part_entries", type_=parts.c.entries.type),
        "deletions": bindparam("part_deletions", type_=parts.c.deletions.type),
        "position": dialects.next_position(_part_id),
        "at": moment,
    }
    return insert(parts).from_select(list(columns), select(*columns.values()).select_from(lock))


def insert_ended_change_set(part: FromClause) -> Insert:
    """Return the INSERT of a change set of one part, after `part` itself."""
    columns: dict[str, ColumnElement[Any]] = {
        "id": _set_id,
        **{name: bindparam(f"set_{name}", type_=sets.c[name].type) for name in ("actor", "source", "note", "reverts")},
        "state": _state,
        **_totals,
        "position": part.c.position,
        "at": part.c.at,
    }
    return insert(sets).from_select(list(columns), select(*columns.values()).where(part.c.id == _part_id))


def update_reserved_change_set(part: FromClause) -> Update:
    """Return the UPDATE of a reserved change set, after another `part` of it, which may end it."""
    at, position = (
        select(column).where(part.c.id == _part_id).scalar_subquery() for column in (part.c.at, part.c.position)
    )
    sums = {name: sets.c[name] + total for name, total in _totals.items()}
    ended = case((_state != APPLYING, position))
    return update(sets).where(sets.c.id == _set_id).values(at=at, state=_state, position=ended, **sums)


def part_parameters(  # noqa: PLR0913, PLR0917 - one for each column
    change_set_id: int, part_id: int, state: str, entries: int, deletions: int, totals: dict[str, int]
) -> dict[str, Any]:
    """Return the parameters of the statements above that every part has; `state` is that of the change set after it."""
    return {
        "set_id": change_set_id,
        "set_state": state,
        "part_id": part_id,
        "part_tag": secrets.randbits(31),
        "part_entries": entries,
        "part_deletions": deletions,
        **{f"set_{name}": total for name, total in totals.items()},
    }


def change_set_parameters(actor: Actor, note: str | None, reverts: int | None) -> dict[str, Any]:
    """Return the further parameters of `insert_ended_change_set`."""
    return {
        "set_actor": actor.name,
        "set_source": actor.source,
        "set_note": note,
        "set_reverts": reverts,
    }


REASON_SEPARATOR = " – "


def with_reason(note: str, reason: str | None) -> str:
    """Return a note that the service writes, followed by the reason that its user gives."""
    return f"{note}{REASON_SEPARATOR}{reason}" if reason else note


def get_change_set(change_set_id: int, session: Session | None = None) -> ChangeSet:
    """Return a change set. Raises NotFound."""
    found = (session or db.session).get(ChangeSet, change_set_id)
    if found is None:
        raise NotFound(f"There is no change set {change_set_id}, or it is no longer kept.")
    return found
