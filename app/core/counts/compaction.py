"""Keeping the ledgers of counts short: rows are folded by day, and those of segments by month when they are old."""

import logging
from collections import Counter
from datetime import date, timedelta

from sqlalchemy import delete, extract, func, or_, select
from sqlalchemy.orm import Session

from app.core.counts.customer_totals import compact_totals
from app.core.counts.segment_counts import COLUMNS, append_deltas, ledger
from app.core.counts.segment_deltas import archive_deltas
from app.core.database import now, run_in_transaction
from app.core.errors import Unavailable
from app.core.models.segments import SegmentPair

COMPACTION_INTERVAL = 200
"""Change sets between two automatic compactions."""

DAILY_RETENTION_DAYS = 92
"""Days that have rows of their own, for the trend of 90 days; older ones are folded into their month."""


def compact_when_due(change_set_id: int) -> None:
    """Compact after every so many change sets, or leave it to the next one when the database is busy."""
    if change_set_id % COMPACTION_INTERVAL == 0:
        try:
            compact()
        except Unavailable:
            logging.getLogger(__name__).info("compaction put off")


def compact() -> tuple[int, int]:
    """Fold the ledger into one row per day, actor and segment, and old days into their month. The sums stay.

    Returns the number of rows folded, and of rows that remain of them. Safe beside writers and other compactions: it
    folds exactly the rows that it deletes.
    """

    def work(session: Session) -> tuple[int, int]:
        horizon = now().date() - timedelta(days=DAILY_RETENTION_DAYS)
        oldest_recent = select(func.min(ledger.c.day)).where(ledger.c.part_id.is_not(None)).scalar_subquery()
        unfolded = or_(
            ledger.c.day >= oldest_recent,
            (ledger.c.day < horizon) & (extract("day", ledger.c.day) != 1),
        )
        deleted = session.execute(delete(ledger).where(unfolded).returning(*(ledger.c[name] for name in COLUMNS))).all()
        archive_deltas(session, [row[2:] for row in deleted if row.part_id is not None])
        folded: dict[tuple[date, str], Counter[SegmentPair]] = {}
        for day, actor, _, type_, value, delta in deleted:
            fold = folded.setdefault((day if day >= horizon else day.replace(day=1), actor), Counter())
            fold[SegmentPair(type_, value)] += delta
        rows = 0
        for (day, actor), deltas in folded.items():
            nonzero = {pair: delta for pair, delta in deltas.items() if delta}
            append_deltas(session, day, actor, None, nonzero)
            rows += len(nonzero)
        compact_totals(session)
        return len(deleted), rows

    return run_in_transaction(work, maintenance=True)
