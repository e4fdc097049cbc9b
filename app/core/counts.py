"""How many customers hold each segment: a ledger that is only appended to.

A counter row would be locked by every request, and counting ten million customers takes seconds. So a change appends
what each segment gained and lost, and the count is the sum. A customer who holds a pair twice counts once.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

import orjson
from sqlalchemy import ColumnElement, delete, extract, func, insert, literal, or_, select, true, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.changes import Actor
from app.core.customers import Customer
from app.core.database import Base, in_transaction, now
from app.core.errors import Unavailable

COMPACT_EVERY = 200
"""Change sets between two compactions that happen by themselves, so that the ledger stays short to sum."""

DAYS_KEPT = 92
"""Days told one by one, for the trend of 90 days; older ones are folded into their month."""

Pair = tuple[str, str]
"""A segment as (type, value): hashable, unlike its JSON."""


class SegmentCount(Base):
    """What one segment gained and lost by one change set or, once folded, on one day (later: month) by one actor."""

    __tablename__ = "segment_counts"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    day: Mapped[date]
    actor: Mapped[str]
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)
    type: Mapped[str]
    value: Mapped[str]
    gained: Mapped[int] = mapped_column(dialects.Id)
    lost: Mapped[int] = mapped_column(dialects.Id)


ledger = SegmentCount.__table__
held: ColumnElement[int] = func.sum(ledger.c.gained) - func.sum(ledger.c.lost)


class Movements:
    """What each segment gains and loses in one change set, in customers."""

    def __init__(self) -> None:
        self.gained: Counter[Pair] = Counter()
        self.lost: Counter[Pair] = Counter()
        self._pairs: dict[str, frozenset[Pair]] = {}

    def add(self, changes: Iterable[tuple[str, str]]) -> None:
        """Take in (before, after), JSON texts. Customers are alike: each text is parsed once."""
        for (before, after), customers in Counter(changes).items():
            had, has = self._held(before), self._held(after)
            for pair in has - had:
                self.gained[pair] += customers
            for pair in had - has:
                self.lost[pair] += customers

    def _held(self, segments: str) -> frozenset[Pair]:
        pairs = self._pairs.get(segments)
        if pairs is None:
            pairs = frozenset((segment["type"], segment["value"]) for segment in orjson.loads(segments))
            self._pairs[segments] = pairs
        return pairs

    def record(self, session: Session, change_set_id: int | None, day: date, actor: Actor) -> None:
        _append(
            session,
            [
                [day, actor.name, change_set_id, *pair, self.gained[pair], self.lost[pair]]
                for pair in self.gained.keys() | self.lost.keys()
            ],
        )


COLUMNS = ["day", "actor", "change_set_id", "type", "value", "gained", "lost"]


def _append(session: Session, rows: list[list[date | str | int | None]]) -> None:
    if rows:
        session.execute(insert(ledger), [dict(zip(COLUMNS, row, strict=True)) for row in rows])


def compact_when_due(change_set_id: int) -> None:
    """Compact after every so many change sets. It can wait: when the database is busy, the next one will do it."""
    if change_set_id % COMPACT_EVERY == 0:
        try:
            compact()
        except Unavailable:
            logging.getLogger(__name__).info("compaction put off")


def compact() -> tuple[int, int]:
    """Fold the ledger into one row per day, actor and segment; days long past into their month. The sums stay.

    Gives back how many rows were folded, and into how many. Safe beside writers and other compactions: it folds
    exactly the rows that it deletes.
    """

    def work(session: Session) -> tuple[int, int]:
        horizon = now().date() - timedelta(days=DAYS_KEPT)
        oldest_fresh = select(func.min(ledger.c.day)).where(ledger.c.change_set_id.is_not(None)).scalar_subquery()
        unfolded = or_(
            ledger.c.day >= oldest_fresh,
            (ledger.c.day < horizon) & (extract("day", ledger.c.day) != 1),
        )
        gone = session.execute(delete(ledger).where(unfolded).returning(*(ledger.c[name] for name in COLUMNS))).all()
        gained: Counter[tuple[date, str, str, str]] = Counter()
        lost: Counter[tuple[date, str, str, str]] = Counter()
        for row in gone:
            key = (row.day if row.day >= horizon else row.day.replace(day=1), row.actor, row.type, row.value)
            gained[key] += row.gained
            lost[key] += row.lost
        _append(
            session,
            [
                [day, actor, None, type_, value, gained[key], lost[key]]
                for key in gained
                for day, actor, type_, value in [key]
            ],
        )
        return len(gone), len(gained)

    return in_transaction(work)


def recount(actor: Actor) -> list[tuple[str, str, int]]:
    """Count again from the customers, put right what differs, and tell it: (type, value, how many were missing).

    One statement sees customers and ledger at the same moment, so it is exact beside writers.
    """

    def work(session: Session) -> list[tuple[str, str, int]]:
        element = dialects.elements(Customer.__table__.c.segments)
        type_, value = (element.c.value[name].as_string() for name in ("type", "value"))
        holding = (
            select(Customer.document_id, type_.label("type"), value.label("value"))
            .join(element, true())
            .distinct()
            .subquery()
        )
        both = union_all(
            select(holding.c.type, holding.c.value, literal(1).label("n")),
            select(ledger.c.type, ledger.c.value, ledger.c.lost - ledger.c.gained),
        ).subquery()
        missing = func.sum(both.c.n)
        differing = session.execute(
            select(both.c.type, both.c.value, missing).group_by(both.c.type, both.c.value).having(missing != 0)
        ).all()
        today = now().date()
        _append(
            session,
            [[today, actor.name, None, t, v, max(n, 0), max(-n, 0)] for t, v, n in differing],
        )
        return [(t, v, int(n)) for t, v, n in differing]

    return in_transaction(work)
