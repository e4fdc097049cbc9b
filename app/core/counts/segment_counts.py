"""How many customers hold each segment: a ledger that is only appended to.

A counter row would be locked by every request, and counting ten million customers takes seconds. Instead, a change
appends by how many customers each segment grew or shrank; the count is the sum. A customer who holds a pair twice
counts once.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Select, bindparam, func, insert, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db
from app.core.models.segments import SegmentPair, distinct_pairs


class SegmentCount(Base):
    """By how many customers a segment grew or shrank: in one change set or, once folded, on one day or in one month.

    A folded row has no part, and still has the actor.
    """

    __tablename__ = "segment_counts"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    day: Mapped[date]
    actor: Mapped[str]
    part_id: Mapped[int | None] = mapped_column(dialects.Id)
    type: Mapped[str] = mapped_column(dialects.BytewiseString)
    value: Mapped[str] = mapped_column(dialects.BytewiseString)
    delta: Mapped[int] = mapped_column(dialects.Id)


ledger = SegmentCount.__table__
COLUMNS = ("day", "actor", "part_id", "type", "value", "delta")


class SegmentSize(NamedTuple):
    """A segment and how many customers hold it."""

    type: str
    value: str
    customers: int

    @property
    def pair(self) -> SegmentPair:
        return SegmentPair(self.type, self.value)


class SegmentDeltas:
    """By how many customers each segment grows or shrinks through the change that is being made."""

    def __init__(self) -> None:
        self._before: Counter[str] = Counter()
        self._after: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return the number of distinct lists of segments, which is what this takes in memory."""
        return len(self._before) + len(self._after)

    def add(self, before: Iterable[str], after: Iterable[str]) -> None:
        """Add the segments that customers had and have, as JSON texts.

        Texts are counted first and each distinct one is parsed once: many customers have the same segments.
        """
        self._before.update(before)
        self._after.update(after)

    def with_segments(self) -> int:
        """Return by how many the number of customers with any segments grows."""
        return self._before["[]"] - self._after["[]"]

    def pop(self) -> dict[SegmentPair, int]:
        """Return the deltas added so far, without zeros, and start again from none."""
        deltas: Counter[SegmentPair] = Counter()
        self._after.subtract(self._before)
        for segments, customers in self._after.items():
            if customers:
                for pair in distinct_pairs(orjson.loads(segments)):
                    deltas[pair] += customers
        self._before.clear()
        self._after.clear()
        return {pair: delta for pair, delta in deltas.items() if delta}


_delta_rows = dialects.json_elements(bindparam("deltas", type_=dialects.Json)).c.value

INSERT_DELTAS = insert(ledger).from_select(
    COLUMNS,
    select(
        *(bindparam(f"delta_{column}", type_=ledger.c[column].type) for column in ("day", "actor", "part_id")),
        _delta_rows[0].as_string(),
        _delta_rows[1].as_string(),
        _delta_rows[2].as_integer(),
    ),
)
"""Appends the deltas of `delta_parameters` to the ledger."""


def delta_parameters(day: date, actor: str, part_id: int | None, deltas: dict[SegmentPair, int]) -> dict[str, Any]:
    """Return the parameters of INSERT_DELTAS."""
    rows = [[*pair, delta] for pair, delta in deltas.items()]
    return {"delta_day": day, "delta_actor": actor, "delta_part_id": part_id, "deltas": rows}


def append_deltas(session: Session, day: date, actor: str, part_id: int | None, deltas: dict[SegmentPair, int]) -> None:
    """Append deltas to the ledger, if there are any."""
    if deltas:
        session.execute(INSERT_DELTAS, delta_parameters(day, actor, part_id, deltas))


def catalogue(after: SegmentPair | None = None, *, limit: int, type_: str | None = None) -> list[SegmentSize]:
    """Return the segments that at least one customer holds, by type and value, from `after` on."""
    query = _sizes(type_).order_by(ledger.c.type, ledger.c.value).limit(limit)
    if after:
        query = query.where(tuple_(ledger.c.type, ledger.c.value) > tuple_(*after))
    return _fetch(query)


def largest_segments(*, limit: int, type_: str | None = None) -> list[SegmentSize]:
    """Return the segments with the most customers, the largest first."""
    customers = func.sum(ledger.c.delta)
    return _fetch(_sizes(type_).order_by(customers.desc(), ledger.c.type, ledger.c.value).limit(limit))


def count_holders(pair: SegmentPair) -> int:
    """Return how many customers hold this segment."""
    query = select(func.coalesce(func.sum(ledger.c.delta), 0))
    return int(db.session.scalars(query.where(ledger.c.type == pair.type, ledger.c.value == pair.value)).one())


def _sizes(type_: str | None) -> Select[Any]:
    customers = func.sum(ledger.c.delta)
    query = (
        select(ledger.c.type, ledger.c.value, customers).group_by(ledger.c.type, ledger.c.value).having(customers > 0)
    )
    return query if type_ is None else query.where(ledger.c.type == type_)


def _fetch(query: Select[Any]) -> list[SegmentSize]:
    return [SegmentSize(type_, value, int(customers)) for type_, value, customers in db.session.execute(query)]
