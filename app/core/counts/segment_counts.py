"""How many customers hold each segment: a ledger that is only appended to.

A counter row would be locked by every request, and counting ten million customers takes seconds. So a change appends
how many customers more or fewer hold each segment, and the count is the sum. Holding a pair twice counts once.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

import orjson
from sqlalchemy import bindparam, func, insert, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db

Pair = tuple[str, str]
"""A segment as (type, value): hashable, unlike its JSON."""


class SegmentCount(Base):
    """How many customers more (or fewer) hold a segment since one change set or, once folded, one day or month.

    Folded rows have no change set, and still tell by whom.
    """

    __tablename__ = "segment_counts"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    day: Mapped[date]
    actor: Mapped[str]
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)
    type: Mapped[str] = mapped_column(dialects.BytewiseString)
    value: Mapped[str] = mapped_column(dialects.BytewiseString)
    delta: Mapped[int] = mapped_column(dialects.Id)


ledger = SegmentCount.__table__
COLUMNS = ("day", "actor", "change_set_id", "type", "value", "delta")


class SegmentDeltas:
    """How many customers more hold each pair by what is being changed."""

    def __init__(self) -> None:
        self._before: Counter[str] = Counter()
        self._after: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many kinds of customers, alike in their segments, were met: what this takes in memory."""
        return len(self._before) + len(self._after)

    def add(self, before: Iterable[str], after: Iterable[str]) -> None:
        """Take in the segments that customers had and have, as JSON texts.

        They are counted as texts and parsed once per kind: customers are alike, and this is done for each of them.
        """
        self._before.update(before)
        self._after.update(after)

    def carrying(self) -> int:
        """How many customers more carry segments at all."""
        return self._before["[]"] - self._after["[]"]

    def taken(self) -> dict[Pair, int]:
        """The sums so far, which begin again at nothing."""
        deltas: Counter[Pair] = Counter()
        self._after.subtract(self._before)
        for segments, customers in self._after.items():
            if customers:
                for pair in {(segment["type"], segment["value"]) for segment in orjson.loads(segments)}:
                    deltas[pair] += customers
        self._before.clear()
        self._after.clear()
        return {pair: delta for pair, delta in deltas.items() if delta}


_delta_rows = dialects.json_elements(bindparam("moved", type_=dialects.Json)).c.value

INSERT_DELTAS = insert(ledger).from_select(
    COLUMNS,
    select(
        *(
            bindparam(f"moved_{name}", type_=ledger.c[column].type)
            for name, column in (("day", "day"), ("by", "actor"), ("in", "change_set_id"))
        ),
        _delta_rows[0].as_string(),
        _delta_rows[1].as_string(),
        _delta_rows[2].as_integer(),
    ),
)
"""Writes what `delta_parameters` into the ledger."""


def delta_parameters(day: date, actor: str, change_set_id: int | None, deltas: dict[Pair, int]) -> dict[str, Any]:
    """The parameters of MOVED: by how many customers each segment grew or shrank."""
    rows = [[*pair, delta] for pair, delta in deltas.items()]
    return {"moved_day": day, "moved_by": actor, "moved_in": change_set_id, "moved": rows}


def append_deltas(session: Session, day: date, actor: str, change_set_id: int | None, deltas: dict[Pair, int]) -> None:
    """Write into the ledger by how many customers each segment grew or shrank."""
    if deltas:
        session.execute(INSERT_DELTAS, delta_parameters(day, actor, change_set_id, deltas))


def catalogue(after: Pair | None = None, *, most: int, type_: str | None = None) -> list[tuple[str, str, int]]:
    """Each segment that somebody holds, by type and value, and how many customers do; those that come next `after`."""
    held = func.sum(ledger.c.delta)
    query = (
        select(ledger.c.type, ledger.c.value, held)
        .group_by(ledger.c.type, ledger.c.value)
        .having(held > 0)
        .order_by(ledger.c.type, ledger.c.value)
        .limit(most)
    )
    if type_ is not None:
        query = query.where(ledger.c.type == type_)
    if after:
        query = query.where(tuple_(ledger.c.type, ledger.c.value) > tuple_(*after))
    return [(type_, value, int(customers)) for type_, value, customers in db.session.execute(query)]


def largest_segments(*, most: int, type_: str | None = None) -> list[tuple[str, str, int]]:
    """The segments that the most customers hold, as (type, value, customers)."""
    held = func.sum(ledger.c.delta)
    query = (
        select(ledger.c.type, ledger.c.value, held)
        .group_by(ledger.c.type, ledger.c.value)
        .having(held > 0)
        .order_by(held.desc(), ledger.c.type, ledger.c.value)
        .limit(most)
    )
    if type_ is not None:
        query = query.where(ledger.c.type == type_)
    return [(type_, value, int(customers)) for type_, value, customers in db.session.execute(query)]


def count_holders(type_: str, value: str) -> int:
    """How many customers hold this segment."""
    held = select(func.coalesce(func.sum(ledger.c.delta), 0)).where(ledger.c.type == type_, ledger.c.value == value)
    return int(db.session.scalars(held).one())
