"""How many customers hold each segment: compacted sums, and a ledger that is only appended to.

A counter row would be locked by every request, and counting ten million customers takes seconds. Instead, a change
appends by how many customers each segment grew or shrank, and compaction adds these recent rows to the sums when there
are some thousand. A count is a compacted sum and the recent rows. A customer who holds a pair twice counts once.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Index, Select, Subquery, bindparam, false, func, insert, or_, select, text, tuple_, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db
from app.core.models.segments import SegmentPair, distinct_pairs


class SegmentCount(Base):
    """By how many customers a segment grew or shrank: in one part or, once compacted, on one day or in one month.

    A compacted row has no part, and still has the actor. Recent rows are few, and found by an index of their own. The
    compacted ones grow with the days, and are read for the trend of a segment.
    """

    __tablename__ = "segment_counts"
    __table_args__ = (
        Index(
            "ix_segment_counts_recent",
            "id",
            postgresql_where=text("NOT compacted"),
            sqlite_where=text("NOT compacted"),
        ),
        Index(
            "ix_segment_counts_compacted",
            "type",
            "value",
            "day",
            postgresql_where=text("compacted"),
            sqlite_where=text("compacted"),
        ),
        Index("ix_segment_counts_day", "day", postgresql_where=text("compacted"), sqlite_where=text("compacted")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    day: Mapped[date]
    actor: Mapped[str]
    part_id: Mapped[int | None] = mapped_column(dialects.Id)
    type: Mapped[str] = mapped_column(dialects.BytewiseString)
    value: Mapped[str] = mapped_column(dialects.BytewiseString)
    delta: Mapped[int] = mapped_column(dialects.Id)
    compacted: Mapped[bool] = mapped_column(server_default=false())
    """Whether the delta is part of the sum in SegmentTotal."""


class SegmentTotal(Base):
    """How many customers hold a segment, without the recent rows of the ledger."""

    __tablename__ = "segment_totals"

    type: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    value: Mapped[str] = mapped_column(dialects.BytewiseString, primary_key=True)
    customers: Mapped[int] = mapped_column(dialects.Id)


ledger, sums = SegmentCount.__table__, SegmentTotal.__table__
is_compacted = dialects.is_true(ledger.c.compacted)
is_recent = dialects.is_false(ledger.c.compacted)
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
    """By how many customers each segment grows or shrinks in one change; collected while it is made."""

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
    counts = current_counts()
    query = _sizes(counts, type_).order_by(counts.c.type, counts.c.value).limit(limit)
    if after:
        query = query.where(tuple_(counts.c.type, counts.c.value) > tuple_(*after))
    return _fetch(query)


def all_sizes(words: Iterable[str]) -> list[SegmentSize]:
    """Return the segments that customers hold, by type and value.

    Some may be missing that do not contain each of the words, folded by `fold_accents`, in type or value.
    """
    counts = current_counts()
    text = func.lower(counts.c.type + " " + counts.c.value)
    contain = [or_(dialects.contains_text(text, word), dialects.is_not_ascii(text)) for word in words]
    return _fetch(_sizes(counts, None).where(*contain).order_by(counts.c.type, counts.c.value))


def sizes_by_type(type_: str | None = None, *, largest_first: bool, start: int, limit: int) -> list[SegmentSize]:
    """Return some of the segments that customers hold, by type, and within a type by value or by size."""
    counts = current_counts()
    size = [func.sum(counts.c.customers).desc()] if largest_first else []
    query = _sizes(counts, type_).order_by(counts.c.type, *size, counts.c.value)
    return _fetch(query.offset(start).limit(limit))


def type_totals() -> list[tuple[str, int, int]]:
    """Return each type that customers hold, how many values it has, and the sum of the customers of each."""
    counts = current_counts()
    sizes = _sizes(counts, None).subquery("sizes")
    type_, customers = sizes.c[0], sizes.c[2]
    query = select(type_, func.count(), func.sum(customers)).group_by(type_).order_by(type_)
    return [(name, values, int(assignments)) for name, values, assignments in db.session.execute(query)]


def largest_segments(*, limit: int, type_: str | None = None) -> list[SegmentSize]:
    """Return the segments with the most customers, the largest first."""
    counts = current_counts()
    customers = func.sum(counts.c.customers)
    return _fetch(_sizes(counts, type_).order_by(customers.desc(), counts.c.type, counts.c.value).limit(limit))


def existing_types(names: Collection[str]) -> set[str]:
    """Return those of these names that are the type of a segment that a customer has."""
    counts = current_counts()
    sizes = _sizes(counts, None).where(counts.c.type.in_(names)).subquery()
    return set(db.session.scalars(select(sizes.c.type).distinct())) if names else set()


def held_types() -> list[str]:
    """Return the types of the segments that customers have, in order."""
    sizes = _sizes(current_counts(), None).subquery("sizes")
    return list(db.session.scalars(select(sizes.c.type).distinct().order_by(sizes.c.type)))


def count_holders(pair: SegmentPair) -> int:
    """Return how many customers hold this segment."""
    counts = current_counts()
    query = select(func.coalesce(func.sum(counts.c.customers), 0))
    return int(db.session.scalars(query.where(counts.c.type == pair.type, counts.c.value == pair.value)).one())


def current_counts() -> Subquery:
    """Return rows of (type, value, customers) whose sums are the counts: the compacted sums and the recent deltas."""
    recent = select(ledger.c.type, ledger.c.value, ledger.c.delta.label("customers")).where(is_recent)
    return union_all(select(sums.c.type, sums.c.value, sums.c.customers), recent).subquery("counts")


def _sizes(counts: Subquery, type_: str | None) -> Select[Any]:
    customers = func.sum(counts.c.customers)
    query = (
        select(counts.c.type, counts.c.value, customers).group_by(counts.c.type, counts.c.value).having(customers > 0)
    )
    return query if type_ is None else query.where(counts.c.type == type_)


def _fetch(query: Select[Any]) -> list[SegmentSize]:
    return [SegmentSize(type_, value, int(customers)) for type_, value, customers in db.session.execute(query)]
