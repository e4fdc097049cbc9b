"""Keeping the ledgers of counts short: rows are compacted by day, and those of segments by month when they are old."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, delete, extract, func, insert, or_, select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.counts.customer_totals import compact_totals
from app.core.counts.hourly_deltas import add_to_hours
from app.core.counts.segment_counts import COLUMNS, is_recent, ledger, sums
from app.core.counts.segment_deltas import archive_deltas
from app.core.database import db, now, run_in_transaction
from app.core.models.segments import SegmentPair

MAX_RECENT = 5_000
"""Recent rows of the ledger that every count reads; with more of them, the ledger is compacted."""

DAILY_RETENTION_DAYS = 92
"""Days that have rows of their own, for the trend of 90 days; older ones are compacted into their month."""


def compact_when_due() -> bool:
    """Compact if there are many recent rows, and return whether it did."""
    recent = select(ledger.c.id).where(is_recent).limit(MAX_RECENT).subquery()
    due = db.session.scalars(select(func.count()).select_from(recent)).one() >= MAX_RECENT
    if due:
        compact()
    return due


def compact() -> tuple[int, int]:
    """Fold the ledger into one row per day, actor and segment, and old days into their month. The sums stay.

    Returns the number of rows compacted, and of rows that remain of them. Safe beside writers and other compactions: it
    folds exactly the rows that it deletes.
    """

    def work(session: Session) -> tuple[int, int]:
        horizon = now().date() - timedelta(days=DAILY_RETENTION_DAYS)
        oldest_recent = select(func.min(ledger.c.day)).where(is_recent).scalar_subquery()
        not_compacted = or_(
            is_recent,
            ledger.c.day >= oldest_recent,
            (ledger.c.day < horizon) & (extract("day", ledger.c.day) != 1),
        )
        columns = (*(ledger.c[name] for name in COLUMNS), ledger.c.compacted)
        deleted = session.execute(delete(ledger).where(not_compacted).returning(*columns)).all()
        archive_deltas(session, [row[2:6] for row in deleted if row.part_id is not None])
        recent = [row for row in deleted if not row.compacted]
        _add_to_totals(session, recent)
        add_to_hours(session, recent)
        rows = _insert_folded(session, deleted, horizon)
        compact_totals(session)
        return len(deleted), rows

    return run_in_transaction(work, maintenance=True)


def _add_to_totals(session: Session, recent: Sequence[Row[Any]]) -> None:
    added: Counter[SegmentPair] = Counter()
    for row in recent:
        added[SegmentPair(row.type, row.value)] += row.delta
    # In one order, so that two compactions at once do not wait for each other in a circle.
    rows = [{**pair.to_dict(), "customers": delta} for pair, delta in sorted(added.items()) if delta]
    dialects.upsert_sums(session, sums, "customers", rows)
    session.execute(delete(sums).where(sums.c.customers == 0))


def _insert_folded(session: Session, deleted: Sequence[Row[Any]], horizon: date) -> int:
    compacted: Counter[tuple[date, str, str, str]] = Counter()
    for row in deleted:
        day = row.day if row.day >= horizon else row.day.replace(day=1)
        compacted[day, row.actor, row.type, row.value] += row.delta
    keys = ("day", "actor", "type", "value")
    rows = [{**dict(zip(keys, key, strict=True)), "delta": n, "compacted": True} for key, n in compacted.items() if n]
    if rows:
        session.execute(insert(ledger), rows)
    return len(rows)
