"""How many customers there are, and how many carry segments: a ledger, as the counts of segments are.

Counting ten million rows takes seconds, and a counter that everybody writes to is a lock that everybody waits for.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, db


class CustomerTotal(Base):
    """How many customers more (or fewer) there were on a day, and how many more carried segments."""

    __tablename__ = "customer_totals"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    day: Mapped[date]
    customers: Mapped[int] = mapped_column(dialects.Id)
    carrying: Mapped[int] = mapped_column(dialects.Id)


ledger = CustomerTotal.__table__


@dataclass(frozen=True)
class Totals:
    customers: int
    carrying: int


def totals(session: Session | None = None) -> Totals:
    query = select(func.coalesce(func.sum(ledger.c.customers), 0), func.coalesce(func.sum(ledger.c.carrying), 0))
    customers, carrying = (session or db.session).execute(query).one()
    return Totals(int(customers), int(carrying))


_totals_parameters = {
    name: bindparam(f"more_{name}", type_=ledger.c[name].type) for name in ("day", "customers", "carrying")
}

INSERT_TOTALS = insert(ledger).from_select(
    list(_totals_parameters),
    select(*_totals_parameters.values()).where(
        or_(_totals_parameters["customers"] != 0, _totals_parameters["carrying"] != 0)
    ),
)
"""Writes into the ledger how many `totals_parameters` there are, unless there are as many as before."""


def totals_parameters(day: date, *, customers: int = 0, carrying: int = 0) -> dict[str, Any]:
    """The parameters of MORE."""
    return {"more_day": day, "more_customers": customers, "more_carrying": carrying}


def append_totals(session: Session, day: date, *, customers: int = 0, carrying: int = 0) -> None:
    """Write into the ledger what changed."""
    session.execute(INSERT_TOTALS, totals_parameters(day, customers=customers, carrying=carrying))


def compact_totals(session: Session) -> None:
    """One row a day. Safe beside writers: it folds exactly the rows that it deletes."""
    days: dict[date, tuple[int, int]] = {}
    for day, customers, carrying in session.execute(
        delete(ledger).returning(ledger.c.day, ledger.c.customers, ledger.c.carrying)
    ):
        before = days.get(day, (0, 0))
        days[day] = (before[0] + customers, before[1] + carrying)
    rows = [{"day": day, "customers": sums[0], "carrying": sums[1]} for day, sums in days.items()]
    if rows:
        session.execute(insert(ledger), rows)
