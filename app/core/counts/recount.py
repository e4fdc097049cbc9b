"""Counting again, from the customers themselves, what the ledgers say."""

from sqlalchemy import func, literal, select, true, union_all
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.counts.customer_totals import CustomerTotal, append_totals
from app.core.counts.segment_counts import append_deltas, ledger
from app.core.database import now, run_in_transaction
from app.core.models.change_sets import Actor
from app.core.models.customers import Customer


def recount(actor: Actor) -> list[tuple[str, int]]:
    """Count again from the customers, put right what differs, and tell it: (what, how many were missing).

    One statement sees customers and ledger at the same moment, so it is exact beside writers.
    """

    def work(session: Session) -> list[tuple[str, int]]:
        element = dialects.json_elements(Customer.__table__.c.segments)
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
            select(both.c.type, both.c.value, missing)
            .group_by(both.c.type, both.c.value)
            .having(missing != 0)
            .order_by(both.c.type, both.c.value)
        ).all()
        append_deltas(
            session, now().date(), actor.name, None, {(type_, value): int(n) for type_, value, n in differing}
        )
        return [*((f"{type_}:{value}", int(n)) for type_, value, n in differing), *_recount_totals(session)]

    return run_in_transaction(work)


def _recount_totals(session: Session) -> list[tuple[str, int]]:
    segments = Customer.__table__.c.segments
    there = select(func.count(), func.count().filter(segments != dialects.json_value([]))).subquery("there")
    told = select(
        func.coalesce(func.sum(CustomerTotal.customers), 0), func.coalesce(func.sum(CustomerTotal.carrying), 0)
    ).subquery("told")
    missing = select(there.c[0] - told.c[0], there.c[1] - told.c[1]).select_from(there.join(told, true()))
    customers, carrying = (int(number) for number in session.execute(missing).one())
    append_totals(session, now().date(), customers=customers, carrying=carrying)
    return [(what, n) for what, n in (("customers", customers), ("customers with segments", carrying)) if n]
