"""How many customers exist, and how many of them have segments: a ledger, as the counts of segments are.

Counting ten million rows takes seconds, and a single counter row would make every writer wait for the others.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db


class CustomerTotal(Base):
    """By how many the number of customers grew or shrank, and the number of those with segments."""

    __tablename__ = "customer_totals"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    day: Mapped[date]
    customers: Mapped[int] = mapped_column(dialects.Id)
    with_segments: Mapped[int] = mapped_column(dialects.Id)


ledger = CustomerTotal.__table__


@dataclass(frozen=True)
class Totals:
    """Numbers of customers: all, and those with at least one segment."""

    customers: int
    with_segments: int


def totals(session: Session | None = None) -> Totals:
    """Return the totals as of now."""
    sums = (func.coalesce(func.sum(ledger.c[name]), 0) for name in ("customers", "with_segments"))
    customers, with_segments = (session or db.session).execute(select(*sums)).one()
    return Totals(int(customers), int(with_segments))


_parameters = {
    name: bindparam(f"totals_{name}", type_=ledger.c[name].type) for name in ("day", "customers", "with_segments")
}

INSERT_TOTALS = insert(ledger).from_select(
    list(_parameters),
    select(*_parameters.values()).where(or_(_parameters["customers"] != 0, _parameters["with_segments"] != 0)),
)
"""Appends the deltas of `totals_parameters` to the ledger, unless both are zero."""


def totals_parameters(day: date, *, customers: int = 0, with_segments: int = 0) -> dict[str, Any]:
    """Return the parameters of INSERT_TOTALS."""
    return {"totals_day": day, "totals_customers": customers, "totals_with_segments": with_segments}


def append_totals(session: Session, day: date, *, customers: int = 0, with_segments: int = 0) -> None:
    """Append to the ledger by how many the totals grew or shrank."""
    session.execute(INSERT_TOTALS, totals_parameters(day, customers=customers, with_segments=with_segments))


def compact_totals(session: Session) -> None:
    """Fold the ledger into one row per day. Safe beside writers: it folds exactly the rows that it deletes."""
    days: dict[date, tuple[int, int]] = {}
    for day, customers, with_segments in session.execute(
        delete(ledger).returning(ledger.c.day, ledger.c.customers, ledger.c.with_segments)
    ):
        sums = days.get(day, (0, 0))
        days[day] = (sums[0] + customers, sums[1] + with_segments)
    rows = [{"day": day, "customers": sums[0], "with_segments": sums[1]} for day, sums in days.items()]
    if rows:
        session.execute(insert(ledger), rows)
