"""Change sets in the making: what a transaction records, and the last act that gives it its place in the feed."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, bindparam, case, func, select, type_coerce, union_all
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.type_limits import loses_all
from app.core.counts.customer_totals import INSERT_TOTALS, totals_parameters
from app.core.counts.segment_counts import INSERT_DELTAS, SegmentDeltas, delta_parameters
from app.core.database import EVIDENCE_KEY, UtcDateTime, now
from app.core.models.change_sets import (
    APPLYING,
    DONE,
    TOTALS,
    Actor,
    ChangeSet,
    ChangeSetPart,
    change_set_parameters,
    insert_ended_change_set,
    insert_part,
    part_parameters,
    update_reserved_change_set,
)
from app.core.models.customer_changes import CustomerChange
from app.core.models.customers import Customer, CustomerSearch

CHANGE_SETS_KEY = "change_sets"
"""The key of a session's `info` under which observers find what the transaction changed."""

parts, entries = ChangeSetPart.__table__, CustomerChange.__table__
search, customers = CustomerSearch.__table__, Customer.__table__


@dataclass
class ChangeSetBuilder:
    """A part of a change set in the making: everything recorded in it is committed together, or not at all."""

    session: Session
    actor: Actor
    id: int
    part_id: int
    note: str | None = None
    reverts: int | None = None
    at: datetime | None = None
    """An invented moment of the past, for sample data; None for the time of the database's clock."""
    newest: datetime | None = None
    clock: datetime | None = None
    """The latest moment on record and the database's clock when the part was opened; None without a part or a clock."""
    reserved: bool = False
    """Whether the change set exists already and this is one of several parts."""
    state: str = DONE
    """The state of the change set after this part."""
    last_number: int = 0
    """The largest entry number taken so far."""
    changed: int = 0
    unchanged: int = 0
    emptied: int = 0
    """How many customers lost all their segments, or all of the `counted_types`."""
    counted_types: Collection[str] = ()
    """The segment types that a guard counts; empty for all."""
    created: int = 0
    updated: int = 0
    """Customers who are renamed or deleted, and those whose profile changes."""
    deleted: int = 0
    deltas: SegmentDeltas = field(default_factory=SegmentDeltas)

    @property
    def has_changes(self) -> bool:
        """Return whether there is anything to record."""
        return bool(self.changed or self.created or self.updated)

    def take_numbers(self, count: int) -> range:
        """Return the next numbers for entries."""
        first = self.last_number + 1
        self.last_number += count
        return range(first, first + count)

    def count_emptied(self, before: Sequence[str], after: Sequence[str]) -> None:
        """Count who lost all segments; the lists are JSON texts, and those of a customer differ."""
        if not self.counted_types:
            self.emptied += after.count("[]")
            return
        pairs = zip(before, after, strict=True)
        parsed = ((orjson.loads(old), orjson.loads(new)) for old, new in pairs)
        self.emptied += sum(loses_all(old, new, self.counted_types) for old, new in parsed)

    def flush_counts(self) -> None:
        """Write the count deltas collected since the last time."""
        _INSERT_COUNTS.run(self.session, self._count_parameters())

    def save(self) -> None:
        """Write the part, which takes its position in the feed, its change set and the rest of the counts.

        The last act of the transaction: it holds the locks of all its customers, and that of positions only from here.
        """
        self.session.info[EVIDENCE_KEY] = select(parts.c.at).where(parts.c.id == self.part_id)
        totals = {name: getattr(self, name) for name in TOTALS}
        count = self.changed + self.created + self.updated
        parameters = {
            **self._count_parameters(),
            **part_parameters(self.id, self.part_id, self.state, count, self.deleted, totals),
            "moment": self.at or self._earliest_moment(),
        }
        if self.reserved:
            _INSERT_PART.run(self.session, parameters)
        else:
            details = change_set_parameters(self.actor, self.note, self.reverts)
            statement = _INSERT_BACKDATED if self.at else _INSERT_CHANGE_SET
            statement.run(self.session, {**parameters, **details})

    def _earliest_moment(self) -> datetime | None:
        """Return the moment before which the part may not be; None for after all others, which the statement sees to.

        Only where the clock is behind the latest moment on record are these customers' earlier changes looked up: a
        clock that was wrong once does not carry all later changes into the future. Where the database's clock is the
        process's own, this is the moment of the part: there is one writer, and none came since it was opened.
        """
        clock = self.clock or now()
        if self.newest is None or self.newest < clock:
            return None if self.clock else clock
        previous = self.session.scalar(_PREVIOUS_MOMENT, {"part_id": self.part_id})
        return max(clock, previous + timedelta(microseconds=1)) if previous else clock

    def _count_parameters(self) -> dict[str, Any]:
        day, with_segments = (self.at or now()).date(), self.deltas.with_segments()
        return {
            **totals_parameters(day, with_segments=with_segments),
            **delta_parameters(day, self.actor.name, self.part_id, self.deltas.pop()),
        }


_newest_moment = select(func.max(parts.c.at)).scalar_subquery()

_part_entries = entries.c.part_id == bindparam("part_id", type_=dialects.Id)
_ids = select(
    case((entries.c.kind == "renamed", entries.c.after["document_id"].as_string()), else_=entries.c.document_id)
).where(_part_entries)
_previous_parts = union_all(
    select(entries.c.previous_part_id.label("id")).where(_part_entries),
    select(search.c.part_id).where(search.c.document_id.in_(_ids)),
    select(customers.c.part_id).where(customers.c.document_id.in_(_ids)),
).subquery()
_PREVIOUS_MOMENT = select(func.max(parts.c.at)).where(parts.c.id.in_(select(_previous_parts.c.id)))

_explicit_moment: ColumnElement[Any] = bindparam("moment", type_=UtcDateTime)
_moment = dialects.closing_moment(_newest_moment, _explicit_moment)

_INSERT_COUNTS = dialects.CombinedInserts(INSERT_TOTALS, INSERT_DELTAS)
_INSERT_CHANGE_SET, _INSERT_BACKDATED = (
    dialects.CombinedInserts(INSERT_TOTALS, INSERT_DELTAS, insert_part(moment), then=insert_ended_change_set)
    for moment in (_moment, _explicit_moment)
)
_INSERT_PART = dialects.CombinedInserts(
    INSERT_TOTALS, INSERT_DELTAS, insert_part(_moment), then=update_reserved_change_set
)

_clock = type_coerce(dialects.clock(), UtcDateTime)
_OPEN_CHANGE_SET = select(dialects.next_change_set_id(), dialects.next_part_id(), _newest_moment, _clock)
_OPEN_PART = select(dialects.next_part_id(), _newest_moment, _clock)


@contextmanager
def open_change_set(
    session: Session,
    actor: Actor,
    *,
    note: str | None = None,
    reverts: int | None = None,
    at: datetime | None = None,
) -> Iterator[ChangeSetBuilder]:
    """Open a change set of one part in this transaction; it is written at the end, if anything changed.

    `reverts` is the id of the change set that this one reverts; `at` is for an invented past.
    """
    change_set_id, part_id, newest, clock = session.execute(_OPEN_CHANGE_SET).one()
    change_set = ChangeSetBuilder(session, actor, change_set_id, part_id, note, reverts, at, newest, clock)
    yield change_set
    session.info.setdefault(CHANGE_SETS_KEY, []).append(change_set)
    if change_set.has_changes:
        change_set.save()


def reserve_change_set(session: Session, actor: Actor, *, note: str | None = None, reverts: int | None = None) -> int:
    """Create a change set that parts are added to, and return its id. It is `applying` until a part ends it."""
    change_set = ChangeSet(
        state=APPLYING,
        at=now(),
        actor=actor.name,
        source=actor.source,
        note=note,
        reverts=reverts,
        **dict.fromkeys(TOTALS, 0),
    )
    session.add(change_set)
    session.flush()
    return change_set.id


@contextmanager
def open_part(
    session: Session, change_set_id: int, actor: Actor, *, state: str = APPLYING
) -> Iterator[ChangeSetBuilder]:
    """Open the next part of a reserved change set; it is written at the end, if anything changed or if it ends the set.

    With the state `done` or `cancelled` it is the last one, perhaps without changes of its own.
    """
    part_id, newest, clock = session.execute(_OPEN_PART).one()
    part = ChangeSetBuilder(
        session, actor, change_set_id, part_id, newest=newest, clock=clock, reserved=True, state=state
    )
    yield part
    session.info.setdefault(CHANGE_SETS_KEY, []).append(part)
    if part.has_changes or part.unchanged or part.state != APPLYING:
        part.save()
