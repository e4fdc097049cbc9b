"""How many customers hold each segment: a ledger that is only appended to.

A counter row would be locked by every request, and counting ten million customers takes seconds. So a change appends
how many customers more or fewer hold each segment, and the count is the sum. Holding a pair twice counts once.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

import orjson
from sqlalchemy import delete, extract, func, insert, literal, or_, select, true, tuple_, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.changes import Actor
from app.core.customers import Customer
from app.core.database import Base, db, in_transaction, now
from app.core.errors import Unavailable

COMPACT_EVERY = 200
"""Change sets between two compactions that happen by themselves, so that the ledger stays short to sum."""

DAYS_KEPT = 92
"""Days told one by one, for the trend of 90 days; older ones are folded into their month."""

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
    type: Mapped[str] = mapped_column(dialects.Exact)
    value: Mapped[str] = mapped_column(dialects.Exact)
    delta: Mapped[int] = mapped_column(dialects.Id)


ledger = SegmentCount.__table__
COLUMNS = ("day", "actor", "change_set_id", "type", "value", "delta")


class Movements:
    """How many customers more hold each pair by what is being changed."""

    def __init__(self) -> None:
        self._segments: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many kinds of customers, alike in their segments, were met: what this takes in memory."""
        return len(self._segments)

    def add(self, before: Iterable[str], after: Iterable[str]) -> None:
        """Take in the segments that customers had and have, as JSON texts.

        They are counted as texts and parsed once per kind: customers are alike, and this is done for each of them.
        """
        self._segments.subtract(before)
        self._segments.update(after)

    def taken(self) -> dict[Pair, int]:
        """The sums so far, which begin again at nothing."""
        deltas: Counter[Pair] = Counter()
        for segments, customers in self._segments.items():
            for pair in {(segment["type"], segment["value"]) for segment in orjson.loads(segments)}:
                deltas[pair] += customers
        self._segments.clear()
        return {pair: delta for pair, delta in deltas.items() if delta}


def append(session: Session, day: date, actor: str, change_set_id: int | None, deltas: dict[Pair, int]) -> None:
    """Write into the ledger by how many customers each segment grew or shrank."""
    if deltas:
        sent = dialects.elements([[*pair, delta] for pair, delta in deltas.items()]).c.value
        common = literal(day, ledger.c.day.type), literal(actor), literal(change_set_id, ledger.c.change_set_id.type)
        rows = select(*common, sent[0].as_string(), sent[1].as_string(), sent[2].as_integer())
        session.execute(insert(ledger).from_select(COLUMNS, rows))


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
        folded: dict[tuple[date, str], Counter[Pair]] = {}
        for day, actor, _, type_, value, delta in gone:
            fold = folded.setdefault((day if day >= horizon else day.replace(day=1), actor), Counter())
            fold[type_, value] += delta
        rows = 0
        for (day, actor), deltas in folded.items():
            left = {pair: delta for pair, delta in deltas.items() if delta}
            append(session, day, actor, None, left)
            rows += len(left)
        return len(gone), rows

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
            select(ledger.c.type, ledger.c.value, -ledger.c.delta),
        ).subquery()
        missing = func.sum(both.c.n)
        differing = session.execute(
            select(both.c.type, both.c.value, missing).group_by(both.c.type, both.c.value).having(missing != 0)
        ).all()
        append(session, now().date(), actor.name, None, {(type_, value): int(n) for type_, value, n in differing})
        return [(type_, value, int(n)) for type_, value, n in differing]

    return in_transaction(work)
