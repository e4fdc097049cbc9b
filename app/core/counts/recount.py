"""Counting again from the customers themselves, and correcting the ledgers."""

from sqlalchemy import func, literal, select, true, union_all
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.counts.customer_totals import CustomerTotal, append_totals
from app.core.counts.segment_counts import append_deltas, current_counts
from app.core.database import now, run_in_transaction
from app.core.models.change_sets import Actor
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair


def recount(actor: Actor) -> list[tuple[str, int]]:
    """Correct the ledgers by counting the customers, and return what differed as (label, how many were missing).

    One statement reads customers and ledger at the same moment, so the result is exact beside writers.
    """

    def work(session: Session) -> list[tuple[str, int]]:
        dialects.keep_commits_out(session)
        missing = _missing_counts(session)
        append_deltas(session, now().date(), actor.name, None, missing)
        return [*((f"{pair.type}:{pair.value}", n) for pair, n in missing.items()), *_recount_totals(session)]

    return run_in_transaction(work, maintenance=True)


def _missing_counts(session: Session) -> dict[SegmentPair, int]:
    element = dialects.json_elements(Customer.__table__.c.segments)
    type_, value = (element.c.value[name].as_string() for name in ("type", "value"))
    holders = (
        select(Customer.document_id, type_.label("type"), value.label("value"))
        .join(element, true())
        .distinct()
        .subquery()
    )
    counts = current_counts()
    both = union_all(
        select(holders.c.type, holders.c.value, literal(1).label("n")),
        select(counts.c.type, counts.c.value, -counts.c.customers),
    ).subquery()
    missing = func.sum(both.c.n)
    query = (
        select(both.c.type, both.c.value, missing)
        .group_by(both.c.type, both.c.value)
        .having(missing != 0)
        .order_by(both.c.type, both.c.value)
    )
    return {SegmentPair(type_, value): int(n) for type_, value, n in session.execute(query)}


def _recount_totals(session: Session) -> list[tuple[str, int]]:
    segments = Customer.__table__.c.segments
    actual = select(func.count(), func.count().filter(segments != dialects.json_value([]))).subquery("actual")
    recorded = select(
        func.coalesce(func.sum(CustomerTotal.customers), 0), func.coalesce(func.sum(CustomerTotal.with_segments), 0)
    ).subquery("recorded")
    missing = select(actual.c[0] - recorded.c[0], actual.c[1] - recorded.c[1])
    query = missing.select_from(actual.join(recorded, true()))
    customers, with_segments = (int(number) for number in session.execute(query).one())
    append_totals(session, now().date(), customers=customers, with_segments=with_segments)
    return [(label, n) for label, n in (("customers", customers), ("customers with segments", with_segments)) if n]
